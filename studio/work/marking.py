"""Marks what is delivered as generated, as the operator and the user want it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core import Studio
from ..data import User
from .context import JobContext

if TYPE_CHECKING:
    from stages.marks import Signer

DESCRIPTION = {"en": "A generated portrait, not a photograph.", "ko": "AI로 생성한 인물 사진입니다."}


@dataclass(frozen=True)
class Marker:
    """How the pictures of one job are marked."""

    visible: bool
    required: bool
    """Whether the operator requires the visible mark on every picture."""
    language: Literal["ko", "en"]
    sandbox: bool
    signer: Signer | None

    @classmethod
    def of(cls, context: JobContext, *, sandbox: bool) -> Marker:
        """As the operator's settings and the job's wishes say.

        Args:
            context: The job.
            sandbox: Whether a stand-in drew the pictures.
        """
        job, settings = context.job, context.studio.settings
        with context.studio.db.session() as db:
            user = db.get(User, job.user_id)
        wished = context.wishes.visible_mark
        visible = {"off": False, "required": True}.get(settings.visible_mark, wished is not False)
        language: Literal["ko", "en"] = "ko" if user is not None and user.language == "ko" else "en"
        return cls(
            visible, settings.visible_mark == "required", language, sandbox, _signer_of(context.studio)
        )

    def quietly(self) -> Marker:
        """The same without the visible mark, unless the operator requires it."""
        return self if self.required else replace(self, visible=False)

    def mark(self, picture: bytes) -> bytes:
        """A PNG or JPEG with its marks; marking again changes nothing.

        Raises:
            MarkError: The picture cannot be marked: then it is not delivered.
        """
        from stages.marks import mark_picture

        return mark_picture(
            picture,
            visible=self.visible,
            language=self.language,
            sandbox=self.sandbox,
            signer=self.signer,
            description=DESCRIPTION[self.language],
        )


def _signer_of(studio: Studio) -> Signer | None:
    cert, key = studio.settings.c2pa_cert_file, studio.settings.c2pa_key_file
    if cert is None or key is None:
        return None
    return _signer(cert, key, cert.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _signer(cert: Path, key: Path, _modified_ns: int) -> Signer:
    from stages.marks import make_signer

    return make_signer(cert, key)
