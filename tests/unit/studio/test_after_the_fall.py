"""What stands before the error when a run ends early: the photos it is about, and how to go on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import Cancelled
from stages.errors import LikenessNotReached, StageError
from studio.cli._run import after_the_fall, somebody_there
from studio.cli._state import State
from train_lora import PhotosError, TrainCancelled, TrainError

STATE = State(("train-lora", "--user", "my photos", "--webui", "http://me:secret@gpu:7860"))


class Shown:
    """A display that keeps what it is told."""

    def __init__(self, *, worked: bool) -> None:
        self.worked = worked
        self.steps: list[str] = []

    def close(self) -> None:
        self.steps.append("closed")

    def show_photos(self) -> None:
        self.steps.append("photos")

    def say(self, text: str, **style: Any) -> None:
        self.steps.append(text)


def fall(error: BaseException, *, worked: bool = True) -> list[str]:
    display = Shown(worked=worked)
    after_the_fall(STATE, display, error)  # type: ignore[arg-type]
    assert display.steps[0] == "closed", "nothing is printed into a running bar"
    return display.steps[1:]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled("by the user"), TrainCancelled("stopped")])
@pytest.mark.parametrize("worked", [True, False])
def test_who_interrupts_is_told_how_to_go_on(error: BaseException, worked: bool) -> None:
    what, command = fall(error, worked=worked)
    assert what.strip().startswith("Interrupted.")
    assert "run it again to continue" in what
    assert command.strip().endswith("train-lora --user 'my photos' --webui 'http://me:***@gpu:7860'")


def test_what_stopped_in_the_middle_can_go_on() -> None:
    what, command = fall(StageError("the server went away"))
    assert what.strip().startswith("Stopped.")
    assert "secret" not in command


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        LikenessNotReached(best=0.4, asked=0.7, out_dir=Path("out")),
    ],
)
def test_running_it_again_would_not_help(error: BaseException) -> None:
    assert fall(error) == []


def test_what_never_began_is_not_continued() -> None:
    assert fall(TrainError("no sd-scripts"), worked=False) == []


def test_photos_that_were_refused_are_shown() -> None:
    assert fall(PhotosError("too few"), worked=False) == ["photos"]


# ---- who is there


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminals", "there"), [((True, True), True), ((True, False), False), ((False, True), False)]
)
def test_a_question_needs_a_terminal_on_both_sides(terminals: tuple[bool, bool], there: bool) -> None:
    assert somebody_there([_Terminal() if terminal else io.StringIO() for terminal in terminals]) is there


def test_a_closed_stream_is_nobody() -> None:
    assert not somebody_there([_Terminal(), None])
