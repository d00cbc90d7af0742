"""The training recipe on the sandbox over real HTTP: trained, chosen, published, proved, and never twice."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import Timeouts, WebUI, WebUIError
from sdwebui_client.sandbox import SandboxServer
from stages.errors import StageError, WorkFolderBusy
from stages.events import (
    CheckpointJudged,
    LoraChosen,
    LoraPublished,
    LoraVerified,
    Note,
    TrainingPlanned,
    TrainingProgress,
)
from stages.lock import FolderLock
from stages.presets import TrainingPreset, load_training_preset
from stages.recipes.train import TrainOptions, TrainResult, plan_training, run_training
from tests.pipeline._recipe import EXAMPLES, Watched, copy_photos, generations, options, run, sandbox
from train_lora import PublishError, TrainerAsked, TrainError, read_artifact

TEN = tuple(sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".jpg", ".png", ".webp")))
QUICK = (
    "train.steps=400",
    "train.save_every_n_steps=200",
    "choose.pictures=2",
    "choose.steps=4",
    "choose.width=256",
    "choose.height=320",
    "choose.weights=[0.8]",
)
"""Two checkpoints, two small pictures each."""
TRIALS = 4
PROOF = 1
"""The picture that shows that the published LoRA is used."""


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many photos as are needed for one to be held out."""
    return copy_photos(tmp_path_factory.mktemp("six") / "alice", TEN[:6])


def wish(photos: Path, out_dir: Path, *sets: str, **fields: Any) -> TrainOptions:
    """Options of a small training."""
    given: dict[str, Any] = {
        "photos_dir": photos,
        "out_dir": out_dir,
        "name": "alice",
        "preset": _preset(*QUICK, *sets),
    }
    return TrainOptions(**{**given, **fields})


@cache
def _preset(*sets: str) -> TrainingPreset:
    return load_training_preset("sd15-fast", sets=sets)


def train(asked: TrainOptions, *urls: str, watch: Watched | None = None) -> TrainResult:
    """Run the recipe on the servers at these addresses."""
    servers = [WebUI(url, timeouts=Timeouts(recover_s=2)) for url in urls]
    try:
        return run_training(asked, servers, on_event=watch or Watched())
    finally:
        for server in servers:
            server.close()


@pytest.mark.slow
def test_the_whole_way_once_and_not_twice(six: Path, server: SandboxServer, tmp_path: Path) -> None:
    watch, before = Watched(), generations(server)
    result = train(wish(six, tmp_path / "out"), server.url, watch=watch)

    assert generations(server) - before == TRIALS + PROOF
    assert [event.held_out for event in watch.of(TrainingPlanned)] == [1]
    assert watch.of(TrainingProgress)[-1].fraction == 1.0
    assert [event.step for event in watch.of(CheckpointJudged)] == [200, 400]
    (chosen,) = watch.of(LoraChosen)
    assert "never saw" in chosen.why
    (published,), (verified,) = watch.of(LoraPublished), watch.of(LoraVerified)
    assert published.copied
    assert "infotext names the hash" in verified.evidence

    # What the folder holds is what the server lists, and says so in three ways.
    models = server.settings.models_dir / "Lora"
    assert [path.name for path in models.iterdir() if path.name.startswith(("alice", "tmp", "."))] == [
        "alice.safetensors"
    ]
    assert (models / "alice.safetensors").read_bytes() == result.file.read_bytes()
    record = json.loads((tmp_path / "out" / "training.json").read_text("utf-8"))
    assert record == result.record
    assert record["choice"]["step"] == chosen.step
    assert record["published"][0]["listed"]
    assert record["lora"]["sha256"] == read_artifact(result.file).sha256
    assert sum(photo["held_out"] for photo in record["photos"]) == 1
    report = result.report.read_text("utf-8")
    assert "alice" in report
    assert "SANDBOX" in report

    again, before = Watched(), generations(server)
    second = train(wish(six, tmp_path / "out"), server.url, watch=again)
    assert second.cached
    assert generations(server) - before == PROOF
    assert not again.of(TrainingProgress)
    assert not again.of(LoraPublished)[0].copied
    assert second.file.read_bytes() == result.file.read_bytes()


@pytest.mark.slow
def test_a_portrait_run_uses_what_was_trained_with_its_weight_and_words(
    six: Path, server: SandboxServer, tmp_path: Path
) -> None:
    result = train(wish(six, tmp_path / "lora", name="bea"), server.url)
    trigger, weight = result.record["trigger"], result.record["lora"]["weight"]
    assert trigger != "ohwx person"  # a word of her own

    wanted = options(six, tmp_path / "portraits", "tones=[cool]", lora="bea", count=1)
    made = run(wanted, server.url)
    text = made.delivered[0].with_suffix(".provenance.json").read_text("utf-8")
    assert f"<lora:bea:{weight:g}>" in text
    assert trigger in text


@pytest.mark.slow
def test_a_webui_that_went_away_gets_it_later_without_another_training(six: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    with sandbox(models) as server:
        # Trials lie in the server's own folder, the LoRA goes to one that is not mounted yet.
        with pytest.raises(PublishError, match="is not there"):
            train(wish(six, tmp_path / "out", choose=False, models_dir=tmp_path / "gone"), server.url)
        assert (tmp_path / "out" / "alice.safetensors").is_file()
        assert (tmp_path / "out" / "training-report.html").is_file()
        watch = Watched()
        later = wish(six, tmp_path / "out", choose=False, models_dir=models)
        result = train(later, server.url, watch=watch)
    assert result.cached
    assert not watch.of(TrainingProgress)
    assert watch.of(LoraVerified)


@pytest.mark.slow
def test_a_killed_choice_goes_on_from_the_finished_training(
    six: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import stages.choosing

    with sandbox(tmp_path / "models") as server:

        def dies(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(stages.choosing, "choose_checkpoint", dies)
            with pytest.raises(KeyboardInterrupt):
                train(wish(six, tmp_path / "out"), server.url)
        watch = Watched()
        train(wish(six, tmp_path / "out"), server.url, watch=watch)
    assert not watch.of(TrainingProgress)
    assert watch.of(LoraChosen)
    assert not list((tmp_path / "out" / ".work" / "training").iterdir())


@pytest.mark.slow
def test_somebody_elses_lora_of_the_same_name_is_left_alone(
    six: Path, server: SandboxServer, tmp_path: Path
) -> None:
    theirs = server.settings.models_dir / "Lora" / "carol.safetensors"
    first = train(wish(six, tmp_path / "first", name="dora", publish=False, choose=False), server.url)
    data = bytearray(first.file.read_bytes())
    # The same kind of file, of other photos.
    start, end = data.index(b'"ss_photos"'), data.index(b'"ss_photos"') + 60
    data[start:end] = data[start:end].replace(b"0", b"f").replace(b"1", b"e").replace(b"a", b"9")
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_bytes(bytes(data))
    other = copy_photos(tmp_path / "other", TEN[6:])
    watch, asked = Watched(), wish(other, tmp_path / "out", name="carol", choose=False)
    with pytest.raises(PublishError, match="is another LoRA"):
        train(asked, server.url, watch=watch)
    assert not watch.of(TrainingProgress)  # told before a night of training, not after it
    with WebUI(server.url) as webui:
        (problem,) = plan_training(asked, [webui], on_event=Watched()).problems
    assert "is another LoRA" in problem
    assert theirs.read_bytes() == bytes(data)
    theirs.unlink()


@pytest.mark.slow
def test_without_a_webui_the_file_stays_in_the_folder(six: Path, tmp_path: Path) -> None:
    watch = Watched()
    result = train(wish(six, tmp_path / "out", trainer=TrainerAsked("sandbox")), watch=watch)
    assert result.file.is_file()
    assert result.record["published"] == []
    assert result.record["choice"] is None
    assert not watch.of(CheckpointJudged)


@pytest.mark.slow
def test_a_choice_that_had_to_wait_for_a_webui_needs_no_second_training(
    six: Path, server: SandboxServer, tmp_path: Path
) -> None:
    asked = wish(six, tmp_path / "out", name="finn", trainer=TrainerAsked("sandbox"))
    assert train(asked).record["choice"] is None
    watch = Watched()
    result = train(asked, server.url, watch=watch)
    assert not watch.of(TrainingProgress)
    assert watch.of(LoraChosen)
    assert result.record["choice"] is not None
    assert not list((tmp_path / "out" / ".work" / "training").iterdir())


def test_two_runs_do_not_share_a_folder(six: Path, tmp_path: Path) -> None:
    with FolderLock(tmp_path / "out" / ".work" / "lock"), pytest.raises(WorkFolderBusy):
        train(wish(six, tmp_path / "out", trainer=TrainerAsked("sandbox")))


def test_a_newcomer_without_sd_scripts_is_told_the_next_step(
    six: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train_lora.backends.kohya.setup.SUBMODULE", tmp_path / "empty")
    with pytest.raises(TrainError) as told:
        train(wish(six, tmp_path / "out"))
    assert "sd-scripts" in told.value.message
    assert "setup_trainer.sh" in told.value.hint or "git clone" in told.value.hint
    assert not (tmp_path / "out" / "alice.safetensors").exists()


def test_captions_by_a_webui_need_one(six: Path, tmp_path: Path) -> None:
    asked = wish(six, tmp_path / "out", "train.captions=interrogate", trainer=TrainerAsked("sandbox"))
    with pytest.raises(StageError, match="captions: interrogate"):
        train(asked)


def test_a_server_that_is_not_there_costs_no_training(six: Path, tmp_path: Path) -> None:
    watch = Watched()
    with pytest.raises(WebUIError):
        train(wish(six, tmp_path / "out"), "http://127.0.0.1:9", watch=watch)
    assert not watch.of(TrainingProgress)


@pytest.mark.slow
def test_a_plan_changes_nothing(six: Path, server: SandboxServer, tmp_path: Path) -> None:
    before = generations(server)
    with WebUI(server.url) as webui:
        plan = plan_training(wish(six, tmp_path / "out"), [webui], on_event=Watched())
    rows = dict(plan.rows)
    assert plan.problems == ()
    assert rows["photos"].startswith("5 to train on, 1 to judge")
    assert "400 steps" in rows["preset"]
    assert generations(server) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_photo_folder_that_vanishes_leaves_the_training_whole(
    server: SandboxServer, tmp_path: Path
) -> None:
    photos = copy_photos(tmp_path / "photos", TEN[:4])

    class Vanishing(Watched):
        def __call__(self, event: Any) -> None:
            super().__call__(event)
            if isinstance(event, TrainingProgress):
                shutil.rmtree(photos, ignore_errors=True)

    watch = Vanishing()
    # Four photos: none can be held out, which is said.
    asked = wish(photos, tmp_path / "out", name="eve", choose=False, trainer=TrainerAsked("sandbox"))
    result = train(asked, server.url, watch=watch)
    assert result.file.is_file()
    assert any("held out" in note.text or "hold" in note.text for note in watch.of(Note))
