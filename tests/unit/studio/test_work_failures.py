"""What a user reads when a job failed, and what the operator reads."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

import faces
import sdwebui_client
import stages.errors
import train_lora.errors
from faces import ModelMissing
from prompt_library import PromptError
from sdwebui_client import Cancelled, ConnectFailed, OutOfMemory, ServerError
from stages.errors import DiskFull, LikenessNotReached, PlanError, StageError, WorkFolderBusy
from stages.presets import PresetError, PresetProblem
from studio.refusals import Refused
from studio.work import JobFailed, explain_failure, worth_waiting
from studio.work.failures import operator_note
from train_lora import PhotosError, TrainError
from train_lora.errors import HostKeyError, PublishError, SshLost, TrainCancelled, TrainerMissing

FOLDER = Path("/data/users/ab/jobs/cd/raw")


def photos(*codes: str, accepted: int = 0) -> Any:
    """What was found out about the photos."""
    return SimpleNamespace(
        photos=tuple(SimpleNamespace(code=code) for code in codes), accepted=(None,) * accepted
    )


EXPECTED: list[tuple[BaseException, str]] = [
    (LikenessNotReached(best=0.3, asked=0.5, out_dir=FOLDER), "not-like-enough"),
    (PlanError({"http://gpu:7860": ("no ADetailer",)}), "server-lacks"),
    (DiskFull(FOLDER), "disk-full"),
    (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
    (PermissionError(errno.EACCES, "Permission denied", str(FOLDER)), "storage"),
    (WorkFolderBusy(FOLDER, 7), "busy"),
    (StageError("no trainer"), "step"),
    (TrainerMissing("nothing", "install"), "no-trainer"),
    (PublishError("no folder"), "publishing"),
    (SshLost("gone"), "trainer-away"),
    (TrainError("loss is NaN"), "training"),
    (OutOfMemory("CUDA out of memory"), "gpu-memory"),
    (ConnectFailed("refused"), "server-away"),
    (ServerError("500", status=500), "server-failed"),
    (PresetError(PresetProblem("a", "b")), "preset"),
    (PromptError("bad"), "preset"),
    (ModelMissing("dlib"), "faces"),
    (OperationalError("x", {}, Exception("gone")), "database"),
    (PhotosError("x", photos=photos("blurred", "ok", accepted=1)), "too-few-photos"),
    (PhotosError("x", photos=photos("two_people", "two_people")), "two-people"),
    (PhotosError("There are no photos."), "too-few-photos"),
    (Refused("unknown-wish", en="e", ko="k", hint_en="he", hint_ko="hk"), "unknown-wish"),
]


@pytest.mark.parametrize(("error", "code"), EXPECTED, ids=lambda value: getattr(value, "__name__", None))
def test_each_failure_has_a_sentence_and_a_hint_in_both_languages(error: BaseException, code: str) -> None:
    known = explain_failure(error)
    assert known is not None
    assert known.code == code
    content = known.to_json()
    for language in ("ko", "en"):
        assert content["message"][language]
        assert content["hint"][language]
    if not isinstance(error, Refused):
        assert any("가" <= letter <= "힣" for letter in content["message"]["ko"])
    assert str(FOLDER) not in str(content)


def _errors_of(module: Any) -> list[type[BaseException]]:
    found = (getattr(module, name) for name in dir(module))
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("module", [stages.errors, train_lora.errors, sdwebui_client, faces])
def test_no_error_of_a_room_is_unknown(module: Any) -> None:
    for kind in _errors_of(module):
        if issubclass(kind, (Cancelled, TrainCancelled)):
            continue
        error = kind.__new__(kind)
        error.__dict__.update(photos=None, message="", server_text="")
        assert explain_failure(error) is not None, kind


def test_a_cancellation_is_no_failure() -> None:
    assert explain_failure(Cancelled("stopped")) is None
    assert explain_failure(TrainCancelled("stopped")) is None


def test_what_nobody_expected_stays_unexplained() -> None:
    assert explain_failure(ZeroDivisionError()) is None


def test_an_explained_failure_stays_as_it_is() -> None:
    failed = JobFailed("gone", en="a", ko="b")
    assert explain_failure(failed) is failed


def test_photos_say_how_many_are_good() -> None:
    known = explain_failure(PhotosError("x", photos=photos("ok", "blurred", accepted=3)))
    assert known is not None
    assert "3" in known.texts["en"]
    assert "3장" in known.texts["ko"]


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (ConnectFailed("refused"), True),
        (ServerError("bad gateway", status=502), True),
        (ServerError("broken", status=500), False),
        (WorkFolderBusy(FOLDER, None), True),
        (SshLost("gone"), True),
        (HostKeyError("another key"), False),
        (OperationalError("x", {}, Exception("gone")), True),
        (IntegrityError("x", {}, Exception("twice")), False),
        (OutOfMemory("full"), False),
        (DiskFull(FOLDER), False),
        (PhotosError("too few"), False),
        (ZeroDivisionError(), False),
    ],
)
def test_only_what_passes_by_itself_is_waited_for(error: BaseException, waits: bool) -> None:
    assert worth_waiting(error) is waits


def test_the_operator_reads_the_servers_words_and_no_name_of_a_photo() -> None:
    error = ServerError("it failed", status=500, server_text="KeyError: 'alphas'")
    assert (
        operator_note(error, Path("/data")) == "ServerError: it failed\nThe server said: KeyError: 'alphas'"
    )
    about = PhotosError("Only 1 of 2 files can be used.\nKim.jpg refused\n", "Add more.")
    assert operator_note(about, Path("/data")) == "PhotosError: Only 1 of 2 files can be used."
    where = PublishError("/data/users/ab/x cannot be written; cat.PNG neither")
    assert operator_note(where, Path("/data")) == "PublishError: DATA cannot be written; (a picture) neither"
