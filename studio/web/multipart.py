"""Files out of a multipart body as they stream in: one at a time on disk, never whole in memory.

Starlette's own parser keeps every file of a request before the first can be looked at, and knows no limit for
one (starlette@1.10 formparsers.py). Here each file is handed out as soon as it is complete, and deleted then.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from ..refusals import Refused

_MOST_PARTS = 200
_WRITE_AT = 1 << 20


@dataclass(frozen=True, slots=True)
class Received:
    """One file of the request.

    Attributes:
        path: Where it lies, until the next one is asked for. None when it was larger than allowed.
        name: What the sender's device calls it; anything.
    """

    path: Path | None
    name: str


async def received_files(request: Request, folder: Path, *, max_bytes: int) -> AsyncGenerator[Received, None]:
    """The files of a request, in order.

    Args:
        request: With a multipart body.
        folder: For the one that is on its way.
        max_bytes: Of one file; of a larger one nothing more is kept.

    Raises:
        Refused: `not-multipart` (415) or `malformed-upload` (400): also when the end is missing.
    """
    parser = _Parser(_boundary(request))
    incoming: _Incoming | None = None
    try:
        async with aclosing(request.stream()) as stream:
            async for chunk in stream:
                for kind, value in parser.feed(chunk):
                    if kind == "begin":
                        incoming = _Incoming(folder, value.decode("utf-8", "replace"), max_bytes)
                    elif kind == "data" and incoming is not None:
                        await incoming.add(value)
                    elif kind == "end" and incoming is not None:
                        done, incoming = incoming, None
                        try:
                            yield await done.finish()
                        finally:
                            done.remove()
        if not parser.complete:
            raise malformed()
    finally:
        if incoming is not None:
            incoming.remove()


class _Incoming:
    """The file that is being received."""

    def __init__(self, folder: Path, name: str, max_bytes: int) -> None:
        self._path = folder / f"upload-{os.urandom(12).hex()}"
        self._name, self._left = name, max_bytes
        self._waiting = bytearray()
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    async def add(self, data: bytes) -> None:
        if self._left < 0:
            return
        self._left -= len(data)
        if self._left < 0:
            self._waiting.clear()
            return
        self._waiting += data
        if len(self._waiting) >= _WRITE_AT:
            await self._write()

    async def finish(self) -> Received:
        if self._waiting:
            await self._write()
        self._close()
        return Received(self._path if self._left >= 0 else None, self._name)

    def remove(self) -> None:
        self._close()
        self._path.unlink(missing_ok=True)

    async def _write(self) -> None:
        data = bytes(self._waiting)
        self._waiting.clear()
        await run_in_threadpool(_write_all, self._descriptor, data)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class _Parser:
    """python-multipart's callbacks as a list of events."""

    def __init__(self, boundary: bytes) -> None:
        self._events: list[tuple[str, bytes]] = []
        self._header = [bytearray(), bytearray()]
        self._disposition = b""
        self._is_file = False
        self._parts = 0
        self.complete = False
        """Whether the last boundary was seen."""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._part_of(0),
                "on_header_value": self._part_of(1),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_done,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._finished,
            },
        )

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """What this chunk brought."""
        self._events = []
        try:
            if chunk:
                self._parser.write(chunk)
        except MultipartParseError:
            raise malformed() from None
        return self._events

    def _part_of(self, which: int) -> Callable[[bytes, int, int], None]:
        def add(data: bytes, start: int, end: int) -> None:
            self._header[which] += data[start:end]

        return add

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise malformed()
        self._disposition, self._is_file = b"", False

    def _header_end(self) -> None:
        if bytes(self._header[0]).lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        for text in self._header:
            text.clear()

    def _headers_done(self) -> None:
        _, options = parse_options_header(self._disposition)
        # A part without a file name is a plain field: nothing is asked of those here.
        self._is_file = b"filename" in options
        if self._is_file:
            self._events.append(("begin", options[b"filename"]))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._events.append(("data", data[start:end]))

    def _end(self) -> None:
        if self._is_file:
            self._events.append(("end", b""))

    def _finished(self) -> None:
        self.complete = True


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise Refused(
            "not-multipart",
            en="Photos are sent as multipart/form-data.",
            ko="사진은 multipart/form-data 형식으로 보내야 합니다.",
            hint_en='For example: curl -F "photo=@me.jpg" …',
            hint_ko='예: curl -F "photo=@me.jpg" …',
            status=415,
        )
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise malformed()
    return boundary


def malformed() -> Refused:
    """The body is no multipart, or its end is missing."""
    return Refused(
        "malformed-upload",
        en="The upload did not arrive whole.",
        ko="업로드한 파일이 온전히 도착하지 않았습니다.",
        hint_en="Check the connection and send it again; what is there already is not taken twice.",
        hint_ko="연결 상태를 확인하고 다시 보내 주세요. 이미 받은 사진은 중복되지 않습니다.",
        status=400,
    )
