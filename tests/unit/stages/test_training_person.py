"""One person's LoRA: never trained twice for the same, always again for something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import stages.choosing
from sdwebui_client import CancelToken, ConnectFailed
from stages.choosing import Choice, ChooseParams
from stages.choosing.choice import Compared
from stages.engine import Engine
from stages.errors import StageError
from stages.events import Event, LoraChosen, Note, TrainingPlanned, TrainingProgress
from stages.explain import LastRun
from stages.presets.model import TrainParams
from stages.progress import Tracker
from stages.store import Store
from stages.training import person as module
from stages.training.person import PersonTraining, Trained
from tests.unit.stages._training import Trainer
from train_lora import Dataset, DatasetItem, TrainProgress, TrainRecipe
from train_lora.artifact import read_header

SETTINGS: dict[str, Any] = {"steps": 60, "save_every_n_steps": 20, "resolution": 512}
SERVERS: Any = SimpleNamespace(probed=())


def publish(*_: object) -> Any:
    raise AssertionError("the choice is played")


def reports(recipe: TrainRecipe) -> list[TrainProgress]:
    return [TrainProgress(step, recipe.steps or 0, 0.1, None) for step in range((recipe.steps or 0) + 1)]


@dataclass
class Home:
    """One person's work folder, and the runs in it."""

    folder: Path
    backend: Trainer = field(default_factory=lambda: Trainer(reports))
    events: list[Event] = field(default_factory=list)
    manifest: str = "m" * 64

    def dataset(self) -> Dataset:
        folder = self.folder / "dataset"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "001.png").write_bytes(b"picture")
        items = (DatasetItem("001.png", "ohwx person", "a", "b", 512, 512),)
        source: Any = tuple(SimpleNamespace(sha256=f"{number}") for number in range(8))
        return Dataset(folder, items, self.manifest, "ohwx person", 512, source=source)

    def train(
        self,
        *,
        choose: ChooseParams | None = None,
        webui: bool = False,
        measure_first: bool = False,
        **settings: Any,
    ) -> Trained:
        self.events.clear()
        emit = self.events.append
        store, last = Store(self.folder / "store"), LastRun(self.folder / "last")
        engine = Engine(store, last, emit, Tracker(emit), cancel=CancelToken())
        what = PersonTraining(
            TrainParams(**SETTINGS | settings), choose, "sd15", "ohwx person", "person", None
        )
        photos: Any = None
        return module.Trainer(
            engine, photos, what, self.backend,
            work=self.folder / "work", servers=SERVERS if webui else None, publish=publish if webui else None,
            measure_first=measure_first,
        ).go()  # fmt: skip

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def trainings(self) -> int:
        return len(self.backend.trained)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = Home(tmp_path / "alice")
    monkeypatch.setattr(module, "build_dataset", lambda *_, **__: found.dataset())
    return found


@pytest.fixture
def chooses(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[Any]]:
    """Play the choice: a step wins, or it fails."""

    def play(outcome: int | Exception) -> list[Any]:
        asked: list[Any] = []

        def choose(_engine: Any, _servers: Any, checkpoints: Any, **given: Any) -> Choice:
            asked.append((tuple(entry.step for entry in checkpoints), given["params"]))
            if isinstance(outcome, Exception):
                raise outcome
            return Choice(outcome, 0.7, f"step {outcome} is best", (), Compared(2, held_out=True))

        monkeypatch.setattr(stages.choosing, "choose_checkpoint", choose)
        return asked

    return play


# ---- once


def test_the_same_again_is_found(home: Home) -> None:
    first = home.train()
    assert not first.cached
    assert (first.weight, first.record["choice"]) == (None, None)
    assert first.record["steps"] == 60
    assert [event.step for event in home.of(TrainingProgress)] == list(range(61))
    again = home.train()
    assert again.cached
    assert (again.sha256, again.record) == (first.sha256, first.record)
    assert again.path.read_bytes() == first.path.read_bytes()
    assert home.of(TrainingProgress) == []
    assert home.trainings == 1


def test_a_file_that_was_spoiled_is_taken_from_the_store_again(home: Home) -> None:
    path = home.train().path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert home.train().path.read_bytes() == whole
    path.unlink()
    assert home.train().path.read_bytes() == whole
    assert home.trainings == 1


def change_the_base_model(home: Home) -> None:
    home.backend.base = "cd"


def change_the_version(home: Home) -> None:
    home.backend.version = "v0.11.0"


def change_the_trainer(home: Home) -> None:
    home.backend.name = "another"


def change_the_pictures(home: Home) -> None:
    home.manifest = "n" * 64


@pytest.mark.parametrize(
    "change", [change_the_base_model, change_the_version, change_the_trainer, change_the_pictures]
)
def test_anything_else_is_trained_anew(home: Home, change: Callable[[Home], None]) -> None:
    home.train()
    change(home)
    assert not home.train().cached
    assert home.trainings == 2


@pytest.mark.parametrize(
    "changed",
    [{"steps": 80}, {"seed": 3}, {"network_dim": 64}, {"lighter": {"gradient_checkpointing": True}}],
)
def test_other_settings_are_trained_anew(home: Home, changed: dict[str, Any]) -> None:
    home.train()
    assert not home.train(**changed).cached
    assert home.trainings == 2


# ---- before it


def test_everything_lacking_is_told_at_once_and_nothing_is_trained(home: Home) -> None:
    home.backend.lacks = ("torch is not installed", "there is no base model")
    with pytest.raises(StageError, match=r"torch is not installed\n.*there is no base model") as told:
        home.train()
    assert "Nothing was trained" in told.value.hint
    assert home.trainings == 0
    home.backend.lacks = ()
    assert not home.train().cached


def test_what_is_about_to_happen_is_told_first(home: Home) -> None:
    home.train()
    (planned,) = home.of(TrainingPlanned)
    assert (planned.steps, planned.photos, planned.held_out) == (60, 8, 0)
    assert "minute" in planned.minutes
    kinds = [type(event) for event in home.events]
    assert kinds.index(TrainingPlanned) < kinds.index(TrainingProgress)
    assert home.backend.sandbox is False


def test_the_sandbox_promises_no_minutes(home: Home) -> None:
    home.backend.sandbox = True
    home.train()
    assert home.of(TrainingPlanned)[0].minutes == ""


def test_a_few_steps_are_timed_first_when_asked(home: Home) -> None:
    home.train(measure_first=True)
    short, whole = home.backend.trained
    assert (short.steps or 0) < (whole.steps or 0) == 60
    assert any("Timing a few steps" in note.text for note in home.of(Note))
    left = [path.name for path in (home.folder / "work" / "training").glob("*-measured")]
    assert left == []


def test_lighter_settings_are_told(home: Home) -> None:
    home.backend.lighter = {"gradient_checkpointing": True, "network_dim": 16}
    home.train()
    (note,) = home.of(Note)
    assert "gradient_checkpointing True, network_dim 16" in note.text


# ---- the choice


def test_the_chosen_one_is_the_lora(home: Home, chooses: Any) -> None:
    asked = chooses(40)
    made = home.train(choose=ChooseParams(), webui=True)
    assert asked[0][0] == (20, 40, 60)
    assert made.weight == 0.7
    assert read_header(made.path)[0]["ss_chosen_weight"] == "0.7"
    assert made.path.read_bytes()[-64:] == bytes([40]) * 64, "the file of step 40"
    assert [event.step for event in home.of(LoraChosen)] == [40]
    assert home.train(choose=ChooseParams(), webui=True).cached
    assert len(asked) == 1


def test_a_choice_that_failed_keeps_the_training_whatever_is_chosen_by_later(
    home: Home, chooses: Any
) -> None:
    chooses(ConnectFailed("the server went away"))
    with pytest.raises(ConnectFailed):
        home.train(choose=ChooseParams(), webui=True)
    chooses(20)
    made = home.train(choose=ChooseParams(pictures=2, seed=5), webui=True)
    assert home.trainings == 1
    assert made.path.read_bytes()[-64:] == bytes([20]) * 64


def test_a_training_without_a_webui_is_chosen_from_when_there_is_one(home: Home, chooses: Any) -> None:
    asked = chooses(20)
    alone = home.train(choose=ChooseParams())
    assert asked == []
    assert alone.path.read_bytes()[-64:] == bytes([60]) * 64, "the last one"
    made = home.train(choose=ChooseParams(), webui=True)
    assert home.trainings == 1
    assert not made.cached
    assert made.weight == 0.7
    assert home.of(LoraChosen)


def test_a_spoiled_checkpoint_is_not_chosen_from(home: Home, chooses: Any) -> None:
    chooses(ConnectFailed("gone"))
    with pytest.raises(ConnectFailed):
        home.train(choose=ChooseParams(), webui=True)
    (spoiled,) = (home.folder / "work" / "training").rglob("a-step20.safetensors")
    spoiled.write_bytes(b"half")
    chooses(20)
    home.train(choose=ChooseParams(), webui=True)
    assert home.trainings == 2


def test_of_one_checkpoint_and_one_weight_nothing_is_chosen(home: Home, chooses: Any) -> None:
    asked = chooses(60)
    one = ChooseParams(weights=(0.8,))
    assert home.train(choose=one, webui=True, save_every_n_steps=None).record["choice"] is None
    assert asked == []
    weights = replace_weights(one, (0.7, 0.8))
    assert home.train(choose=weights, webui=True, save_every_n_steps=None).record["choice"]
    assert len(asked) == 1


def replace_weights(params: ChooseParams, weights: tuple[float, ...]) -> ChooseParams:
    return params.model_copy(update={"weights": weights})
