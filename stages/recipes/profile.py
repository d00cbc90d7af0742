"""The profile recipe: a folder of photos in, studio portraits of that person out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sdwebui_client import CancelToken, Capabilities, WebUI, WebUIPool

    from ..events import Event
    from ..presets import Preset


@dataclass(frozen=True)
class ProfileOptions:
    """What the user asked for. Everything of a run lies under `out_dir`."""

    photos_dir: Path
    out_dir: Path
    preset: Preset
    name: str
    count: int | None
    """Portraits to deliver; None for every pose in every tone."""
    seed: int | None
    """None draws one and keeps it, so that running again resumes."""
    lora: str | None
    """A LoRA the servers already have; None trains one from the photos."""
    models_dir: Path | None
    """Where a real WebUI keeps its models, as seen from here; a sandbox tells its own."""
    pose_from: Path | None
    """A photo whose pose is used instead of the preset's poses, through the server's detector."""
    explain: bool = False
    subject: str | None = None
    """"woman", "man", …: the word after the trigger in prompts."""
    consent: str | None = None
    """The consent note that is kept in run.json."""


@dataclass(frozen=True)
class PlannedShot:
    """One portrait to be: which pose in which tone; `rank` 0 is the pose's best candidate."""

    number: int
    pose: str
    tone: str
    rank: int


@dataclass(frozen=True)
class PlannedRequest:
    """One request as it would be sent, pictures summarised."""

    stage: str
    shot: str
    path: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class ProfilePlan:
    """The whole run before it happens; made without network or disk."""

    shots: tuple[PlannedShot, ...]
    requests: tuple[PlannedRequest, ...]
    """One example per stage and pose or tone."""
    generations: dict[str, int]
    """Jobs per stage."""
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Server URL -> what it lacks, each with what to do. A server without problems is not listed."""

    @property
    def total_generations(self) -> int:
        """Jobs the servers get if nothing has to be tried twice."""
        return sum(self.generations.values())


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    run: dict[str, Any]
    """The content of run.json."""
    out_dir: Path
    delivered: tuple[Path, ...]
    rejected: tuple[dict[str, Any], ...]


def plan_profile(options: ProfileOptions, caps_list: Sequence[Capabilities]) -> ProfilePlan:
    """Work out every shot, request and problem without touching a server."""
    raise NotImplementedError


def run_profile(
    options: ProfileOptions,
    servers: WebUIPool | Sequence[WebUI],
    *,
    on_event: Callable[[Event], None],
    cancel: CancelToken | None = None,
) -> RunResult:
    """Run the recipe; running it again resumes."""
    raise NotImplementedError
