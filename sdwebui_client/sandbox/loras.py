"""The LoRA files of the sandbox: what is on disk, what the list shows, what a prompt switches on."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_TAG = re.compile(r"<(\w+):([^>]+)>")
_MAX_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA on disk."""

    name: str
    """The file's stem."""
    alias: str
    """`ss_output_name`, or the name."""
    path: Path
    metadata: dict[str, Any]
    model_hash: str
    """12 hex digits: `sshs_model_hash`, else the SHA-256 of what follows the header (A1111, networks.py)."""
    file_hash: str
    """12 hex digits of the file's SHA-256 (Forge)."""


@dataclass(frozen=True, slots=True)
class LoraUse:
    """A tag of a prompt that found its file."""

    tag: str
    """The name as it was written."""
    weight: float
    file: LoraFile


def read_lora(path: Path) -> LoraFile | None:
    """Read a LoRA's header and hashes; None when the file cannot be read as safetensors."""
    try:
        stat = path.stat()
        return _read(str(path), stat.st_mtime_ns, stat.st_size)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _read(text: str, _mtime: int, _size: int) -> LoraFile | None:
    path = Path(text)
    data = path.read_bytes()
    header = _header(data)
    if header is None:
        return None
    length, metadata = header
    model_hash = metadata.get("sshs_model_hash") or hashlib.sha256(data[8 + length :]).hexdigest()
    return LoraFile(
        name=path.stem,
        alias=str(metadata.get("ss_output_name") or path.stem),
        path=path,
        metadata={key: _unpacked(value) for key, value in metadata.items()},
        model_hash=str(model_hash)[:12],
        file_hash=hashlib.sha256(data).hexdigest()[:12],
    )


def _header(data: bytes) -> tuple[int, dict[str, Any]] | None:
    if len(data) < 8:
        return None
    (length,) = struct.unpack("<Q", data[:8])
    if length > min(_MAX_HEADER, len(data) - 8):
        return None
    try:
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    except (ValueError, AttributeError):
        return None
    return (length, metadata) if isinstance(metadata, dict) else None


def _unpacked(value: Any) -> Any:
    """JSON inside a metadata string is shown unpacked in /sdapi/v1/loras (recorded: ss_tag_frequency)."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


class LoraShelf:
    """The list the server keeps. It is made again by a refresh, and when a prompt names what is not on it."""

    def __init__(self, folder: Path, *, aliases: bool = True) -> None:
        self._folder = folder
        self._aliases = aliases
        self._files: dict[str, LoraFile] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the folder again, subfolders included; unreadable files are left out."""
        found = (read_lora(path) for path in sorted(self._folder.rglob("*.safetensors")))
        self._files = {file.name: file for file in found if file is not None}

    def _discover(self) -> None:
        """Look for new files; they come last until the next refresh (recorded: p10k)."""
        known = self._files
        self.refresh()
        fresh = self._files
        order = [*(name for name in known if name in fresh), *(name for name in fresh if name not in known)]
        self._files = {name: fresh[name] for name in order}

    @property
    def files(self) -> tuple[LoraFile, ...]:
        """As of the last refresh."""
        return tuple(self._files.values())

    def find(self, name: str) -> LoraFile | None:
        """Find a LoRA by its file name or its alias, exactly as written."""
        if name in self._files:
            return self._files[name]
        if not self._aliases:
            return None
        return next((file for file in self._files.values() if file.alias == name), None)

    def used_by(self, prompt: str) -> tuple[LoraUse, ...]:
        """Return the LoRAs a prompt switches on, in its order.

        A missing one is skipped without a word; a weight that is no number switches all of them off (t05).
        """
        tags = [body.split(":") for kind, body in _TAG.findall(prompt) if kind == "lora"]
        if any(self.find(parts[0]) is None for parts in tags):
            self._discover()
        uses: list[LoraUse] = []
        for name, *weights in tags:
            try:
                weight = _weight(weights)
            except ValueError:
                return ()
            file = self.find(name)
            if file is not None:
                uses.append(LoraUse(name, weight, file))
        return tuple(uses)


def _weight(parts: list[str]) -> float:
    """The last positional number is the UNet's weight; named ones (`unet=0.8`) count as well."""
    weight = 1.0
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            weight = float(part)
        elif name == "unet":
            weight = float(value)
    return weight
