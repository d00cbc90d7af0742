from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.errors import WorkFolderBusy
from stages.lock import FolderLock
from studio.cli import main
from studio.deletion import delete, plan_deletion
from studio.errors import BadInput
from studio.runs import WORK, claim
from tests.stubs.sshd import Sshd, start_sshd
from train_lora.errors import TrainError
from train_lora.trials import Ledger

LORA = b"the lora"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models" / "Lora").mkdir(parents=True)
    return tmp_path / "models"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").touch()
    return tmp_path / "photos"


def make_run(tmp_path: Path, photos: Path, *, own_lora: bool = True, models_dir: Path | None = None) -> Path:
    out = tmp_path / "output" / "alice"
    claim(out, photos, "alice", publishes_in=[models_dir] if models_dir else [])
    (out / "portraits").mkdir()
    (out / "portraits" / "1.png").write_bytes(b"x" * 1000)
    if own_lora:
        (out / WORK / "lora").mkdir()
        (out / WORK / "lora" / "alice.safetensors").write_bytes(LORA)
    return out


def test_everything_goes_and_the_photos_stay(tmp_path: Path, photos: Path) -> None:
    out = make_run(tmp_path, photos)
    plan = plan_deletion(out, None)
    assert plan.portraits == 1
    assert plan.files == 3
    assert plan.size_bytes > 1000
    delete(plan)
    assert not out.exists()
    assert (photos / "1.jpg").exists()


def test_the_published_lora_goes_too(tmp_path: Path, photos: Path, models: Path) -> None:
    (models / "Lora" / "alice.safetensors").write_bytes(LORA)
    plan = plan_deletion(make_run(tmp_path, photos, models_dir=models), None)
    assert plan.left == ()
    delete(plan)
    assert list((models / "Lora").iterdir()) == []


def test_the_lora_goes_from_every_folder_it_was_published_in(tmp_path: Path, photos: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    out = make_run(tmp_path, photos)
    for place in places:
        (place / "Lora").mkdir(parents=True)
        (place / "Lora" / "alice.safetensors").write_bytes(LORA)
        claim(out, photos, "alice", publishes_in=[place])
    delete(plan_deletion(out, None))
    assert [list((place / "Lora").iterdir()) for place in places] == [[], []]


def test_the_lora_of_earlier_settings_goes_from_where_only_that_was_published(
    tmp_path: Path, photos: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    out = make_run(tmp_path, photos)
    (out / WORK / "trained").mkdir()
    for number, (place, data) in enumerate([(one, b"of earlier settings"), (two, LORA)]):
        (out / WORK / "trained" / f"{number}.safetensors").write_bytes(data)
        (place / "Lora").mkdir(parents=True)
        (place / "Lora" / "alice.safetensors").write_bytes(data)
        claim(out, photos, "alice", publishes_in=[place])
    (two / "Lora" / "bob.safetensors").write_bytes(LORA)
    plan = plan_deletion(out, None)
    assert plan.left == ()
    delete(plan)
    assert list((one / "Lora").iterdir()) == []
    assert [path.name for path in (two / "Lora").iterdir()] == ["bob.safetensors"]


def test_half_a_copy_of_a_killed_run_goes_too(tmp_path: Path, photos: Path, models: Path) -> None:
    (models / "Lora" / ".alice.x1y2.part").write_bytes(LORA[:3])
    (models / "Lora" / ".bob.x1y2.part").write_bytes(LORA[:3])
    delete(plan_deletion(make_run(tmp_path, photos, models_dir=models), None))
    assert [path.name for path in (models / "Lora").iterdir()] == [".bob.x1y2.part"]


def test_another_file_of_that_name_stays(tmp_path: Path, photos: Path, models: Path) -> None:
    other = models / "Lora" / "alice.safetensors"
    other.write_bytes(b"somebody else's")
    plan = plan_deletion(make_run(tmp_path, photos), models)
    assert plan.loras == ()
    assert "alice" in plan.left[0]
    delete(plan)
    assert other.exists()


def test_trials_of_a_killed_run_go_too(tmp_path: Path, photos: Path, models: Path) -> None:
    out = make_run(tmp_path, photos, models_dir=models)
    Ledger(out / WORK / "trials-0.json").add("tmp-1", hashlib.sha256(b"half trained").hexdigest())
    (models / "Lora" / "tmp-1.safetensors").write_bytes(b"half trained")
    (models / "Lora" / ".tmp-1.x1y2.part").write_bytes(b"half")
    (models / "Lora" / "tmp-2.safetensors").write_bytes(b"half trained")
    delete(plan_deletion(out, None))
    assert [path.name for path in (models / "Lora").iterdir()] == ["tmp-2.safetensors"]


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    server = start_sshd(tmp_path / "sshd")
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


def test_the_lora_goes_from_another_machine(tmp_path: Path, photos: Path, models: Path, sshd: Sshd) -> None:
    (models / "Lora" / "alice.safetensors").write_bytes(LORA)
    (models / "Lora" / ".alice.x1y2.part").write_bytes(LORA[:3])
    (models / "Lora" / "bob.safetensors").write_bytes(LORA)
    out = make_run(tmp_path, photos)
    claim(out, photos, "alice", publishes_in=[sshd.url(models)])
    plan = plan_deletion(out, None)
    assert [str(lora) for lora in plan.loras] == [
        f"{sshd.url(models)}/Lora/alice.safetensors",
        f"{sshd.url(models)}/Lora/.alice.x1y2.part",
    ]
    assert plan.left == ()
    delete(plan)
    assert [path.name for path in (models / "Lora").iterdir()] == ["bob.safetensors"]
    assert not out.exists()


def test_a_machine_that_is_away_is_said(tmp_path: Path, photos: Path, models: Path, sshd: Sshd) -> None:
    out = make_run(tmp_path, photos)
    claim(out, photos, "alice", publishes_in=[sshd.url(models)])
    sshd.stop()
    plan = plan_deletion(out, models)
    assert "Nothing listens at" in plan.left[0]
    assert "(alice)" in plan.left[0]
    assert "delete it yourself" in plan.left[0]


def test_a_machine_that_goes_away_meanwhile_keeps_the_run(
    tmp_path: Path, photos: Path, models: Path, sshd: Sshd
) -> None:
    (models / "Lora" / "alice.safetensors").write_bytes(LORA)
    out = make_run(tmp_path, photos)
    claim(out, photos, "alice", publishes_in=[sshd.url(models)])
    plan = plan_deletion(out, None)
    sshd.stop()
    with pytest.raises(TrainError, match="Nothing listens"):
        delete(plan)
    assert (out / "portraits" / "1.png").exists()


def test_a_password_in_the_address_is_refused(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = make_run(tmp_path, photos)
    assert main(["delete", "--out", str(out), "--yes", "--models-dir", "sftp://me:hunter2@gpu/x"]) == 2
    said = capsys.readouterr()
    assert "--models-dir: A password stands in" in said.err
    assert "hunter2" not in said.err + said.out
    assert out.exists()


def test_a_lora_the_user_named_stays(tmp_path: Path, photos: Path, models: Path) -> None:
    theirs = models / "Lora" / "alice.safetensors"
    theirs.write_bytes(LORA)
    delete(plan_deletion(make_run(tmp_path, photos, own_lora=False, models_dir=models), models))
    assert theirs.exists()


def test_a_lora_out_of_reach_is_said(tmp_path: Path, photos: Path) -> None:
    assert "yourself" in plan_deletion(make_run(tmp_path, photos), None).left[0]


@pytest.mark.parametrize("what", ["missing", "foreign", "file"])
def test_only_a_runs_folder_is_deleted(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    if what == "foreign":
        folder.mkdir()
        (folder / "letter.txt").touch()
    if what == "file":
        folder.touch()
    with pytest.raises(BadInput):
        plan_deletion(folder, None)
    assert folder.exists() == (what != "missing")


def test_a_link_is_not_followed(tmp_path: Path, photos: Path) -> None:
    out = make_run(tmp_path, photos)
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(BadInput, match="link"):
        plan_deletion(tmp_path / "link", None)
    (out / "portraits" / "outside").symlink_to(photos)
    delete(plan_deletion(out, None))
    assert (photos / "1.jpg").exists()


def test_a_run_that_is_going_on_is_not_deleted(tmp_path: Path, photos: Path) -> None:
    out = make_run(tmp_path, photos)
    plan = plan_deletion(out, None)
    with FolderLock(out / WORK / "lock"), pytest.raises(WorkFolderBusy):
        delete(plan)
    assert (out / "portraits" / "1.png").exists()


def test_the_command_wants_a_yes(tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = make_run(tmp_path, photos)
    assert main(["delete", "--out", str(out)]) == 2
    assert "--yes" in capsys.readouterr().err
    assert out.exists()
    assert main(["delete", "--out", str(out), "--yes", "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["portraits"] == 1
    assert not out.exists()


@pytest.mark.parametrize("args", [[], ["alice", "--out", "x"]])
def test_the_command_wants_one_run(args: list[str]) -> None:
    assert main(["delete", *args, "--yes"]) == 2
