"""The REST API: everything the page does, at /api/v1; described at /api/v1/openapi.json."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from ..session import BEARER, SESSION
from . import accounts, albums, jobs, me, operators, options, photos, portraits
from .answers import Problem

_STATUSES = {
    400: "Not done: what was sent cannot be used.",
    401: "Nobody is signed in, or the token is not valid.",
    403: "Not allowed.",
    404: "There is nothing here, or it is somebody else's.",
    408: "The upload stopped half-way.",
    409: "Not possible as things are now.",
    410: "Used up or too old.",
    413: "Too large.",
    415: "Not a kind of file that is taken.",
    429: "Too often: see Retry-After.",
    500: "Something went wrong here; the message has its number.",
    503: "Not possible just now: see Retry-After.",
    507: "No room is left.",
}
_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    # One names the model, which brings its schema; for each of the others FastAPI would build it again.
    422: {"model": Problem, "description": "Something is not as it must be."},
    **{status: {"description": text, "content": _CONTENT} for status, text in _STATUSES.items()},
}


def make_api() -> APIRouter:
    """All routes of the API."""
    api = APIRouter(prefix="/api/v1", responses=_REFUSALS)
    api.include_router(accounts.router)
    own = APIRouter(dependencies=[Depends(BEARER), Depends(SESSION)])
    for part in (me, options, albums, photos, jobs, portraits, operators):
        own.include_router(part.router)
    api.include_router(own)
    return api
