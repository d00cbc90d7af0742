"""What a worker is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .steps import Role

if TYPE_CHECKING:
    from train_lora import TrainerAsked

    from ..cli._options import WebUIOptions


@dataclass(frozen=True)
class WorkerOptions:
    """Who it is, what it does, and with what."""

    name: str
    """The same over restarts: by it the worker finds what it was doing. DBOS's executor_id."""
    role: Role
    webui: WebUIOptions
    """Its WebUIs; none for a worker that only trains."""
    gpu: str | None = None
    """Name of the GPU it works on; workers that give the same take turns. None = its WebUIs' addresses."""
    trainer: TrainerAsked | None = None
    """Who trains; None = what suits the WebUIs."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses of its WebUIs, without credentials."""
        return tuple(address.url for address in self.webui.target.addresses)

    def gpus(self, *, drawing: bool) -> tuple[str, ...]:
        """What it must have for itself while it draws, or trains.

        A WebUI keeps its models in the GPU's memory, so a worker that was told no GPU's name trains on none
        of its WebUIs while one draws.
        """
        if drawing:
            return tuple(dict.fromkeys((*((self.gpu,) if self.gpu else ()), *self.urls)))
        return (self.gpu,) if self.gpu else self.urls or (self.name,)
