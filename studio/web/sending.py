"""How a file leaves the studio: only from inside its folder, with an ETag, or as a streamed zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from ..refusals import not_found

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_CHUNK = 1 << 20
_FILE_DATE = (1980, 1, 1, 0, 0, 0)
"""Of a zip's entries: the same pictures make the same file."""


def inside(folder: Path, name: str) -> Path:
    """A file below a folder.

    Raises:
        Refused: `not-found`: it is not there, is not a plain file, or would lie outside (also by a link).
    """
    path = folder / name
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise not_found()
    return path


def send_file(request: Request, path: Path, *, download: str | None = None) -> Response:
    """Answer with a file, or that the asker has it already.

    Args:
        request: For If-None-Match.
        path: From `inside`.
        download: The name it is to be saved by; None shows it.

    Raises:
        Refused: `not-found`: it was deleted a moment ago.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise not_found() from None
    etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
    if _has(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    return FileResponse(
        path,
        media_type=MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream"),
        headers={"ETag": etag, "Content-Disposition": _disposition(download)},
        stat_result=found,
    )


def send_bytes(data: bytes, media_type: str, *, download: str | None = None) -> Response:
    """Answer with something that was just made."""
    return Response(data, media_type=media_type, headers={"Content-Disposition": _disposition(download)})


def send_zip(files: Sequence[tuple[str, Path]], name: str) -> Response:
    """Answer with a zip, made while it is sent; nothing of it is kept here.

    Args:
        files: Names within the zip and where the files lie.
        name: Of the zip.

    Raises:
        Refused: `not-found`: there are none, or one is gone.
    """
    if not files or not all(path.is_file() for _, path in files):
        raise not_found()
    return StreamingResponse(
        zip_stream(files), media_type="application/zip", headers={"Content-Disposition": _disposition(name)}
    )


def zip_stream(files: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    """The bytes of a zip. Pictures are packed already, so they are stored as they are.

    Yields:
        About a megabyte at a time; memory holds no more.
    """
    out = _Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files:
            entry = zipfile.ZipInfo(name, _FILE_DATE)
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as target:
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
                    yield out.take()
    yield out.take()


class _Pipe(io.RawIOBase):
    """What a zip is written to: it cannot go back, so zipfile writes sizes behind each file."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._waiting += part
        return len(part)

    def take(self) -> bytes:
        """What was written since the last time."""
        part = bytes(self._waiting)
        self._waiting.clear()
        return part


def _has(request: Request, etag: str) -> bool:
    asked = request.headers.get("if-none-match", "")
    return etag in (entry.strip().removeprefix("W/") for entry in asked.split(","))


def _disposition(download: str | None) -> str:
    if download is None:
        return "inline"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in download)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(download, safe='')}"
