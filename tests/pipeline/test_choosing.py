"""The whole choice on the sandbox: the best checkpoint and weight are planted, and must be found."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import Cancelled, CancelToken, EffectMissing, EncodedImage, WebUI, WebUIError
from sdwebui_client.sandbox import SandboxServer
from sdwebui_client.sandbox.settings import Fault
from stages.choosing import Choice, temporary_name
from stages.errors import StageError
from stages.events import CheckpointJudged, Event, Note, StageDone
from stages.store import Store
from tests.pipeline._choosing import EVERY, STEPS, Publish, Session, in_models_dir, trained
from tests.pipeline._recipe import EXAMPLES, Watched, copy_photos, generations, sandbox
from train_lora import Checkpoint, Dataset, build_dataset, load_photos, read_dataset

pytestmark = pytest.mark.slow

PHOTOS = tuple(path.name for path in sorted(EXAMPLES.glob("[0-9]*")))
QUICK: dict[str, Any] = {"pictures": 1, "weights": [0.8]}
"""One round, one picture of each checkpoint."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("choosing")
    photos = load_photos(copy_photos(root / "photos", PHOTOS))
    return build_dataset(photos, root / "dataset", trigger="ohwx person", held_out=2)


@pytest.fixture(scope="module")
def checkpoints(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, ...]:
    """Best after 600 of 1200 steps, at weight 0.8."""
    return trained(dataset, tmp_path_factory.mktemp("training"), best_step=600)


@pytest.fixture(scope="module")
def three(checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
    """Those after 400, 600 and 800 steps."""
    return checkpoints[1:4]


@pytest.fixture
def session(server: SandboxServer, dataset: Dataset, tmp_path: Path) -> Session:
    with WebUI(server.url) as webui:
        models_dir = Path(str(webui.sandbox_info()["models_dir"]))
    return Session(server.url, models_dir, tmp_path, dataset)


@pytest.mark.long
def test_the_planted_best_is_chosen_and_nothing_is_left_behind(
    session: Session, server: SandboxServer, checkpoints: tuple[Checkpoint, ...]
) -> None:
    before, made = in_models_dir(session.models_dir), generations(server)
    choice = session.choose(checkpoints)
    assert (choice.step, choice.weight) == (600, 0.8)
    assert choice.compared.held_out
    assert re.match(
        r"step 600 at weight 0\.8: likeness 0\.99\d* against two photos it never saw; step 400 is ",
        choice.why,
    )
    _all_was_tried(choice)
    assert generations(server) == made + 4 * (6 + 2 * 4)
    assert in_models_dir(session.models_dir) == before
    with WebUI(server.url) as webui:
        assert not [lora.name for lora in webui.loras() if str(lora.name).startswith("tmp-")]
    assert sorted(session.lent) == sorted(
        [temporary_name(entry) for entry in checkpoints]
        + [temporary_name(entry) for entry in checkpoints if entry.step in _finalists(choice)]
    )
    events = session.watch.of(CheckpointJudged)
    assert [event.index for event in events] == list(range(1, 15))
    assert {event.total for event in events} == {14}

    # Again: the same choice, and nothing is drawn or even published.
    again = Session(session.url, session.models_dir, session.work, session.dataset)
    assert again.choose(checkpoints) == choice
    assert generations(server) == made + 4 * (6 + 2 * 4)
    assert again.lent == []
    assert all(event.cached for event in again.watch.of(StageDone))


def _finalists(choice: Choice) -> set[int]:
    return {trial.step for trial in choice.trials if trial.weight != 0.8}


def _all_was_tried(choice: Choice) -> None:
    tried = {(trial.step, trial.weight) for trial in choice.trials}
    assert {step for step, weight in tried if weight == 0.8} == set(range(EVERY, STEPS + 1, EVERY))
    assert len(_finalists(choice)) == 2
    for step in _finalists(choice):
        assert {weight for tried_step, weight in tried if tried_step == step} == {0.6, 0.7, 0.8, 0.9, 1.0}
    by_step = {trial.step: trial for trial in choice.trials if trial.weight == 0.8}
    assert by_step[200].likeness < 0.6 < 0.9 < by_step[600].likeness
    assert by_step[600].copying < 0.3 < 0.8 < by_step[1200].copying
    assert by_step[1200].likeness > 0.9, "a copy is as like as can be"
    assert by_step[1200].variety < 0.6 * by_step[600].variety
    pictures = [picture for trial in choice.trials for picture in trial.pictures]
    assert len({picture.sha256 for picture in pictures}) == len(pictures)
    seeds = [tuple(picture.seed for picture in trial.pictures) for trial in choice.trials]
    assert len(set(seeds)) == 1
    assert len(set(seeds[0])) == 4


@pytest.mark.long
@pytest.mark.parametrize(("best_step", "best_weight"), [(200, 0.9), (1000, 0.7)])
def test_whatever_is_planted_is_found(
    session: Session, dataset: Dataset, tmp_path: Path, best_step: int, best_weight: float
) -> None:
    planted = trained(dataset, tmp_path / "training", best_step=best_step, best_weight=best_weight)
    around = max(0, best_step // EVERY - 3)
    found = session.choose(planted[around : around + 4])
    assert (found.step, found.weight) == (best_step, best_weight), found.why


@pytest.mark.extended
@pytest.mark.parametrize("seed", [2, 7, 20])
def test_unlucky_seeds_do_not_decide(
    session: Session, checkpoints: tuple[Checkpoint, ...], seed: int
) -> None:
    """All checkpoints draw with the same seeds, so a bad one costs each of them the same."""
    found = session.choose(checkpoints[1:5], seed=seed, finalists=1)
    assert (found.step, found.weight) == (600, 0.8), found.why


def test_sdxl_has_its_own_size_and_is_chosen_the_same_way(
    session: Session, dataset: Dataset, tmp_path: Path
) -> None:
    found = session.choose(
        trained(dataset, tmp_path / "training", family="sdxl", best_step=600)[2:4],
        family="sdxl",
        width=None,
        height=None,
        **QUICK,
    )
    assert found.step == 600
    drawn = [event for event in session.watch.of(StageDone) if event.generation]
    assert len(drawn) == 2
    pictures = [picture for trial in found.trials for picture in trial.pictures]
    store = Store(session.work / "store")
    assert {EncodedImage(store.get(picture.sha256)).size for picture in pictures} == {(768, 960)}


def test_without_held_out_photos_it_says_that_it_flatters(
    session: Session, checkpoints: tuple[Checkpoint, ...], dataset: Dataset
) -> None:
    session.dataset = replace(dataset, held_out=())
    choice = session.choose(checkpoints[:2], **QUICK)
    assert not choice.compared.held_out
    assert "photos it was trained on, which flatters" in choice.why
    assert any("flatters" in note.text for note in session.watch.of(Note))


def test_one_checkpoint_is_chosen_with_its_weight(
    session: Session, checkpoints: tuple[Checkpoint, ...]
) -> None:
    choice = session.choose(checkpoints[2:3], pictures=1, weights=[0.6, 0.8])
    assert (choice.step, choice.weight) == (600, 0.8)
    assert len(choice.trials) == 2


def test_of_two_checkpoints_of_one_step_the_later_counts(
    session: Session, checkpoints: tuple[Checkpoint, ...]
) -> None:
    twice = (replace(checkpoints[0], step=600), checkpoints[2])
    choice = session.choose(twice, pictures=1, weights=[0.8])
    assert session.lent == [temporary_name(checkpoints[2])]
    assert len(choice.trials) == 1


# ---- what goes wrong


def test_a_lora_the_server_does_not_use_is_an_error(
    session: Session, checkpoints: tuple[Checkpoint, ...]
) -> None:
    def breaking(lend: Publish) -> Publish:
        @contextlib.contextmanager
        def broken(checkpoint: Checkpoint, name: str) -> Iterator[str]:
            """Listed, and gone when it is to be loaded: the WebUI says nothing and draws without it."""
            with lend(checkpoint, name) as published:
                target = session.models_dir / "Lora" / f"{published}.safetensors"
                kept = target.read_bytes()
                target.write_bytes(b"no safetensors")
                try:
                    yield published
                finally:
                    target.write_bytes(kept)

        return broken

    before = in_models_dir(session.models_dir)
    with pytest.raises(WebUIError) as caught:
        session.choose(checkpoints[:1], wrap=breaking, **QUICK)
    assert in_models_dir(session.models_dir) == before
    assert isinstance(caught.value, EffectMissing) or "tmp-" in str(caught.value)


def test_the_same_file_under_two_steps_is_no_choice(
    session: Session, checkpoints: tuple[Checkpoint, ...], dataset: Dataset
) -> None:
    """Stands for a server that takes every LoRA and applies none: all checkpoints draw the same."""
    copies = (checkpoints[2], replace(checkpoints[2], step=800))
    with pytest.raises(StageError, match="same pictures with every checkpoint"):
        session.choose(copies, **QUICK)


def test_nothing_to_choose_from_is_said(session: Session, checkpoints: tuple[Checkpoint, ...]) -> None:
    with pytest.raises(StageError, match="no checkpoint"):
        session.choose(())
    session.dataset = read_dataset(session.dataset.dir)
    with pytest.raises(StageError, match="photos to compare"):
        session.choose(checkpoints)


def test_a_cancelled_choice_leaves_no_file_and_goes_on_later(
    session: Session, server: SandboxServer, three: tuple[Checkpoint, ...]
) -> None:
    made = generations(server)

    class Stopper(Watched):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            if len(self.of(CheckpointJudged)) == 2:
                session.cancel.cancel()

    before = in_models_dir(session.models_dir)
    session.watch = Stopper()
    with pytest.raises(Cancelled):
        session.choose(three, **QUICK)
    assert in_models_dir(session.models_dir) == before
    assert generations(server) == made + 2
    session.watch, session.cancel = Watched(), CancelToken()
    assert session.choose(three, **QUICK).step == 600
    assert generations(server) == made + 3


def test_a_server_that_dies_is_an_error_and_the_file_goes_all_the_same(
    dataset: Dataset, three: tuple[Checkpoint, ...], tmp_path: Path
) -> None:
    models_dir, work = tmp_path / "models", tmp_path / "work"
    server = sandbox(models_dir)
    server.__enter__()
    alive = True

    class Killer(Watched):
        def __call__(self, event: Event) -> None:
            nonlocal alive
            super().__call__(event)
            if alive and len(self.of(CheckpointJudged)) == 2:
                alive = False
                server.__exit__(None, None, None)

    before = in_models_dir(models_dir)
    with pytest.raises(WebUIError):
        Session(server.url, models_dir, work, dataset, watch=Killer()).choose(three, **QUICK)
    assert not alive
    assert in_models_dir(models_dir) == before
    with sandbox(models_dir) as back:
        choice = Session(back.url, models_dir, work, dataset).choose(three, **QUICK)
        assert generations(back) == 1
    assert choice.step == 600
    assert in_models_dir(models_dir) == before


def test_a_failing_picture_takes_the_file_away_too(
    dataset: Dataset, three: tuple[Checkpoint, ...], tmp_path: Path
) -> None:
    models_dir = tmp_path / "models"
    with sandbox(models_dir, faults=(Fault(kind="500", after=1, count=2),)) as server:
        session = Session(server.url, models_dir, tmp_path / "work", dataset)
        before = in_models_dir(models_dir)
        with pytest.raises(WebUIError):
            session.choose(three, **QUICK)
        assert in_models_dir(models_dir) == before
        assert session.choose(three, **QUICK).step == 600


@pytest.mark.long
def test_a_killed_choice_goes_on_where_it_was(tmp_path: Path) -> None:
    photos = copy_photos(tmp_path / "photos", PHOTOS)
    models_dir, work = tmp_path / "models", tmp_path / "work"
    with sandbox(models_dir) as server:
        start = [sys.executable, "-m", "tests.pipeline._choosing"]
        start += [server.url, str(models_dir), str(work), str(photos)]
        first = subprocess.Popen(start, cwd=ROOT, stdout=subprocess.DEVNULL)
        _wait(lambda: generations(server) >= 9, first)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        left = {name for name in in_models_dir(models_dir) if name.startswith("tmp-")}
        done = subprocess.run(start, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
        assert done.stdout == "600 0.8\n"
        # What ran when it was killed is made again, nothing else is.
        assert generations(server) <= 4 * (4 + 4) + 1
        assert len(left) <= 1, "one at a time"
        assert not {name for name in in_models_dir(models_dir) if name.startswith("tmp-")}


def _wait(until: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not until():
        assert process.poll() is None, "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.05)
