from __future__ import annotations

import errno
from importlib import import_module
from pathlib import Path

import pytest

from faces import ModelMissing
from sdwebui_client.errors import (
    AuthError,
    Cancelled,
    CapabilityMissing,
    ConnectFailed,
    InvalidRequest,
    ServerError,
)
from stages.errors import DiskFull, LikenessNotReached, PlanError, StageError, WorkFolderBusy
from stages.presets import PresetError, PresetProblem
from studio import errors
from studio.errors import BadInput, ExitCode, explain
from train_lora import ArtifactError, PhotosError, TrainCancelled


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("x"), 2),
        (PresetError(PresetProblem("a.b", "is wrong")), 2),
        (PhotosError("too few"), 2),
        (WorkFolderBusy(Path("out"), 1), 2),
        (DiskFull(Path("out")), 2),
        (InvalidRequest("x"), 2),
        (ConnectFailed("x"), 3),
        (AuthError("x"), 3),
        (CapabilityMissing("x"), 3),
        (PlanError({"http://a": ("no sampler",)}), 3),
        (StageError("no trainer"), 3),
        (ArtifactError("damaged"), 3),
        (ModelMissing("dlib"), 3),
        (ModuleNotFoundError("x", name="starlette"), 3),
        (LikenessNotReached(best=0.2, asked=0.9, out_dir=Path("out")), 4),
        (Cancelled("x"), 130),
        (TrainCancelled("x"), 130),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    failure = explain(error)
    assert failure is not None
    assert failure.exit_code == code
    assert failure.title
    assert failure.message


def test_the_servers_own_words_and_what_to_do_are_shown() -> None:
    failure = explain(ServerError("the job failed", hint="restart it", server_text="CUDA went away"))
    assert failure is not None
    assert "CUDA went away" in failure.message
    assert failure.hint == "restart it"


def test_a_missing_package_names_the_setup_command() -> None:
    failure = explain(ModuleNotFoundError("No module named 'cv2'", name="cv2"))
    assert failure is not None
    assert "cv2" in failure.message
    assert "scripts/setup.sh" in failure.hint


def test_a_module_of_ours_that_is_missing_is_a_bug() -> None:
    assert explain(ModuleNotFoundError("x", name="stages.nowhere")) is None


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError("x"), RuntimeError("x")])
def test_what_nobody_expected_is_not_explained_away(error: Exception) -> None:
    assert explain(error) is None


def test_a_full_disk_and_a_forbidden_folder_are_expected() -> None:
    full = explain(OSError(errno.ENOSPC, "No space left on device", "out/x"))
    assert full is not None
    assert "kept" in full.hint
    forbidden = explain(PermissionError(errno.EACCES, "Permission denied", "out"))
    assert forbidden is not None
    assert forbidden.exit_code == ExitCode.BAD_INPUT
    mounted = explain(OSError(errno.EROFS, "Read-only file system", "out/.work/lock"))
    assert mounted is not None
    assert mounted.exit_code == ExitCode.BAD_INPUT
    assert "out/.work/lock" in mounted.message
    assert "--out" in mounted.hint


@pytest.mark.parametrize(("module", "name"), [(row[0], row[1]) for row in errors._ROOTS])
def test_every_class_of_the_table_exists(module: str, name: str) -> None:
    assert issubclass(getattr(import_module(module), name), Exception)


@pytest.mark.parametrize("row", range(len(errors._ROOTS)))
def test_no_class_of_the_table_is_hidden_by_an_earlier_one(row: int) -> None:
    kinds = [getattr(import_module(module), name) for module, name, _, _ in errors._ROOTS[: row + 1]]
    assert not any(issubclass(kinds[row], earlier) for earlier in kinds[:row])
