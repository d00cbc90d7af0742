"""What a training would be: everything looked at, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdwebui_client import WebUI, WebUIPool
from train_lora import PhotoSet, TrainError, TrainRecipe, load_photos, make_recipe
from train_lora.hold_out import hold_out

from ..errors import StageError
from ..events import Event, PhotoChecked, PhotosDone, PhotosProgress
from ..servers import Probed, ServerSet
from ..training.forecast import forecast
from ..training.photos import advice_of, trigger_for
from ..training.trainers import base_model_of, check_names, is_sandbox, make_trainer, reach
from .train import TrainingPlan, TrainOptions


def look(
    options: TrainOptions, servers: WebUIPool | Sequence[WebUI], *, on_event: Callable[[Event], None]
) -> TrainingPlan:
    """See `train.plan_training`."""
    some = servers.servers if isinstance(servers, WebUIPool) else servers
    probed = ServerSet(servers, checkpoint=None).probe(on_event) if some else ()
    preset = options.preset
    base_model = base_model_of(probed, options.models_dir, family=preset.family, checkpoint=None)
    backend = make_trainer(options.trainer, sandbox=is_sandbox(probed), base_model=base_model)
    photos = load_photos(
        options.photos_dir,
        on_photo=lambda verdict, index, total: on_event(
            PhotoChecked(verdict.file, verdict.accepted, verdict.reason, verdict.advice, index, total)
        ),
        on_progress=lambda done, total: on_event(PhotosProgress(done, total)),
    )
    on_event(PhotosDone(len(photos.accepted), len(photos.refused)))
    recipe = _recipe(options)
    parted = hold_out(photos.accepted, preset.train.held_out)
    lacking = (*backend.check(recipe), *_unpublishable(options, probed, photos))
    choose = preset.choose if options.choose and probed else None
    prediction = forecast(recipe, len(parted.training), backend, choose)
    rows = [
        ("photos", f"{len(parted.training)} to train on, {len(parted.held_out)} to judge the checkpoints by"),
        *(("advice", advice.describe("en")) for advice in advice_of(photos)),
        ("trigger", recipe.trigger),
        ("preset", f"{preset.name}: {prediction.steps} steps at {recipe.resolution} px"),
        ("trainer", f"{backend.name} {backend.version}"),
        ("base model", backend.identity().get("name", "-")),
        ("time", "a few seconds: the sandbox only plays a training" if backend.sandbox else str(prediction)),
        ("published in", _places(options, probed)),
    ]
    return TrainingPlan(tuple(rows), lacking)


def _recipe(options: TrainOptions) -> TrainRecipe:
    settings = options.preset.train.model_dump()
    known = {name: value for name, value in settings.items() if name in TrainRecipe.model_fields}
    trigger = trigger_for(options.preset.train.trigger, options.name, options.subject)
    return make_recipe(**{**known, "name": "plan", "trigger": trigger, "family": options.preset.family})


def _unpublishable(options: TrainOptions, probed: Sequence[Probed], photos: PhotoSet) -> list[str]:
    """What will keep the LoRA, or its trials, from the servers."""
    if not probed or not (options.publish or options.choose):
        return []
    try:
        reach(probed, options.models_dir)
        if options.publish:
            check_names(probed, options.models_dir, name=options.name, photos=photos)
    except (StageError, TrainError) as error:
        return [f"{error.message} {error.hint}".strip()]
    return []


def _places(options: TrainOptions, probed: Sequence[Probed]) -> str:
    if not probed or not options.publish:
        return "nowhere: the file stays in the output folder"
    if options.models_dir is None and not is_sandbox(probed):
        return "not known"
    return f"{options.models_dir or 'the sandbox'}"
