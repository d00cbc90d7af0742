"""How much a request may send, and how long it may take its time. Nothing is kept beyond the limit."""

from __future__ import annotations

import asyncio
import re

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..refusals import Refused
from ..service_settings import StudioSettings

SMALL_BODY = 256 * 1024
"""Bytes of a form or of JSON."""
MB = 1_000_000
_SLACK = 64 * 1024
_SILENCE_S = 60.0
"""A sender that says nothing for so long is given up."""
_UPLOAD = re.compile(r"/api/v1/albums/[^/]+/photos/?")


class BodyLimit:
    """Counts the body while it streams in; Content-Length is only believed when it is too much."""

    def __init__(self, app: ASGIApp, settings: StudioSettings, *, silence_s: float = _SILENCE_S) -> None:
        self._app, self._silence_s = app, silence_s
        self._upload = settings.max_upload_mb * MB * settings.max_photos + _SLACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; reading more than may be raises 413, waiting too long 408."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._upload if _UPLOAD.fullmatch(scope["path"]) else SMALL_BODY
        claimed = Headers(scope=scope).get("content-length", "")
        if claimed.isdecimal() and int(claimed) > most:
            raise too_large(most)
        seen, ended = 0, False

        async def counted() -> Message:
            nonlocal seen, ended
            if ended:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._silence_s)
            except TimeoutError:
                raise as_http(_too_slow()) from None
            seen += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if seen > most:
                raise as_http(too_large(most))
            return message

        await self._app(scope, counted, send)


def as_http(refused: Refused) -> HTTPException:
    """The refusal in the one kind of error that FastAPI lets through while it reads a body."""
    return HTTPException(refused.status, detail=refused.to_json())


def too_large(most: int) -> Refused:
    """The body is larger than may be."""
    return Refused(
        "too-large",
        en=f"That is more than {_size(most)} at once.",
        ko=f"한 번에 {_size(most)}까지만 보낼 수 있습니다.",
        hint_en="Send fewer or smaller files.",
        hint_ko="파일 수를 줄이거나 더 작은 파일을 보내 주세요.",
        status=413,
    )


def _too_slow() -> Refused:
    return Refused(
        "too-slow",
        en="The upload stopped half-way.",
        ko="업로드가 중간에 멈췄습니다.",
        hint_en="Check the connection and send it again.",
        hint_ko="연결 상태를 확인하고 다시 보내 주세요.",
        status=408,
    )


def _size(most: int) -> str:
    return f"{most // MB} MB" if most >= MB else f"{most // 1024} kB"
