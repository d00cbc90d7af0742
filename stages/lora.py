"""The person's LoRA of a run: trained here or named by the user, and there on every server that is used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from sdwebui_client import Capabilities, WebUI
from train_lora import Checkpoint, LoraArtifact, PublishedLora, TrainError, publish

from .canonical import digest
from .engine import Engine
from .errors import StageError
from .events import Listener, LoraPublished, LoraReady, Note
from .presets import Preset
from .servers import Probed, ServerSet
from .training.files import as_named
from .training.person import Publish, Trained


@dataclass(frozen=True)
class PersonLora:
    """The LoRA of a run."""

    name: str
    sha256: str | None
    """Of the file; None when only the server has it."""
    trainer: str
    """Who made it; "named by --lora" for the user's own."""
    sandbox: bool
    identity: str
    """What stands for it in stage keys: the file's hash, or that of the metadata the server shows."""
    trigger: str | None = None
    """Words that call the person up, where the file says so."""
    weight: float | None = None
    """The weight that was chosen by likeness; None when none was."""

    def to_json(self) -> dict[str, Any]:
        """As in run.json."""
        return {"name": self.name, "sha256": self.sha256, "trainer": self.trainer}


def slug(text: str) -> str:
    """A name as a file may be called: ASCII letters, digits, `-` and `_`;
    a hash stands for what is left out."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:40]
    if plain == text:
        return plain
    mark = hashlib.sha256(text.encode("utf-8")).hexdigest()[:6]
    return f"{plain}-{mark}" if plain else f"person-{mark}"


def planned_name(name: str, preset: Preset) -> str:
    """What a LoRA will be called before it is trained, up to the part that depends on the photos."""
    return f"{slug(name)}-{preset.family}"


class _Host:
    """A WebUI as publishing sees it."""

    def __init__(self, webui: WebUI, *, is_sandbox: bool) -> None:
        self._webui, self._is_sandbox = webui, is_sandbox

    @property
    def is_sandbox(self) -> bool:
        """Whether it is the built-in stand-in."""
        return self._is_sandbox

    def refresh_loras(self) -> None:
        """Make it look at its folder again."""
        self._webui.refresh_loras()

    def lora_names(self) -> Iterable[str]:
        """Names it lists."""
        return [name for lora in self._webui.loras() for name in (lora.name, lora.alias) if name]


def publish_everywhere(
    engine: Engine,
    trained: Trained,
    servers: Sequence[Probed],
    *,
    name: str,
    work: Path,
    models_dir: Path | str | None,
) -> tuple[PersonLora, tuple[PublishedLora, ...]]:
    """Copy the LoRA to every server and see that each lists it.

    Args:
        engine: Is told.
        trained: The LoRA.
        servers: Where it is needed.
        name: What it is to be called there.
        work: The run's work folder; keeps a file of every name that was published.
        models_dir: The servers' models folder, or None when they tell it themselves.

    Returns:
        The LoRA, and for each server where it lies.

    Raises:
        StageError: A server's models folder is not known.
        TrainError: It could not be copied, or a server does not list it.
    """
    artifact = as_named(trained.path, name, work)
    published = []
    for probed in servers:
        published.append(publish_to(probed, artifact, models_folder(probed, models_dir)))
        engine.emit(LoraPublished(probed.url, name, published[-1].place, published[-1].copied))
    lora = PersonLora(
        artifact.name,
        artifact.sha256,
        artifact.trainer,
        artifact.sandbox,
        artifact.sha256,
        trigger=artifact.trigger,
        weight=trained.weight,
    )
    engine.emit(LoraReady(lora.name, lora.sha256, lora.trainer, lora.sandbox, trained.cached))
    return lora, tuple(published)


def publish_to(probed: Probed, artifact: LoraArtifact, folder: Path | str) -> PublishedLora:
    """Copy the LoRA to one server and see that it lists it.

    Raises:
        TrainError: It could not be copied, is a stand-in for a real server, or is not listed.
    """
    return publish(artifact, _Host(probed.webui, is_sandbox=probed.caps.sandbox), models_dir=folder)


def for_trial(servers: ServerSet, models_dir: Path | str | None, *, work: Path) -> Publish:
    """How a checkpoint is put on every server for the pictures it is judged by, and taken away again.

    Args:
        servers: Those that make the pictures.
        models_dir: See `publish_everywhere`.
        work: The run's work folder; a note there lets the next run remove what a killed one left behind.
    """
    from train_lora.publish import publish_temporarily

    # Two runs may try the very same checkpoint at once; neither may take it away from the other.
    mark = token_hex(3)

    @contextmanager
    def published(checkpoint: Checkpoint, name: str) -> Iterator[str]:
        name = f"{name}-{mark}"
        with ExitStack() as stack:
            for number, probed in enumerate(servers.probed):
                host = _Host(probed.webui, is_sandbox=probed.caps.sandbox)
                stack.enter_context(
                    publish_temporarily(
                        checkpoint.artifact,
                        host,
                        models_folder(probed, models_dir),
                        name=name,
                        ledger=work / f"trials-{number}.json",
                    )
                )
            before = servers.probed
            servers.keep(
                [Probed(probed.webui, probed.webui.capabilities(refresh=True)) for probed in before],
                loras=(name,),
            )
            try:
                yield name
            finally:
                servers.keep(servers.probed)

    return published


def sweep_trials(
    servers: Sequence[Probed], models_dir: Path | str | None, *, work: Path, emit: Listener
) -> None:
    """Remove what a killed run left of its trials, also where it had other servers or folders than this one.

    What cannot be reached is told, and tried again by the next run.
    """
    from train_lora.publish import sweep_temporaries

    swept = False
    for ledger in sorted(work.glob("trials-*.json")):
        try:
            swept |= bool(sweep_temporaries(ledger, models_dir))
        except TrainError as error:
            emit(Note(f"What an interrupted run had on trial may still be listed by a WebUI: {error}"))
    if swept:
        for probed in servers:
            probed.webui.refresh_loras()


def models_folder(probed: Probed, models_dir: Path | str | None) -> Path | str:
    """Where a server keeps its models, as seen from here.

    Raises:
        StageError: A real server and no `--models-dir`, or a sandbox on another machine.
    """
    if models_dir is not None:
        return models_dir
    if probed.caps.sandbox:
        told = probed.webui.sandbox_info().get("models_dir")
        if isinstance(told, str) and Path(told).is_dir():
            return Path(told)
        raise StageError(
            f"the sandbox at {probed.url} keeps its models in {told}, which is not on this machine",
            hint="Name that folder with --models-dir as seen from here, or start the sandbox here.",
        )
    raise StageError(
        f"where {probed.url} keeps its models is not known",
        hint="Name its models folder as seen from here with --models-dir.",
    )


def named_lora(name: str, servers: Sequence[Probed]) -> PersonLora:
    """A LoRA that the servers have already, identified by the metadata they show of it."""
    shown = (lora_metadata(probed.caps, name) for probed in servers)
    metadata = next((found for found in shown if found is not None), {})
    sha256 = metadata.get("sshs_model_hash")
    return PersonLora(
        name=name,
        sha256=str(sha256) if sha256 else None,
        trainer="named by --lora",
        sandbox=metadata.get("sandbox") == "true",
        identity=lora_identity(name, metadata),
        trigger=str(metadata["ss_trigger"]) if metadata.get("ss_trigger") else None,
        weight=_weight(metadata.get("ss_chosen_weight")),
    )


def _weight(text: Any) -> float | None:
    """The weight a LoRA trained here carries; None when it carries none, or nonsense."""
    try:
        weight = float(text)
    except (TypeError, ValueError):
        return None
    return weight if 0.0 < weight <= 2.0 else None


def lora_metadata(caps: Capabilities, name: str) -> Mapping[str, Any] | None:
    """What a server shows of a LoRA; None when it lists none of this name."""
    return next((dict(lora.metadata) for lora in caps.loras if name in (lora.name, lora.alias)), None)


def lora_identity(name: str, metadata: Mapping[str, Any] | None) -> str:
    """A hash that changes when another file takes the name:
    trainers write times and hashes into the metadata."""
    return digest({"name": name, "metadata": dict(metadata or {})})
