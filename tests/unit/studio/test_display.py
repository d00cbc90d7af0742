from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sdwebui_client import Progress
from stages import events as ev
from studio.cli._bars import LiveBars, PlainBars, make_bars
from studio.cli._display import Display
from studio.cli._state import make_console
from studio.cli._tables import missing_lines


def console(*, width: int = 100, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, _environ={"TERM": "xterm"}
    )


def shown(display: Display) -> str:
    assert isinstance(display.console.file, io.StringIO)
    return display.console.file.getvalue()


def feed(display: Display) -> None:
    """A whole run, as the recipe reports one."""
    for event in (
        ev.ServerChecked("http://gpu", "a1111", "v1.10.1", False, True),
        ev.PhotosProgress(1, 2),
        ev.PhotosProgress(2, 2),
        ev.PhotoChecked("one.jpg", True, "One clear face.", "", 1, 2),
        ev.PhotoChecked("[two].jpg", False, "No face was found.", "Use a photo with the whole face.", 2, 2),
        ev.PhotosDone(1, 1),
        ev.TrainingProgress(1, 4, 0.25, 3.0, "loss 0.12"),
        ev.TrainingProgress(4, 4, 1.0, 0.0, "loss 0.08"),
        ev.LoraReady("alice", "ab", "sandbox", True, False),
        ev.PlanReady(3, 1, {"txt2img": 1, "img2img": 1, "upscale": 1}),
        ev.Overall(0.0, None, 0, 3),
        ev.StageStarted("front-1", "txt2img", "first run"),
        ev.StageProgress("front-1", "txt2img", Progress("queued", 0.0, queue_position=2)),
        ev.StageProgress("front-1", "txt2img", Progress("sampling", 0.5, eta_s=4.0, step=10, steps=20)),
        ev.StageDone("front-1", "txt2img", False, "first run", 2.5, True),
        ev.Overall(0.33, 12.0, 1, 3),
        ev.ShotScored("front-1", "txt2img", 0.83, 0.41),
        ev.ShotScored("front-2", "txt2img", 0.0, None),
        ev.ShotRejected("front-2", "no face was found"),
        ev.StageDone("front-1-cool", "img2img", True, "cached", 1.0, True),
        ev.PlanGrown(4, "front-1 fell short"),
        ev.Delivered("portraits/01-front-cool.png", "front-1-cool", "front", "cool", 7, 0.83),
        ev.Note("a note"),
    ):
        display(event)


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("width", [30, 100])
def test_a_run_is_told_on_any_terminal(terminal: bool, width: int) -> None:
    with Display(console(width=width, terminal=terminal)) as display:
        feed(display)
    text = shown(display)
    for word in ("accepted", "refused", "alice", "[two].jpg", "0.83", "a note", "front-1 fell short"):
        assert word in text or (width == 30 and word.startswith("["))


def test_plain_output_has_no_control_characters_and_one_line_a_job() -> None:
    with Display(console()) as display:
        feed(display)
    text = shown(display)
    assert "\x1b" not in text
    assert "\r" not in text
    assert text.count("front-1: txt2img, 2.5 s") == 1
    assert "loss 0.08" in text


def test_a_cached_stage_is_no_job() -> None:
    with Display(console()) as display:
        feed(display)
    assert "front-1-cool: img2img" not in shown(display)


def test_explain_says_why() -> None:
    with Display(console(), explain=True) as display:
        feed(display)
    assert "txt2img runs: first run" in shown(display)
    assert "img2img kept: cached" in shown(display)


def test_an_unknown_event_is_not_shown() -> None:
    with Display(console()) as display:
        display(ev.Event())
    assert shown(display) == ""


def test_every_kind_of_event_is_handled() -> None:
    kinds = {kind for kind in vars(ev).values() if isinstance(kind, type) and issubclass(kind, ev.Event)} - {
        ev.Event
    }
    assert kinds == set(Display(console())._handlers)


def test_the_sandbox_is_loud() -> None:
    display = Display(console())
    display.sandbox_panel("http://127.0.0.1:1", asked=False)
    assert "SANDBOX" in shown(display)
    assert "no WebUI was found" in shown(display)
    assert "http://127.0.0.1:1" in shown(display)


def portrait(**changes: Any) -> dict[str, Any]:
    return {
        "file": "portraits/01.png", "width": 1024, "height": 1536, "pose": "front", "tone": "cool", "seed": 1,
        "likeness": 0.83,
    } | changes  # fmt: skip


def test_the_summary_names_the_folder_and_each_likeness(tmp_path: Path) -> None:
    (tmp_path / "report.html").touch()
    display = Display(console(width=200))
    display.summary(
        {"portraits": [portrait(), portrait(likeness=None)], "webui": {"sandbox": True}}, tmp_path, 75.0
    )
    text = shown(display)
    assert "2 portraits in 1 min 15 s" in text
    assert "0.83" in text
    assert "1024x1536" in text
    assert str(tmp_path) in text
    assert "report.html" in text
    assert "contact-sheet" not in text
    assert "SANDBOX" in text


def test_a_long_path_stays_in_one_piece(tmp_path: Path) -> None:
    display = Display(console(width=40))
    display.summary({"portraits": []}, tmp_path / ("x" * 80), 1.0)
    assert str(tmp_path / ("x" * 80)) in shown(display)


def test_bars_are_live_only_where_a_line_can_be_redrawn() -> None:
    assert isinstance(make_bars(console(terminal=True)), LiveBars)
    assert isinstance(make_bars(console()), PlainBars)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(make_bars(dumb), PlainBars)


def test_live_bars_show_stage_and_time_left_and_go_away() -> None:
    screen = console(terminal=True)
    bars = make_bars(screen)
    bars.overall(ev.Overall(0.25, 42.0, 1, 4))
    bars.moved(ev.StageProgress("front-1", "upscale", Progress("upscaling", 0.5, eta_s=20.0)))
    assert isinstance(bars, LiveBars)
    bars._progress.refresh()
    assert isinstance(screen.file, io.StringIO)
    text = screen.file.getvalue()
    assert "front-1: upscale" in text
    assert "about 42 s left" in text
    bars.close()
    bars.moved(ev.StageProgress("front-1", "upscale", Progress("upscaling", 0.6)))
    assert screen.file.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in screen.file.getvalue()


def test_a_server_that_is_left_out_is_told_once_the_run_goes_on_without_it() -> None:
    with Display(console()) as display:
        display(ev.ServerChecked("http://a", "a1111", "v1", False, False, ("no ControlNet",)))
        assert shown(display) == ""
        display(ev.PhotosProgress(1, 2))
        display(ev.PhotosProgress(2, 2))
    assert shown(display).count("no ControlNet") == 1


def test_the_summary_says_what_is_missing_how_near_it_came_and_what_to_do() -> None:
    run = {
        "portraits": [{"file": "portraits/01-front-warm.png"}],
        "unfilled": [{"pose": "front", "tone": "cool"}],
        "rejected": [
            {"pose": "front", "likeness": 0.63},
            {"pose": "front", "likeness": None},
            {"pose": "head_tilt", "likeness": 0.69},
        ],
        "min_likeness": 0.7,
    }
    said, advice = missing_lines(run)
    assert said == "1 of 2: nothing good enough for front cool (best likeness 0.63, asked 0.70)."
    assert "--set min_likeness=" in advice
    assert missing_lines({**run, "unfilled": []}) == []


@pytest.mark.parametrize(("step", "kept"), [(399, False), (400, True)])
def test_a_finished_training_is_something_to_go_on_from(step: int, kept: bool) -> None:
    display = Display(console())
    display(ev.TrainingProgress(step, 400, step / 400, 0.0, ""))
    assert display.worked is kept


def test_a_lora_named_like_an_emoji_keeps_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    Display(make_console(stderr=True)).say("In a prompt: <lora:heart:0.8>")
    assert "<lora:heart:0.8>" in capsys.readouterr().err
