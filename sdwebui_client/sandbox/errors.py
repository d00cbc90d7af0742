"""Errors as the three families of servers write them, from recorded answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from .settings import Flavour


class ApiError(Exception):
    """An HTTPException of the server: a status and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Crash(Exception):
    """An exception the server did not expect: 500 with its type and text."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


@dataclass(frozen=True)
class Complaint:
    """One entry of a 422."""

    loc: tuple[str | int, ...]
    msg: str
    type: str
    input: Any = None
    """Echoed by pydantic 2 only, whatever its size."""
    ctx: dict[str, Any] | None = None
    url: bool = True
    """pydantic 2 links its documentation, FastAPI's own complaints do not."""


class Invalid(Exception):
    """The request does not fit the schema."""

    def __init__(self, *complaints: Complaint) -> None:
        super().__init__("; ".join(item.msg for item in complaints))
        self.complaints = complaints


def api_error(flavour: Flavour, error: ApiError) -> Response:
    """Render an HTTPException."""
    if flavour == "forge":
        return JSONResponse({"detail": error.detail}, error.status)
    body: dict[str, Any] = {"error": "HTTPException", "detail": error.detail, "body": "", "errors": ""}
    if flavour == "sdnext":
        body |= {"code": error.status, "errors": f"{error.status}: {error.detail}"}
    return JSONResponse(body, error.status)


def crash(flavour: Flavour, error: Crash) -> Response:
    """Render an unhandled exception; its text stands in `message` on Forge and in `errors` elsewhere."""
    body: dict[str, Any] = {"error": error.kind, "detail": "", "body": ""}
    if flavour == "sdnext":
        body["code"] = 500
    body["message" if flavour == "forge" else "errors"] = error.text
    return JSONResponse(body, 500)


def invalid(flavour: Flavour, error: Invalid) -> Response:
    """Render a 422 in pydantic 1's form, or pydantic 2's for Forge and SD.Next."""
    pydantic2 = flavour in ("forge", "sdnext")
    return JSONResponse({"detail": [_entry(item, pydantic2) for item in error.complaints]}, 422)


def _entry(item: Complaint, pydantic2: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"loc": list(item.loc), "msg": item.msg, "type": item.type}
    if item.ctx is not None:
        entry["ctx"] = item.ctx
    if pydantic2:
        entry["input"] = item.input
        if item.url:
            entry["url"] = f"https://errors.pydantic.dev/2.8/v/{item.type}"
    return entry
