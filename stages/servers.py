"""The servers of a run: which can do it, what identifies each, and who does the next job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from sdwebui_client import Capabilities, WebUI, WebUIError, WebUIPool

from .events import Listener, Note

T = TypeVar("T")


@dataclass(frozen=True)
class Probed:
    """A server and what it can do."""

    webui: WebUI
    caps: Capabilities

    @property
    def url(self) -> str:
        """Its address."""
        return self.webui.url


class ServerSet:
    """The servers that are used. Probing and narrowing happen before work is handed out."""

    def __init__(self, servers: WebUIPool | Sequence[WebUI], *, checkpoint: str | None) -> None:
        self._pool = servers if isinstance(servers, WebUIPool) else WebUIPool(servers)
        self._checkpoint = checkpoint
        self._loras: tuple[str, ...] = ()
        self._probed: tuple[Probed, ...] = ()

    def probe(self, emit: Listener) -> tuple[Probed, ...]:
        """Ask every server what it can do; those that do not answer are left out with a note.

        Raises:
            WebUIError: None answered; the first one's error.
        """
        found, errors = [], []
        for webui in self._pool.servers:
            try:
                found.append(Probed(webui, webui.capabilities(refresh=True)))
            except WebUIError as error:
                errors.append(error)
                emit(Note(f"{webui.url} is left out: {error}"))
        if not found:
            raise errors[0]
        self._probed = tuple(found)
        return self._probed

    def keep(self, kept: Sequence[Probed], *, loras: Sequence[str] = ()) -> None:
        """Use only these servers from now on, for work that needs these LoRAs."""
        if [probed.webui for probed in kept] != list(self._pool.servers):
            self._pool = WebUIPool([probed.webui for probed in kept])
        self._probed, self._loras = tuple(kept), tuple(loras)

    @property
    def probed(self) -> tuple[Probed, ...]:
        """The servers in use."""
        return self._probed

    def identities(self) -> tuple[dict[str, Any], ...]:
        """What decides the pictures of each server, the same for servers that make the same ones."""
        found: dict[str, dict[str, Any]] = {}
        for probed in self._probed:
            identity = server_identity(probed.caps, self._checkpoint)
            found.setdefault(str(sorted(identity.items())), identity)
        return tuple(found.values())

    def identity_of(self, webui: WebUI) -> dict[str, Any]:
        """The same for one server."""
        return server_identity(webui.capabilities(), self._checkpoint)

    def run(self, task: Callable[[WebUI], T]) -> T:
        """Have one of the servers do it."""
        return self._pool.run(task, loras=self._loras, checkpoint=self._checkpoint)


def server_identity(caps: Capabilities, checkpoint: str | None) -> dict[str, Any]:
    """Flavour, versions and model of a server, as they go into a stage's key.

    Args:
        caps: What the server can do.
        checkpoint: The one asked for; None = the loaded one.
    """
    return {"fingerprint": caps.fingerprint, "model": model_hash(caps, checkpoint)}


def model_hash(caps: Capabilities, checkpoint: str | None) -> str | None:
    """First ten digits of the model's SHA-256, or None while the server has not hashed it.

    A1111 and Forge know a checkpoint's hash only after it was loaded once; every answer states it.
    """
    wanted = checkpoint or caps.loaded_checkpoint
    if wanted is None:
        return None
    for entry in caps.checkpoints:
        names = {
            entry.title,
            entry.title.partition(" [")[0],
            entry.model_name,
            entry.stem,
            entry.hash,
            entry.sha256,
        }
        if wanted in names or wanted.partition(" [")[0] in (entry.title.partition(" [")[0], entry.model_name):
            return (entry.sha256 or entry.hash or "")[:10] or None
    return None


def with_reported_model(identity: dict[str, Any], reported: str | None) -> dict[str, Any]:
    """The identity with the model that really drew, as the answer states it.

    The lists may not know its hash yet, and on a shared server somebody else may have loaded another
    checkpoint since they were read. A picture whose model nobody can name is kept under a key that is never
    asked for: it may be used in this run, and is not taken for the same later.
    """
    if reported:
        return {**identity, "model": reported[:10]}
    if identity["model"] is not None:
        return identity
    return {**identity, "model": f"unidentified {uuid4().hex}"}
