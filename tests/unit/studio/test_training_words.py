"""What `train-lora` prints: the order of its parts, what is said once, and what a log of a night keeps."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sdwebui_client import Progress
from stages import events as ev
from studio.cli._bars import LiveBars, PlainBars, job_title, make_bars
from studio.cli._display import Display
from studio.cli._training_words import planned_line, trained_lines


def console(*, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(), width=120, force_terminal=terminal, highlight=False, _environ={"TERM": "xterm"}
    )


def shown(target: Display | Console) -> str:
    file = target.console.file if isinstance(target, Display) else target.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def record(**changes: Any) -> dict[str, Any]:
    return {
        "name": "alice", "trigger": "ohwx person", "sandbox": False, "lora": {"weight": 0.7},
        "choice": {"why": "step 800 at weight 0.7: likeness 0.91"}, "published": [{"server": "http://gpu"}],
    } | changes  # fmt: skip


def whole_training(display: Display) -> None:
    """Every event of a training, in the recipe's order."""
    trial = "step-150-weight-0.8-1"
    for event in (
        ev.TrainingPlanned(300, 8, 2, "12-30 minutes: not measured on this machine yet"),
        ev.TrainingProgress(0, 300, 0.0, None, "loading the model", "preparing"),
        ev.TrainingProgress(150, 300, 0.5, 9.0, "training", "training", 0.12),
        ev.TrainingProgress(300, 300, 1.0, 0.0, "training", "training", 0.08),
        ev.Overall(0.1, 40.0, 0, 4),
        ev.StageStarted("person", "train", "first run"),
        ev.StageStarted(trial, "trial", "first run"),
        ev.StageDone(trial, "trial", False, "first run", 2.5, True),
        ev.StageStarted(trial, "look", "first run"),
        ev.CheckpointJudged(150, 0.8, 0.7, 0.5, 1, 2),
        ev.CheckpointJudged(300, 0.8, 0.9, 0.7, 2, 2),
        ev.LoraChosen(300, 0.8, "step 300 at weight 0.8: likeness 0.90"),
        ev.LoraPublished("http://gpu", "alice", "/srv/models", True),
        ev.LoraReady("alice", "ab", "sd-scripts v0.10.1", False, False),
        ev.LoraVerified("http://gpu", "alice", "a picture was drawn with it"),
    ):
        display(event)


def test_the_parts_come_in_order_each_with_one_heading() -> None:
    with Display(console()) as display:
        whole_training(display)
    text = shown(display)
    headings = ("Training", "Checking likeness", "Publishing")
    lines = text.splitlines()
    at = [lines.index(heading) for heading in headings]
    assert at == sorted(at)
    assert [lines.count(heading) for heading in headings] == [1, 1, 1]


def test_a_trial_is_one_line_and_no_picture_has_its_own() -> None:
    with Display(console()) as display:
        whole_training(display)
    text = shown(display)
    assert "step-150-weight" not in text
    assert "[1/2] step 150 at weight 0.8: likeness 0.70, score 0.50; about 40 s left" in text
    assert "[2/2] step 300 at weight 0.8: likeness 0.90, score 0.70\n" in text


def test_the_stage_around_a_training_has_no_bar_of_its_own() -> None:
    with Display(console(terminal=True)) as display:
        whole_training(display)
    assert "person: train" not in shown(display)
    assert ": look" not in shown(display)


def test_what_was_published_is_not_called_ready_twice(tmp_path: Path) -> None:
    with Display(console()) as display:
        whole_training(display)
        display.trained(record(), tmp_path, 75.0, cached=False)
    text = shown(display)
    assert text.count("is ready") == 1
    assert text.count("Chosen:") == 1
    assert "ohwx person <lora:alice:0.7>" in text


def test_a_training_of_an_earlier_run_says_so_and_why_it_was_chosen() -> None:
    lines = trained_lines(record(), 3.0, cached=True)
    assert lines[0] == "LoRA alice was trained before; nothing was trained again."
    assert any(line.startswith("Chosen: ") for line in lines)


def test_the_sandbox_offers_nothing_that_ends_with_it() -> None:
    assert not any("make-profile" in line for line in trained_lines(record(sandbox=True), 3.0, cached=False))
    assert any("make-profile" in line for line in trained_lines(record(), 3.0, cached=False))


def test_without_a_webui_the_next_step_is_named() -> None:
    lines = trained_lines(record(published=[], choice=None), 3.0, cached=False)
    assert "run the same command again with a WebUI" in lines[-1]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ev.TrainingPlanned(1, 1, 0), "1 step on 1 photo."),
        (
            ev.TrainingPlanned(1200, 8, 1, "9 min: known"),
            "1200 steps on 8 photos; 1 photo is kept out of it, to judge by. Likely to take 9 min: known",
        ),
    ],
)
def test_the_plan_of_a_training_in_one_line(event: ev.TrainingPlanned, said: str) -> None:
    assert planned_line(event) == said


def test_jobs_have_names_people_can_read() -> None:
    assert job_title("step-800-weight-1-3", "trial") == "step 800 at weight 1: picture 3"
    assert job_title("front-1-cool", "upscale") == "front-1-cool: upscale"


def test_a_log_keeps_what_happened_and_leaves_out_what_only_counts() -> None:
    screen = console()
    bars = PlainBars(screen)

    def at(step: int, message: str) -> None:
        bars.training(ev.TrainingProgress(step, 1000, step / 1000, 60.0, message, "training", 0.1))

    at(1, "training")
    at(2, "training")
    at(3, "the connection to gpu is lost; the training goes on there")
    at(4, "training")
    at(5, "saved person-step00000005.safetensors")
    at(6, "saved person-step00000006.safetensors")
    text = shown(screen)
    assert len(text.splitlines()) == 3
    assert text.count("connection to gpu is lost") == 1
    assert "step00000006" not in text


def test_a_long_training_is_not_silent_between_its_quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("studio.cli._bars.time.monotonic", lambda: now)
    screen = console()
    bars = PlainBars(screen)
    bars.training(ev.TrainingProgress(1, 9000, 0.0001, 60.0, "training", "training", 0.1))
    now += PlainBars.TRAINING_EVERY_S - 1
    bars.training(ev.TrainingProgress(2, 9000, 0.0002, 60.0, "training", "training", 0.1))
    assert len(shown(screen).splitlines()) == 1
    now += 2
    bars.training(ev.TrainingProgress(3, 9000, 0.0003, 60.0, "training", "training", 0.1))
    assert "step 3 of 9000" in shown(screen)


def test_the_curve_of_the_loss_fits_an_ordinary_terminal() -> None:
    screen = Console(
        file=io.StringIO(), width=80, force_terminal=True, highlight=False, _environ={"TERM": "xterm"}
    )
    bars = make_bars(screen)
    for step in range(100, 1000, 100):
        bars.training(ev.TrainingProgress(step, 1200, step / 1200, 754.0, "training", "training", 1 / step))
    assert isinstance(bars, LiveBars)
    bars._progress.refresh()
    text = shown(screen)
    bars.close()
    line = next(line for line in reversed(text.splitlines()) if "step 900" in line)
    assert "loss 0.0011 █▃▂▂▁▁ " in line
    assert "about 12 min 34 s left" in line


def test_a_slow_trial_is_named_in_words() -> None:
    screen = console()
    bars = PlainBars(screen)
    bars._said_at["step-150-weight-0.8-2"] = -1e9
    bars.moved(ev.StageProgress("step-150-weight-0.8-2", "trial", Progress("sampling", 0.5, eta_s=4.0)))
    assert "step 150 at weight 0.8: picture 2 50% (sampling)" in shown(screen)


def test_a_lora_is_called_ready_only_where_nothing_else_was_said_of_it() -> None:
    with Display(console()) as display:
        display(ev.LoraPublished("http://gpu", "alice", "/srv/models", False))
        display(ev.LoraReady("alice", "ab", "sd-scripts", False, True))
    assert shown(display).count("LoRA alice") == 1
    with Display(console()) as display:
        display(ev.LoraReady("alice", None, "unknown", False, True))
    assert "LoRA alice was there already" in shown(display)
