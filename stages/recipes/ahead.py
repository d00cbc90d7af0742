"""The training of a run for portraits, done ahead of it and perhaps on another machine.

    train_ahead         photos -> a finished training in the work folder; needs a trainer
    find_trained        who trained it, for `ProfileOptions.trained`: the run chooses and draws; needs a WebUI

A note in the work folder, `ahead/NOTE.json`, says for these photos and settings who trained and on what.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sdwebui_client import CancelToken, WebUI, WebUIPool
from train_lora import PhotoSet, TrainerBackend, TrainRecipe, make_recipe

from ..canonical import digest
from ..engine import Engine
from ..errors import StageError
from ..events import Event
from ..explain import LastRun
from ..identity import uses_lora
from ..lock import FolderLock
from ..presets import Preset
from ..progress import Announcer, Tracker
from ..servers import ServerSet
from ..store import Store, explain_full_disk, write_atomically
from ..training.finished import FinishedTraining
from ..training.person import PersonTraining, Trainer, training_call, training_folder
from ..training.photos import check_photos
from ..training.trainers import base_model_of, is_sandbox, make_trainer, must_suit
from ..training.work import load_finished
from ._profile_lora import person_training
from .profile import ProfileOptions

AHEAD = "ahead"
SCHEMA = "sdwebui-ahead/1"


def look_at_photos(
    options: ProfileOptions, *, on_event: Callable[[Event], None], cancel: CancelToken | None = None
) -> PhotoSet:
    """Judge the photos of a run; with a shared work folder each is looked at once.

    Raises:
        PhotosError: Too few can be used, or it is unclear who is meant.
    """
    return check_photos(options.photos_dir, _engine(options, on_event, cancel), known=options.screened)


def needs_trained(preset: Preset) -> bool:
    """Whether portraits of this preset need a LoRA of the person.

    Raises:
        StageError: Its training needs a WebUI, so it cannot be done ahead.
    """
    if not uses_lora(preset):
        return False
    if preset.train.captions == "interrogate" or preset.train.regularisation_images:
        raise StageError(
            f"the training of {preset.name} needs a WebUI for its captions or regularisation images",
            hint="Set captions=template and regularisation_images=0, or train with `make-profile`.",
        )
    return True


def find_trained(options: ProfileOptions, photos: PhotoSet) -> FinishedTraining | None:
    """Who trained for these photos and settings; None when nobody has, or what he made is gone.

    Args:
        options: The run's; `lora` and `trainer` play no part.
        photos: The checked photos.
    """
    try:
        note: dict[str, Any] = json.loads(_note(options, photos).read_text("utf-8"))
        trained = FinishedTraining.from_json(note["trainer"])
        manifest = str(note["dataset"]) if note["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if manifest is None:
        return None
    what = _what(options, sandbox=trained.sandbox)
    call = training_call(what, trained, manifest, chooses=True)
    if load_finished(training_folder(options.work, call)) is not None:
        return trained
    # The choice was made: then the LoRA is kept, and the checkpoints are not.
    chosen = Store(options.work / "store", sweep=False).find(digest(call.material(None)))
    return trained if chosen is not None else None


def train_ahead(
    options: ProfileOptions,
    servers: WebUIPool | Sequence[WebUI] = (),
    *,
    on_event: Callable[[Event], None],
    cancel: CancelToken | None = None,
) -> FinishedTraining:
    """Train, unless that was done. An interrupted training goes on from its last saved state.

    Args:
        options: The run's; `work_dir` is where the run will find it.
        servers: WebUIs this machine reaches: they tell whether the sandbox will draw, and which model with.
            None are needed; then `options.trainer` decides.
        on_event: Told everything that happens.
        cancel: Stops it.

    Raises:
        StageError: The trainer lacks something, or does not suit the servers.
        TrainError: The photos or the training.
        WorkFolderBusy: Another training of these photos is under way.
    """
    work, emit = options.work, Announcer(on_event)
    with explain_full_disk(work), FolderLock(work / AHEAD / "lock"):
        needs_trained(options.preset)
        engine = _engine(options, emit, cancel)
        photos = check_photos(options.photos_dir, engine, known=options.screened)
        backend = _backend(options, servers, emit)
        what = _what(options, sandbox=backend.sandbox)
        trainer = Trainer(
            engine,
            photos,
            what,
            backend,
            work=work,
            servers=None,
            publish=None,
            # The run's own dataset folder may be in use by a run with other settings.
            dataset_dir=work / AHEAD / "dataset",
        )
        _, dataset = trainer.train_only()
        trained = FinishedTraining(backend.name, backend.version, backend.sandbox, dict(backend.identity()))
        note = {"schema": SCHEMA, "trainer": trained.to_json(), "dataset": dataset.manifest_sha256}
        write_atomically(_note(options, photos), json.dumps(note, indent=1).encode("utf-8"))
        shutil.rmtree(work / AHEAD / "dataset", ignore_errors=True)
        return trained


def _backend(
    options: ProfileOptions, servers: WebUIPool | Sequence[WebUI], emit: Callable[[Event], None]
) -> TrainerBackend:
    some = servers.servers if isinstance(servers, WebUIPool) else tuple(servers)
    if not some:
        return make_trainer(options.trainer, sandbox=False)
    probed = ServerSet(some, checkpoint=options.preset.checkpoint).probe(emit)
    sandbox, preset = is_sandbox(probed), options.preset
    base_model = base_model_of(probed, options.models_dir, family=preset.family, checkpoint=preset.checkpoint)
    backend = make_trainer(options.trainer, sandbox=sandbox, base_model=base_model)
    must_suit(backend, sandbox=sandbox)
    return backend


def _what(options: ProfileOptions, *, sandbox: bool) -> PersonTraining:
    return person_training(options, sandbox=sandbox, emit=_silent)


def _silent(_event: Event) -> None:
    """The run itself says it."""


def _engine(options: ProfileOptions, emit: Callable[[Event], None], cancel: CancelToken | None) -> Engine:
    work = options.work / AHEAD
    return Engine(
        Store(work / "store", sweep=False), LastRun(work / "last"), emit, Tracker(emit), cancel=cancel
    )


def _note(options: ProfileOptions, photos: PhotoSet) -> Path:
    what = _what(options, sandbox=False)
    parts = {
        "settings": what.settings.model_dump(mode="json"),
        "family": what.family,
        "trigger": what.trigger,
        "photos": sorted(photo.sha256 for photo in photos.accepted),
    }
    return options.work / AHEAD / f"{digest(parts)[:32]}.json"


def forecast_training(preset: Preset, photos: int) -> tuple[float, float]:
    """Seconds a training takes on a machine nobody has measured, from the least to the most.

    Args:
        preset: Its settings.
        photos: Photos that are trained on.
    """
    from train_lora.cost import predict

    settings = {
        name: value for name, value in preset.train.model_dump().items() if name in TrainRecipe.model_fields
    }
    recipe = make_recipe(
        **{**settings, "name": "forecast", "trigger": "ohwx person", "family": preset.family}
    )
    found = predict(recipe, max(1, photos))
    return found.low * 60, found.high * 60
