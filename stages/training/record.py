"""What is written down of a training: training.json and the report are made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from train_lora import Dataset, TrainerBackend, TrainingRun, TrainRecipe

from ..store import Store

if TYPE_CHECKING:
    from ..choosing import Choice


def training_record(
    store: Store,
    backend: TrainerBackend,
    run: TrainingRun,
    dataset: Dataset,
    recipe: TrainRecipe,
    choice: Choice | None,
) -> dict[str, Any]:
    """Everything that is known when the choice is made, as plain JSON.

    Args:
        store: Keeps the training pictures, so that the report can be written again without the photos.
        backend: Who trained.
        run: What came of it.
        dataset: What it was trained on.
        recipe: How.
        choice: Which checkpoint won; None when none was chosen.
    """
    settings = recipe.model_dump(mode="json")
    return {
        "trigger": recipe.trigger,
        "family": recipe.family,
        "sandbox": backend.sandbox,
        "trainer": {
            "name": backend.name,
            "version": backend.version,
            "command": list(run.command),
            "facts": {name: value for name, value in run.facts.items() if name != "prediction"},
        },
        "base_model": dict(backend.identity()) or None,
        "dataset": {
            "manifest_sha256": dataset.manifest_sha256,
            "resolution": dataset.size,
            "items": [
                {
                    "image": item.image,
                    "caption": item.caption,
                    "width": item.width,
                    "height": item.height,
                    "kind": item.kind,
                    "picture": store.put((dataset.dir / item.image).read_bytes()),
                }
                for item in dataset.items
            ],
            "held_out": [photo.sha256 for photo in dataset.held_out],
            "regularisation": len(dataset.regularisation),
        },
        "settings": {name: value for name, value in settings.items() if name != "name"},
        "steps": run.steps,
        "resumed_from": run.resumed_from,
        "lighter": dict(run.lighter) if run.lighter is not None else None,
        "losses": [[step, round(loss, 5)] for step, loss in run.losses],
        "seconds": {phase: round(seconds, 1) for phase, seconds in run.seconds.items()},
        "choice": choice.to_json() if choice else None,
        "prediction": None if backend.sandbox else run.facts.get("prediction"),
    }
