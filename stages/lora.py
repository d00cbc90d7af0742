"""The person's LoRA: trained from the photos or named by the user, and there on every server that is used."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdwebui_client import Capabilities, WebUI
from train_lora import PhotoSet
from train_lora.artifact import LoraArtifact, read_artifact
from train_lora.backends import get_backend
from train_lora.dataset import Dataset, build_dataset
from train_lora.progress import TrainProgress
from train_lora.publish import publish
from train_lora.recipe import TrainRecipe, make_recipe

from .canonical import digest
from .engine import Engine, Made, StageCall
from .errors import StageError
from .events import LoraReady, TrainingProgress
from .presets import Preset
from .servers import Probed

STAGE = "train"
VERSION = 1
_SHOT = "person"


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


def require_trainer(servers: Sequence[Probed]) -> str:
    """Name of the trainer for these servers.

    Raises:
        StageError: One of them is a real WebUI, and nothing here can train a LoRA for it.
    """
    if all(probed.caps.sandbox for probed in servers):
        return "sandbox"
    raise StageError(
        "there is no LoRA of this person, and this version does not train one for a real WebUI",
        hint="Either name a LoRA the WebUI already has: `--lora NAME` (train it with sd-scripts or "
        "Kohya's GUI from the same photos and copy it into models/Lora); or see the whole recipe work with "
        "the built-in stand-in: `--webui sandbox`.",
    )


def _words(progress: TrainProgress) -> str:
    """What the trainer says, with its loss."""
    loss = "" if progress.loss is None else f"loss {progress.loss:.4f}"
    return ", ".join(part for part in (progress.message, loss) if part)


def train(
    engine: Engine, photos: PhotoSet, preset: Preset, *, name: str, work: Path, backend: str
) -> tuple[LoraArtifact, bool]:
    """Train the LoRA, or find the one that was trained from the same photos with the same settings.

    Args:
        engine: Keeps the file.
        photos: The accepted photos.
        preset: Its `train` block.
        name: The person's; the LoRA is called after it and after what it was made of, so that another set
            of photos never has to overwrite a published file.
        work: Where dataset and file are put together.
        backend: Name of the trainer.

    Returns:
        The file, and whether it was there already.
    """
    dataset = build_dataset(
        photos, work / "dataset", trigger=preset.train.trigger, size=preset.train.resolution
    )
    recipe, params = _recipe(preset, name, dataset)
    trainer = get_backend(backend)
    call = StageCall(
        stage=STAGE,
        version=VERSION,
        shot=_SHOT,
        params={**params, "trainer": trainer.name, "trainer_version": trainer.version},
        inputs={"dataset": dataset.manifest_sha256},
    )

    def relay(progress: TrainProgress) -> None:
        engine.emit(
            TrainingProgress(
                progress.step, progress.steps, progress.fraction, progress.eta_s, _words(progress)
            )
        )

    def make() -> Made:
        folder = work / "training"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        artifact = trainer.train(dataset, recipe, folder, on_progress=relay, cancel=engine.cancel).final
        data = artifact.path.read_bytes()
        shutil.rmtree(folder, ignore_errors=True)
        return Made(outputs={"lora": data})

    outcome = engine.local(call, make)
    return _artifact(engine, outcome.record.outputs["lora"], recipe.name, work), outcome.cached


def _recipe(preset: Preset, name: str, dataset: Dataset) -> tuple[TrainRecipe, dict[str, Any]]:
    settings = {**preset.train.model_dump(mode="json"), "family": preset.family}
    mark = digest({"settings": settings, "dataset": dataset.manifest_sha256})[:8]
    recipe = make_recipe(name=f"{planned_name(name, preset)}-{mark}", **settings)
    return recipe, recipe.model_dump(mode="json")


def _artifact(engine: Engine, sha256: str, name: str, work: Path) -> LoraArtifact:
    """The stored file under the name by which it will be published."""
    path = work / "lora" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        part = path.with_suffix(".part")
        part.write_bytes(engine.store.get(sha256))
        part.replace(path)
    return read_artifact(path)


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
    artifact: LoraArtifact,
    servers: Sequence[Probed],
    *,
    models_dir: Path | None,
    cached: bool,
) -> PersonLora:
    """Copy the LoRA to every server and see that each lists it.

    Raises:
        StageError: A server's models folder is not known.
        TrainError: It could not be copied, or a server does not list it.
    """
    for probed in servers:
        publish_to(probed, artifact, models_folder(probed, models_dir))
    lora = PersonLora(artifact.name, artifact.sha256, artifact.trainer, artifact.sandbox, artifact.sha256)
    engine.emit(LoraReady(lora.name, lora.sha256, lora.trainer, lora.sandbox, cached))
    return lora


def publish_to(probed: Probed, artifact: LoraArtifact, folder: Path) -> None:
    """Copy the LoRA to one server and see that it lists it.

    Raises:
        TrainError: It could not be copied, is a stand-in for a real server, or is not listed.
    """
    publish(artifact, _Host(probed.webui, is_sandbox=probed.caps.sandbox), models_dir=folder)


def models_folder(probed: Probed, models_dir: Path | None) -> Path:
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
    )


def lora_metadata(caps: Capabilities, name: str) -> Mapping[str, Any] | None:
    """What a server shows of a LoRA; None when it lists none of this name."""
    return next((dict(lora.metadata) for lora in caps.loras if name in (lora.name, lora.alias)), None)


def lora_identity(name: str, metadata: Mapping[str, Any] | None) -> str:
    """A hash that changes when another file takes the name:
    trainers write times and hashes into the metadata."""
    return digest({"name": name, "metadata": dict(metadata or {})})
