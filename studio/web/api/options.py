"""What can be chosen."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from ...options import Options, options_of
from ..session import signed_in, studio_of

router = APIRouter(tags=["options"], dependencies=[Depends(signed_in)])


@router.get("/options")
def options(request: Request) -> Options:
    """Presets, poses, tones, outfits, backdrops and ID photos, with their names in both languages."""
    return options_of(studio_of(request))
