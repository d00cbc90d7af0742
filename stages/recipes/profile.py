"""The profile recipe: a folder of photos in, studio portraits of that person out.

    photos checked -> LoRA trained (or named) and published -> per pose candidates drawn and scored
    -> the best toned, enlarged, graded and scored again -> the good ones delivered

Running it again on the same folder resumes: every finished stage is found in the folder's store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdwebui_client import CancelToken, Capabilities, WebUI, WebUIPool
from train_lora import TrainerAsked, TrainerBackend

from ..events import Event
from ..plan import Blueprint, PlannedRequest, check_server, poses_of
from ..presets import LoraUse, Preset
from ..training.photos import SCREENED

if TYPE_CHECKING:
    from ..lora import PersonLora

WORK = ".work"
"""Name of the work folder in the output folder, where none is named."""

__all__ = [
    "PlannedRequest",
    "PlannedShot",
    "ProfileOptions",
    "ProfilePlan",
    "RunResult",
    "plan_profile",
    "run_profile",
]


@dataclass(frozen=True)
class ProfileOptions:
    """What the user asked for. Everything of a run lies under `out_dir`, unless `work_dir` is named."""

    photos_dir: Path
    out_dir: Path
    preset: Preset
    name: str
    """The run's, for the LoRA."""
    count: int | None
    """Portraits to deliver; None for every pose in every tone."""
    seed: int | None
    """0..2**32-1; None draws one and keeps it, so that running again resumes."""
    lora: str | None
    """A LoRA the servers already have; None trains one from the photos."""
    models_dir: Path | str | None
    """Where a real WebUI keeps its models, as seen from here; a sandbox tells its own."""
    pose_from: Path | None
    """A photo whose pose is used instead of the preset's poses, through the server's detector."""
    explain: bool = False
    """Whoever listens shows `StageStarted.why` and `StageDone.why`; they are always sent."""
    subject: str | None = None
    """"woman", "man", …: the word for the person in prompts; None = the preset's."""
    consent: str | None = None
    """The consent note that is kept in run.json."""
    person: str | None = None
    """The person's name in headings; None names nobody, as when `name` comes from a folder called photos."""
    trainer: TrainerAsked = field(default_factory=TrainerAsked)
    """Who trains the LoRA when none is named."""
    work_dir: Path | None = None
    """Where what is finished is kept: photos' verdicts, training, LoRA, every stage's pictures, the seed.
    None = `.work` in `out_dir`. Runs of the same photos that share one make only what another did not; one at
    a time."""
    trained: TrainerBackend | None = None
    """Hands out the training that was done beforehand, see `stages.recipes.ahead`; None trains."""

    @property
    def work(self) -> Path:
        """The work folder."""
        return self.out_dir / WORK if self.work_dir is None else self.work_dir

    @property
    def screened(self) -> Path | None:
        """Where it is kept what was found on each photo; only a shared work folder keeps it."""
        return None if self.work_dir is None else self.work_dir / SCREENED


@dataclass(frozen=True)
class PlannedShot:
    """One portrait to be: which pose in which tone; `rank` 0 is the pose's best candidate."""

    number: int
    pose: str
    tone: str
    rank: int


@dataclass(frozen=True)
class ProfilePlan:
    """The whole run before it happens; made without network or disk."""

    shots: tuple[PlannedShot, ...]
    requests: tuple[PlannedRequest, ...]
    """One example per stage and pose or tone."""
    generations: dict[str, int]
    """Jobs per stage."""
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Server -> what it lacks, each with what to do. A server without problems is not listed."""

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


def blueprint_of(
    options: ProfileOptions,
    caps_list: Sequence[Capabilities],
    *,
    lora: PersonLora | None = None,
    seed: int | None = None,
    tones: Sequence[str] | None = None,
) -> Blueprint:
    """What the options come to on these servers.

    Args:
        options: What was asked for.
        caps_list: What the servers can do.
        lora: The person's, once it is there.
        seed: The run's, once it is drawn.
        tones: The tones, once the photos were looked at; None = the most the preset can come to.

    Raises:
        ValueError: `count` is below 1.
        prompt_library.PromptError: The preset names what the library does not have.
    """
    from ..identity import adapter_loras, shared_ip_adapter, uses_lora, uses_photos
    from ..lib.select import plan_slots
    from ..lib.upscale import choose_upscaler
    from ..lora import planned_name
    from ..texts import Texts
    from ..tone import planned_tones

    preset = with_chosen_weight(options.preset, lora)
    poses = poses_of(preset, from_photo=options.pose_from is not None)
    listed = [set(caps.lora_names()) for caps in caps_list]
    named = lora.name if lora else options.lora or planned_name(options.name, preset)
    with_photos = uses_photos(preset) and bool(caps_list)
    adapter = shared_ip_adapter(caps_list, preset.family, preset.ip_adapter) if with_photos else None
    texts = Texts(
        preset=preset,
        lora_name=named if uses_lora(preset) else None,
        trigger=trigger_of(options, lora),
        subject=options.subject or preset.subject,
        # A LoRA of the mix is used when every server has it: portraits of one run should not differ.
        available_loras=set.intersection(*listed) if listed else None,
        adapter_loras=adapter_loras(preset, adapter),
    )
    return Blueprint(
        preset=preset,
        texts=texts,
        slots=plan_slots(poses, tones or planned_tones(preset), keep=preset.keep, count=options.count),
        upscaler=choose_upscaler(preset.upscale, caps_list) if preset.upscale else "",
        seed=options.seed if seed is None else seed,  # type: ignore[arg-type]
        adapter=adapter,
    )


def with_chosen_weight(preset: Preset, lora: PersonLora | None) -> Preset:
    """The preset with the weight that was chosen for this LoRA by likeness, unless it insists on its own.

    The face pass keeps its distance from it.
    """
    if lora is None or lora.weight is None or not preset.lora.chosen_weight:
        return preset
    apart = preset.lora.face_weight - preset.lora.weight
    chosen = LoraUse(weight=lora.weight, face_weight=round(lora.weight + apart, 3))
    return preset.model_copy(update={"lora": chosen})


def trigger_of(options: ProfileOptions, lora: PersonLora | None) -> str:
    """The words that call the person up: the LoRA's own, the preset's, or the rare word of the name."""
    from ..identity import uses_lora
    from ..training.photos import trigger_for

    preset = options.preset
    if not uses_lora(preset):
        return options.subject or preset.subject  # a rare word means nothing to a model that never learnt it
    told = lora.trigger if lora else None
    return told or trigger_for(preset.train.trigger, options.name, options.subject or preset.subject)


def plan_profile(
    options: ProfileOptions, caps_list: Sequence[Capabilities], *, urls: Sequence[str] | None = None
) -> ProfilePlan:
    """Work out every shot, request and problem without touching a server.

    Args:
        options: What was asked for. Without a seed the requests show one of 0.
        caps_list: What each server can do.
        urls: How to call the servers in `problems`; "server 1 (a1111 v1.10.1)" when left out.
    """
    blueprint = blueprint_of(options, caps_list, seed=options.seed or 0)
    names = urls or [
        f"server {number} ({caps.flavour} {caps.version})".replace(" )", ")")
        for number, caps in enumerate(caps_list, start=1)
    ]
    checks = [check_server(blueprint, caps, lora_will_come=options.lora is None) for caps in caps_list]
    return ProfilePlan(
        shots=tuple(PlannedShot(slot.number, slot.pose, slot.tone, slot.rank) for slot in blueprint.slots),
        requests=max((check.requests for check in checks), key=len, default=()),
        generations=blueprint.generations(),
        problems={name: check.problems for name, check in zip(names, checks, strict=True) if check.problems},
    )


def run_profile(
    options: ProfileOptions,
    servers: WebUIPool | Sequence[WebUI],
    *,
    on_event: Callable[[Event], None],
    cancel: CancelToken | None = None,
    turn: AbstractContextManager[object] | None = None,
) -> RunResult:
    """Run the recipe; running it again resumes.

    Args:
        options: What was asked for.
        servers: The WebUIs; those that lack something are left out when others can do it.
        on_event: Told everything that happens, one event at a time, from whichever thread.
        cancel: Ends the run from another thread; what is finished stays.
        turn: Entered before the servers are given work and left when they have done all of it: what keeps two
            runs off one GPU. Photos are looked at before, the portraits written after it.

    Returns:
        What was delivered; at least one portrait.

    Raises:
        StagesError: See `stages.errors`: the plan cannot be done (`PlanError`), the folder is in use
            (`WorkFolderBusy`), nothing was good enough (`LikenessNotReached`), …
        train_lora.TrainError: The photos or the LoRA.
        WebUIError: A server.
        KeyboardInterrupt: Ctrl-C; our jobs were interrupted first.
    """
    from ._profile_run import ProfileRun

    run = ProfileRun(options, servers, on_event=on_event, cancel=cancel or CancelToken())
    return run.go(turn or nullcontext())
