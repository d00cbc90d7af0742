"""What publishing needs of a folder of models, wherever it lies."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..artifact import photo_marks
from ..errors import ArtifactError, PublishError

FOLDER = "Lora"
"""Where A1111, Forge and reForge look inside their models folder."""
LORA_SUFFIXES = frozenset({".safetensors", ".pt", ".ckpt"})
_MAX_REMOTE_HEADER_BYTES = 32_000_000
"""More than any LoRA's header has; beyond it the eight bytes before it are something else."""
ABANDONED_AFTER_S = 3600.0
"""Where no lock says whether somebody still writes, an unfinished file this old has no writer any more."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A LoRA file in a place."""

    rel: str
    """Its path below the LoRA folder, with "/"."""
    size: int
    """In bytes."""


class ModelsPlace(Protocol):
    """A WebUI's models folder that is open. `rel` is a path below its LoRA folder, with "/".

    Every method raises TrainError when the place cannot be reached or does not let us.
    """

    @property
    def url(self) -> str:
        """The models folder, for people and for `open_place`; without any secret."""
        ...

    def where(self, rel: str) -> str:
        """A file's full address, for people."""
        ...

    def find(self, name: str) -> list[FileInfo]:
        """LoRA files a WebUI would call by this name: it looks into subfolders, some disks ignore case."""
        ...

    def sha256(self, rel: str) -> str:
        """SHA-256 of a file, hexadecimal."""
        ...

    def read_header(self, rel: str) -> bytes:
        """The JSON header of a safetensors file, without the tensors.

        Raises:
            ArtifactError: It is no such file.
        """
        ...

    def put(self, path: Path, rel: str, *, replaces: bool, sha256: str) -> None:
        """Copy a file there: under a hidden name, compared, and renamed when it is whole.

        Args:
            path: The file on this machine.
            rel: What it is to be called.
            replaces: Whether a file of this name may be replaced; if not, one that appears meanwhile stays.
            sha256: What the copy must hash to.
        """
        ...

    def remove(self, rel: str) -> None:
        """Delete a file; one that is gone is as good."""
        ...

    def parts(self, name: str, *, ours: bool = False) -> list[str]:
        """Unfinished copies of a LoRA whose writer was killed: hidden, unlisted, and a person's likeness.

        Args:
            name: The LoRA's name, without suffix.
            ours: Nobody but us writes by this name: count those that are still young, too.
        """
        ...


def part_of(rel: str, token: str) -> str:
    """The hidden name a file has until it is whole."""
    folder, _, name = rel.rpartition("/")
    return f"{folder}/{part_prefix(name)}{token}.part" if folder else f"{part_prefix(name)}{token}.part"


def part_prefix(name: str) -> str:
    """How the hidden names of a file begin."""
    return f".{name.rsplit('.', 1)[0] if name.endswith('.safetensors') else name}."


def is_part(file_name: str, name: str) -> bool:
    """Whether a file is an unfinished copy of the LoRA of this name."""
    middle = file_name.removeprefix(part_prefix(name)).removesuffix(".part")
    return file_name == f"{part_prefix(name)}{middle}.part" and "." not in middle


def is_named(file_name: str, name: str) -> bool:
    """Whether a WebUI would call this file by the name."""
    stem, dot, suffix = file_name.rpartition(".")
    return f"{dot}{suffix}".lower() in LORA_SUFFIXES and stem.casefold() == name.casefold()


def header_of(what: str, read: Callable[[int, int], bytes]) -> bytes:
    """Take the header out of a safetensors file that can be read in ranges.

    Args:
        what: The file, for messages.
        read: Gives the bytes from one offset up to another.

    Raises:
        ArtifactError: It is no safetensors file.
    """
    head = read(0, 8)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    raw = read(8, 8 + length) if 2 <= length <= _MAX_REMOTE_HEADER_BYTES else b""
    if not raw or len(raw) != length:
        raise ArtifactError(f"{what} is not a safetensors file, or is cut short.")
    return raw


def marks_in(header: bytes) -> frozenset[str]:
    """Marks of the photos a LoRA was made of; empty when its header does not say.

    Args:
        header: From `read_header`.
    """
    try:
        metadata = json.loads(header).get("__metadata__", {})
    except (ValueError, AttributeError, RecursionError):
        return frozenset()
    return photo_marks(metadata) if isinstance(metadata, dict) else frozenset()


class NameTaken(PublishError):
    """Somebody else took the name while the file was on its way."""


def taken(where: str) -> NameTaken:
    """The error for a file that appeared meanwhile."""
    return NameTaken(f"{where} appeared while it was being written.", "Try again.")


def differs(where: str) -> PublishError:
    """The copy is not what was sent."""
    return PublishError(f"The copy at {where} differs from the original.", "Check the disk and try again.")
