"""Putting a LoRA where a WebUI lists it, and making sure it does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ._files import sha256_file
from .artifact import LoraArtifact
from .errors import ArtifactError, PublishError, TrainError
from .name_check import occupied, shares_photos
from .places import FOLDER, ModelsPlace, open_place
from .places.base import NameTaken
from .recipe import NAME
from .ssh import SshAuth
from .trials import Ledger

__all__ = [
    "FOLDER",
    "LoraHost",
    "PublishedLora",
    "publish",
    "publish_temporarily",
    "sweep_temporaries",
    "unpublish",
]

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
    place: str
    """The models folder: a path, or an address without secrets."""
    rel: str
    """The file below it, with "/"."""
    copied: bool
    """False when the same file was already there."""

    @property
    def where(self) -> str:
        """The file's path or address."""
        return f"{self.place.rstrip('/')}/{self.rel}"


def publish(
    artifact: LoraArtifact,
    host: LoraHost,
    *,
    models_dir: Path | str | ModelsPlace,
    auth: SshAuth | None = None,
) -> PublishedLora:
    """Copy a LoRA into a WebUI's models folder and check that the WebUI lists it.

    The file is written under a temporary name, compared, and renamed: a server that looks meanwhile never
    sees half of it. A file of the same name is replaced only when both were made of some of the same
    photos: it is then an earlier LoRA of the same person. Anybody else's is left as it is.

    Args:
        artifact: The LoRA.
        host: The WebUI.
        models_dir: Its models folder: as seen from this machine, `sftp://user@host/path`, the address of a
            storage fsspec reaches, or a place that is open.
        auth: For SFTP; None reads the environment.

    Raises:
        PublishError: A sandbox LoRA for a real WebUI, another file of this name, no such folder, a failed
            copy, or the WebUI does not list it afterwards.
        SshError: The other machine is not reached.
        ArtifactError: The LoRA's file changed since it was read.
    """
    _check(artifact, artifact.name, host)
    with _opened(models_dir, auth) as place:
        published = _put(artifact, artifact.name, place)
    _wait_until_listed(published, host)
    return published


def unpublish(published: PublishedLora, *, auth: SshAuth | None = None) -> None:
    """Take a LoRA out of a models folder again, if the file is still the one that was put there.

    Args:
        published: From `publish`.
        auth: For SFTP; None reads the environment.

    Raises:
        TrainError: Another file stands there now, or the place is not reached.
    """
    with open_place(published.place, auth=auth) as place:
        rel = published.rel.removeprefix(f"{FOLDER}/")
        same = _is_there(place, rel, published.sha256)
        if same is False:
            raise PublishError(f"{place.where(rel)} is another file by now; it is left as it is.")
        if same:
            place.remove(rel)


@contextlib.contextmanager
def publish_temporarily(
    artifact: LoraArtifact,
    host: LoraHost,
    models_dir: Path | str,
    *,
    name: str,
    ledger: Path | None = None,
    auth: SshAuth | None = None,
) -> Iterator[PublishedLora]:
    """Have a WebUI list a LoRA under another name for a while, as long as the block runs.

    Nothing is kept open meanwhile: pictures take minutes, and connections do not always last that long.

    Args:
        artifact: The LoRA, such as a checkpoint on trial.
        host: The WebUI.
        models_dir: Its models folder, see `publish`.
        name: What it is called there; nothing else's, so take part of its hash, or a random one.
        ledger: A file that names what lies there for a while. It is written before anything is copied, so
            that `sweep_temporaries` finds what a killed run left. What cannot be removed at the end stays in
            it. None keeps none.
        auth: For SFTP; None reads the environment.

    Raises:
        PublishError: As `publish`; also when a file of this name is there.
        TrainError: Without a ledger, when the file cannot be removed again.
    """
    _check(artifact, name, host)
    book = Ledger(ledger) if ledger is not None else None
    if book is not None:
        book.add(name, artifact.sha256, place=_text(models_dir))
    went_well = False
    try:
        with open_place(models_dir, auth=auth) as place:
            published = _put(artifact, name, place)
        _wait_until_listed(published, host)
        yield published
        went_well = True
    finally:
        try:
            with open_place(models_dir, auth=auth) as place:
                _sweep_one(place, name, artifact.sha256)
            if book is not None:
                book.remove(name)
        except TrainError:
            if book is None:
                raise
        else:
            # After an error the server may be gone, and its second error would hide the first.
            if went_well:
                host.refresh_loras()


def sweep_temporaries(
    ledger: Path, models_dir: Path | str | None = None, *, auth: SshAuth | None = None
) -> tuple[str, ...]:
    """Remove what a killed run published for a while.

    Args:
        ledger: The file given to `publish_temporarily`; need not be there.
        models_dir: The models folder it was published in, for what the ledger says no place of; None leaves
            that for another time.
        auth: For SFTP; None reads the environment.

    Returns:
        The names that are gone now.

    Raises:
        TrainError: A place is not reached. The ledger keeps what is left there.
    """
    book = Ledger(ledger)
    entries, places = book.read(), book.places()
    if not entries:
        book.discard()
        return ()
    if models_dir is not None:
        places = dict.fromkeys(entries, _text(models_dir)) | places
    unreached: TrainError | None = None
    for text in dict.fromkeys(places[name] for name in entries if name in places):
        try:
            with open_place(text, auth=auth) as place:
                for name in (name for name in entries if places.get(name) == text):
                    _sweep_one(place, name, entries[name])
                    book.remove(name)
        except TrainError as error:
            unreached = unreached or error
    if unreached is not None:
        raise unreached
    return tuple(name for name in entries if name in places)


def _text(models_dir: Path | str) -> str:
    """A models folder as it is written down: it must be found from another working directory too."""
    return str(models_dir.resolve()) if isinstance(models_dir, Path) else models_dir


def _check(artifact: LoraArtifact, name: str, host: LoraHost) -> None:
    if artifact.sandbox and not host.is_sandbox:
        raise PublishError(
            f"{artifact.name} is a sandbox stand-in, not a trained LoRA: a real WebUI cannot use it.",
            "Name a LoRA the WebUI already has with `--lora NAME`, or run with `--webui sandbox`.",
        )
    if not NAME.fullmatch(name):
        raise PublishError(
            f"{name!r} cannot be a LoRA's name: prompts would not find it.",
            "Use letters, digits, '_' and '-'.",
        )
    if not artifact.path.is_file() or sha256_file(artifact.path) != artifact.sha256:
        raise ArtifactError(f"{artifact.path} is gone or has changed since it was made.", "Train it again.")


def _opened(
    models_dir: Path | str | ModelsPlace, auth: SshAuth | None
) -> contextlib.AbstractContextManager[ModelsPlace]:
    if isinstance(models_dir, Path | str):
        return open_place(models_dir, auth=auth)
    return contextlib.nullcontext(models_dir)


def _put(artifact: LoraArtifact, name: str, place: ModelsPlace) -> PublishedLora:
    _remove_abandoned(place, name)
    try:
        return _put_once(artifact, name, place)
    except NameTaken:
        # Another run for the same person, perhaps: what stands there now is looked at like any other file.
        return _put_once(artifact, name, place)


def _put_once(artifact: LoraArtifact, name: str, place: ModelsPlace) -> PublishedLora:
    rel, size = f"{name}.safetensors", artifact.path.stat().st_size
    replaces = False
    for clash in place.find(name):
        if clash.size == size and place.sha256(clash.rel) == artifact.sha256:
            return PublishedLora(name, artifact.sha256, place.url, f"{FOLDER}/{clash.rel}", copied=False)
        if clash.rel != rel or not shares_photos(artifact.photos, clash.rel, place):
            raise occupied(place.where(clash.rel))
        replaces = True
    place.put(artifact.path, rel, replaces=replaces, sha256=artifact.sha256)
    return PublishedLora(name, artifact.sha256, place.url, f"{FOLDER}/{rel}", copied=True)


def _remove_abandoned(place: ModelsPlace, name: str) -> None:
    """Remove what killed writers left; what may not be removed stays, and harms nobody."""
    for part in place.parts(name):
        with contextlib.suppress(PublishError):
            place.remove(part)


def _is_there(place: ModelsPlace, rel: str, sha256: str) -> bool | None:
    """Whether a file is the one with this hash; None when there is no such file."""
    name = rel.rpartition("/")[2].rpartition(".")[0]
    if not any(info.rel == rel for info in place.find(name)):
        return None
    return place.sha256(rel) == sha256


def _sweep_one(place: ModelsPlace, name: str, sha256: str) -> None:
    """Remove what was published for a while, and half of it. A file that is another by now is not ours."""
    rel = f"{name}.safetensors"
    if _is_there(place, rel, sha256):
        place.remove(rel)
    for part in place.parts(name, ours=True):
        place.remove(part)


def _wait_until_listed(published: PublishedLora, host: LoraHost) -> None:
    deadline = time.monotonic() + LISTED_WITHIN_S
    pause = 0.05
    while True:
        host.refresh_loras()
        if published.name in set(host.lora_names()):
            return
        if time.monotonic() >= deadline:
            raise PublishError(
                f"{published.where} was written, but the WebUI does not list {published.name}.",
                "Is this the models folder the WebUI uses (its --lora-dir, --models-dir or --data-dir)?",
            )
        time.sleep(pause)
        pause = min(1.0, pause * 2)
