"""Putting a LoRA where a WebUI lists it, and making sure it does."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ._files import sha256_file
from .artifact import LoraArtifact, read_artifact
from .errors import ArtifactError, PublishError, TrainError
from .recipe import NAME

FOLDER = "Lora"
"""Where A1111, Forge and reForge look inside their models folder."""
_LORA_SUFFIXES = frozenset({".safetensors", ".pt", ".ckpt"})
LISTED_WITHIN_S = 10.0
"""How long a server may take to list a new file after a refresh."""


class LoraHost(Protocol):
    """What publishing needs of a WebUI."""

    @property
    def is_sandbox(self) -> bool:
        """Whether it is the built-in stand-in."""
        ...

    def refresh_loras(self) -> Any:
        """Make it look at its folder again."""
        ...

    def lora_names(self) -> Iterable[str]:
        """Names it lists, as prompts use them."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedLora:
    """A LoRA that a WebUI lists."""

    name: str
    sha256: str
    path: Path
    copied: bool
    """False when the same file was already there."""


def publish(artifact: LoraArtifact, host: LoraHost, *, models_dir: Path) -> PublishedLora:
    """Copy a LoRA into a WebUI's models folder and check that the WebUI lists it.

    The file is written under a temporary name, compared, and renamed: a server that looks meanwhile never
    sees half of it. A file of the same name is replaced only when both were made of some of the same
    photos: it is then an earlier LoRA of the same person. Anybody else's is left as it is.

    Args:
        artifact: The LoRA.
        host: The WebUI.
        models_dir: Its models folder, as seen from this machine.

    Raises:
        PublishError: A sandbox LoRA for a real WebUI, another file of this name, no such folder, a failed
            copy, or the WebUI does not list it afterwards.
        ArtifactError: The LoRA's file changed since it was read.
    """
    if artifact.sandbox and not host.is_sandbox:
        raise PublishError(
            f"{artifact.name} is a sandbox stand-in, not a trained LoRA: a real WebUI cannot use it.",
            "Name a LoRA the WebUI already has with `--lora NAME`, or run with `--webui sandbox`.",
        )
    if not NAME.fullmatch(artifact.name):
        raise PublishError(
            f"{artifact.name!r} cannot be a LoRA's name: prompts would not find it.",
            "Use letters, digits, '_' and '-'.",
        )
    if not artifact.path.is_file() or sha256_file(artifact.path) != artifact.sha256:
        raise ArtifactError(f"{artifact.path} is gone or has changed since it was made.", "Train it again.")
    models_dir = Path(models_dir)
    if not models_dir.is_dir():
        raise PublishError(
            f"The WebUI's models folder {models_dir} is not there.",
            "Name the folder that holds Stable-diffusion/ and Lora/, as seen from this machine.",
        )
    target = models_dir / FOLDER / f"{artifact.name}.safetensors"
    copied = _put(artifact, target)
    _wait_until_listed(artifact.name, host, target)
    return PublishedLora(artifact.name, artifact.sha256, target, copied)


def _put(artifact: LoraArtifact, target: Path) -> bool:
    remove_abandoned(target.parent, artifact.name)
    replaces = False
    for clash in _same_name(target.parent, artifact.name):
        if clash.is_file() and sha256_file(clash) == artifact.sha256:
            return False
        if clash != target or not _same_person(artifact, clash):
            raise PublishError(
                f"{clash} already exists and is another LoRA; it is left as it is.",
                "Choose another name with `--name`, or move that file away.",
            )
        replaces = True
    try:
        target.parent.mkdir(exist_ok=True)
        _copy(artifact, target, replaces=replaces)
    except OSError as error:
        raise PublishError(
            f"{target} cannot be written: {error.strerror}.", "Check its permissions and free space."
        ) from error
    return True


def abandoned_parts(folder: Path, name: str) -> list[Path]:
    """Unfinished copies of a LoRA whose writer was killed: hidden, unlisted, and a person's likeness all the
    same.

    Args:
        folder: The folder LoRAs are published in; need not be there.
        name: The LoRA's name, without suffix.
    """
    return sorted(part for part in folder.glob(f".{glob.escape(name)}.*.part") if _is_abandoned(part))


def remove_abandoned(folder: Path, name: str) -> None:
    """Remove them; what may not be removed stays."""
    for part in abandoned_parts(folder, name):
        with contextlib.suppress(OSError):
            part.unlink()


def _is_abandoned(part: Path) -> bool:
    """Whether nobody writes it any more: a writer holds the file's lock, and the kernel lets it go with the
    process."""
    try:
        with part.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _same_name(folder: Path, name: str) -> list[Path]:
    """LoRA files a server would call by this name:
    it looks into subfolders too, and some disks ignore case."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _LORA_SUFFIXES and path.stem.casefold() == name.casefold()
    )


def _same_person(artifact: LoraArtifact, path: Path) -> bool:
    try:
        return bool(artifact.photos & read_artifact(path).photos)
    except ArtifactError:
        return False


def _copy(artifact: LoraArtifact, target: Path, *, replaces: bool) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{artifact.name}.", suffix=".part", dir=target.parent)
    part = Path(temporary)
    try:
        with os.fdopen(handle, "wb") as out:
            with contextlib.suppress(OSError):  # a network share without locks
                fcntl.flock(out, fcntl.LOCK_EX)
            with artifact.path.open("rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
            if sha256_file(part) != artifact.sha256:
                raise PublishError(
                    f"The copy of {artifact.name} differs from the original.", "Check the disk and try again."
                )
            part.chmod(0o644)
            if replaces:
                part.replace(target)
            else:
                _rename_new(part, target)
    finally:
        part.unlink(missing_ok=True)


def _rename_new(part: Path, target: Path) -> None:
    """Give the finished file its name, unless somebody took the name meanwhile:
    a link, unlike a rename, never replaces."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise PublishError(f"{target} appeared while it was being written.", "Try again.") from error
    except OSError:
        # No hard links on this file system (FAT, some network shares).
        if target.exists():
            raise PublishError(f"{target} appeared while it was being written.", "Try again.") from None
        part.rename(target)


def _wait_until_listed(name: str, host: LoraHost, target: Path) -> None:
    deadline = time.monotonic() + LISTED_WITHIN_S
    pause = 0.05
    while True:
        host.refresh_loras()
        if name in set(host.lora_names()):
            return
        if time.monotonic() >= deadline:
            raise PublishError(
                f"{target} was written, but the WebUI does not list {name}.",
                "Is this the models folder the WebUI uses (its --lora-dir, --models-dir or --data-dir)?",
            )
        time.sleep(pause)
        pause = min(1.0, pause * 2)


def unpublish(published: PublishedLora) -> None:
    """Take a LoRA out of a models folder again, if the file is still the one that was put there.

    Raises:
        TrainError: Another file stands there now.
    """
    if not published.path.exists():
        return
    if sha256_file(published.path) != published.sha256:
        raise TrainError(f"{published.path} is another file by now; it is left as it is.")
    published.path.unlink()
