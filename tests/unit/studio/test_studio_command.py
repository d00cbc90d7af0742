"""What an operator does at the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from studio.accounts import begin_session, create_user, user_of_session
from studio.cli import main
from studio.cli._studio_common import cell
from studio.core import Studio
from studio.data import Album, Flag, GpuLease, Job, JobEvent, Mail, Portrait, User, Worker
from studio.errors import BadInput
from studio.mails_again import send_again
from studio.service_settings import StudioSettings

ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse 8 staples"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SDWEBUI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SDWEBUI_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio.open(StudioSettings(data_dir=tmp_path / "data"))
    yield made
    made.close()


@pytest.fixture
def kim(studio: Studio) -> User:
    return create_user(studio, email="kim@example.org", password=None)


def add(studio: Studio, row: Any) -> Any:
    with studio.db.session() as db:
        db.add(row)
    return row


def add_job(studio: Studio, user: User, **given: Any) -> Job:
    album = add(studio, Album(user_id=user.id))
    job: Job = add(studio, Job(user_id=user.id, album_id=album.id, **given))
    return job


def run(*args: str) -> int:
    return main(["studio", *args])


def listed(capsys: pytest.CaptureFixture[str], *args: str) -> Any:
    capsys.readouterr()
    assert run(*args, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_every_command_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    from studio.cli.studio import studio as group

    def walk(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
        yield path, command
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                yield from walk(inner, *path, name)

    found = dict(walk(group))
    assert len(found) >= 24
    for path, command in found.items():
        assert run(*path, "--help") == 0
        assert "Usage" in capsys.readouterr().out
        assert command.help, path
        assert path == () or command.short_help, path
        assert not [p.name for p in command.params if isinstance(p, click.Option) and not p.help], path
    lists = [path for path in found if path and path[-1] in ("list", "show", "workers", "servers", "check")]
    for path in lists:
        assert "as_json" in [p.name for p in found[path].params], path


def test_a_folder_without_a_studio_is_not_made_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data-dir", str(tmp_path / "typo"), "users", "list") == 2
    assert "There is no studio" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_users_add_makes_the_studio_when_it_is_the_first_thing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    assert (
        run("users", "add", "Kim@Example.org", "--operator", "--password-file", str(tmp_path / "password"))
        == 0
    )
    assert "Made operator kim@example.org" in capsys.readouterr().out
    (row,) = listed(capsys, "users", "list")
    assert (row["email"], row["role"], row["state"], row["jobs"]) == (
        "kim@example.org",
        "operator",
        "active",
        0,
    )
    assert run("users", "list") == 0
    assert "kim@example.org" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("users", "add", "no-address", "--no-password"), "address"),
        (("users", "add", "a@example.org"), "password"),
        (("users", "add", "a@example.org", "--no-password", "--password-file", "x"), "contradict"),
        (("users", "add", "a@example.org", "--password-file", "/nowhere"), "/nowhere"),
        (("users", "quota", "kim@example.org"), "Nothing to change"),
        (("users", "quota", "kim@example.org", "--default", "--jobs", "2"), "contradict"),
        (("users", "disable", "lee@example.org"), "no account"),
        (("jobs", "show", "0000"), "no job"),
        (("requeue", "%"), "no job"),
        (("jobs", "list", "--state", "odd"), "odd"),
        (("mails", "again"), "Say which"),
        (("mails", "again", "0000"), "no mail"),
        (("drain", "gpu9"), "no worker"),
        (("erase-user", "kim@example.org"), "--yes"),
        (("priority", "0000", "0"), "0"),
    ],
)
def test_what_cannot_be_done_is_said(
    studio: Studio, kim: User, args: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*args) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_users_change(studio: Studio, kim: User, capsys: pytest.CaptureFixture[str]) -> None:
    session = begin_session(studio, kim.id)
    assert run("users", "make-operator", "kim@example.org") == 0
    assert run("users", "quota", kim.id[:6], "--jobs", "9") == 0
    assert run("users", "disable", "KIM@example.org") == 0
    (row,) = listed(capsys, "users", "list")
    assert (row["role"], row["quota_jobs"], row["state"]) == ("operator", 9, "disabled")
    assert user_of_session(studio, session) is None
    assert run("users", "make-operator", kim.id, "--undo") == 0
    assert run("users", "quota", kim.id, "--default") == 0
    assert run("users", "disable", kim.id, "--undo") == 0
    (row,) = listed(capsys, "users", "list")
    assert (row["role"], row["quota_jobs"], row["state"]) == ("user", studio.settings.quota_jobs, "active")
    assert user_of_session(studio, session) is None, "an ended session stays ended"


def test_jobs_are_listed_and_shown(studio: Studio, kim: User, capsys: pytest.CaptureFixture[str]) -> None:
    error = {
        "code": "disk-full",
        "message": {"en": "The disk is full.", "ko": "…"},
        "hint": {"en": "Free some."},
    }
    failed = add_job(studio, kim, state="failed", waiting=False, error=error, stage="drawing")
    other = create_user(studio, email="lee@example.org", password=None)
    add_job(studio, other, state="done", waiting=False)
    add(studio, JobEvent(job_id=failed.id, stage="photos", queued_at=10.0, started_at=15.0, ended_at=75.0,
                         outcome="done", worker_id="gpu1"))  # fmt: skip
    add(studio, JobEvent(job_id=failed.id, stage="training", queued_at=75.0))
    assert len(listed(capsys, "jobs", "list")) == 2
    assert len(listed(capsys, "jobs", "list", "--limit", "1")) == 1
    (row,) = listed(capsys, "jobs", "list", "--state", "failed", "--user", "kim@example.org")
    assert row["id"] == failed.id
    assert listed(capsys, "jobs", "list", "--state", "queued") == []
    shown = listed(capsys, "jobs", "show", failed.id[:8])
    assert shown["timeline"][0] == {
        "stage": "photos",
        "worker": "gpu1",
        "queued_at": 10.0,
        "waited_s": 5.0,
        "ran_s": 60.0,
        "outcome": "done",
    }
    assert shown["timeline"][1]["waited_s"] is None
    assert run("jobs", "show", failed.id) == 0
    text = capsys.readouterr().out
    assert "The disk is full." in text
    assert "Free some." in text
    assert "photos     waited 5.0 s, ran 1 min on gpu1: done" in text


def test_a_job_is_cancelled_requeued_and_put_first(
    studio: Studio, kim: User, capsys: pytest.CaptureFixture[str]
) -> None:
    job = add_job(studio, kim)
    assert run("cancel", job.id) == 2, "nobody there to ask"
    assert run("cancel", job.id, "--yes") == 0
    assert listed(capsys, "jobs", "show", job.id)["state"] == "cancelled"
    assert run("requeue", job.id) == 0
    shown = listed(capsys, "jobs", "show", job.id)
    assert (shown["state"], shown["attempt"], shown["position"]) == ("queued", 2, 1)
    assert run("requeue", job.id) == 2, "it has not ended"
    assert run("priority", job.id[:7], "5") == 0
    assert listed(capsys, "jobs", "show", job.id)["priority"] == 5


def test_pause_and_resume(studio: Studio) -> None:
    assert run("pause") == 0
    with studio.db.session() as db:
        assert db.get(Flag, "paused") is not None
    assert run("resume") == 0
    with studio.db.session() as db:
        assert db.get(Flag, "paused") is None


def worker(name: str, **given: Any) -> Worker:
    common = {"role": "all", "host": "h", "pid": 1, "version": "1", "servers": ["http://gpu:7860"]}
    return Worker(id=name, **{**common, **given})


def test_workers_and_servers(studio: Studio, kim: User, capsys: pytest.CaptureFixture[str]) -> None:
    now = time.time()
    stats = {"servers": {"http://gpu:7860": {"busy_s": 50.0, "generations": 3, "since": now - 100}}}
    add(studio, worker("gpu1", stats=stats, heartbeat_at=now))
    add(studio, worker("gpu2", heartbeat_at=now - 500, started_at=now - 900))
    add(studio, worker("gpu3", state="stopped"))
    job = add_job(studio, kim, state="running", waiting=False, worker_id="gpu1")
    add(studio, GpuLease(gpu="http://gpu:7860", worker_id="gpu1", job_id=job.id))
    rows = {row["id"]: row for row in listed(capsys, "workers")}
    assert {name: row["state"] for name, row in rows.items()} == {
        "gpu1": "running", "gpu2": "silent", "gpu3": "stopped",
    }  # fmt: skip
    assert (rows["gpu1"]["job"], rows["gpu2"]["job"]) == (job.id, None)
    first, second = listed(capsys, "servers")
    assert first["busy_share"] == pytest.approx(0.5, abs=0.01)
    assert (first["generations"], first["job"], second["generations"]) == (3, job.id, 0)
    assert run("workers", "--alive", "gpu1") == 0
    assert run("workers", "--alive", "gpu2") == 3
    assert run("workers", "--alive", "gpu9") == 3
    capsys.readouterr()
    assert run("drain", "gpu1") == 0
    assert run("drain", "gpu1") == 0
    assert {row["id"]: row["state"] for row in listed(capsys, "workers")}["gpu1"] == "draining"
    assert run("drain", "gpu1", "--undo") == 0
    assert run("drain", "gpu3") == 2
    assert "stopped" in capsys.readouterr().err
    assert run("servers") == 0
    assert "50%" in capsys.readouterr().out


def mail(user: User, key: str, **given: Any) -> Mail:
    return Mail(**{"key": key, "user_id": user.id, "template": "ready", "language": "ko", **given})


def test_a_mail_is_sent_again_with_a_new_link(
    studio: Studio, kim: User, capsys: pytest.CaptureFixture[str]
) -> None:
    job = add_job(studio, kim, state="done", finished_at=time.time())
    unclear = add(studio, mail(kim, "a", state="unclear", job_id=job.id, attempts=3, last_error="broke"))
    rows = listed(capsys, "mails", "list", "--state", "unclear")
    assert [row["id"] for row in rows] == [unclear.id]
    assert "params" not in rows[0]
    assert run("mails", "again", unclear.id[:6]) == 0
    with studio.db.session() as db:
        fresh = db.get(Mail, unclear.id)
        assert fresh is not None
        assert (fresh.state, fresh.attempts, fresh.params["count"]) == ("waiting", 0, 0)
        assert fresh.params["link"].startswith(f"{studio.public_url}/r/")
    assert run("mails", "again", unclear.id) == 2
    assert "waiting" in capsys.readouterr().err


def test_all_failed_mails_that_can_be_are_sent_again(
    studio: Studio, kim: User, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"code": "x", "message": {"en": "No.", "ko": "아니요."}, "hint": {}}
    job = add_job(studio, kim, state="failed", error=error)
    again = add(studio, mail(kim, "a", state="failed", job_id=job.id, template="failed"))
    add(studio, mail(kim, "b", state="failed", template="reset"))
    unclear = add(studio, mail(kim, "c", state="unclear", job_id=job.id, template="failed"))
    assert run("mails", "again", "--all-failed") == 0
    assert "1 mail will be sent again; 1 cannot be" in capsys.readouterr().out
    with studio.db.session() as db:
        states = {row.id: row.state for row in db.query(Mail)}
    assert (states[again.id], states[unclear.id]) == ("waiting", "unclear")


@pytest.mark.parametrize(
    ("given", "job"),
    [
        ({"state": "sent"}, {"state": "done"}),
        ({"template": "confirm"}, None),
        ({}, {"state": "done", "finished_at": 1.0}),
        ({}, {"state": "running"}),
        ({}, {"state": "done", "deleted_at": 5.0}),
        ({"template": "failed"}, {"state": "done"}),
    ],
)
def test_a_mail_that_would_be_wrong_is_not_sent_again(
    studio: Studio, kim: User, given: dict[str, Any], job: dict[str, Any] | None
) -> None:
    job_id = add_job(studio, kim, **job).id if job else None
    row = add(studio, mail(kim, "a", **{"state": "failed", "job_id": job_id, **given}))
    with pytest.raises(BadInput):
        send_again(studio, row)


def test_an_account_is_erased_with_a_receipt(
    studio: Studio, kim: User, capsys: pytest.CaptureFixture[str]
) -> None:
    job = add_job(studio, kim, state="done", waiting=False)
    folder = studio.layout.job(kim.id, job.id)
    folder.mkdir(parents=True)
    (folder / "x.png").write_bytes(b"x")
    receipt = listed(capsys, "erase-user", "kim@example.org", "--yes")
    assert (receipt["what"], receipt["state"]) == ("account", "done")
    assert "kim" not in json.dumps(receipt)
    assert not folder.exists()
    assert listed(capsys, "users", "list") == []


def test_sweep_says_what_it_did(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(isinstance(number, int) for number in listed(capsys, "sweep").values())
    assert run("sweep") == 0


def test_a_newer_program_does_not_migrate_under_a_running_studio(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    with studio.db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert run("users", "list") == 2
    assert "migration 0000" in capsys.readouterr().err
    assert run("check") == 3


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("id", None, "-"),
        ("waited_s", 75, "1 min 15 s"),
        ("fraction", 0.42, "42%"),
        ("waiting", True, "yes"),
        ("servers", ["a", "b"], "a, b"),
        ("attempt", 1, "1"),
    ],
)
def test_cells(name: str, value: Any, shown: str) -> None:
    assert cell(name, value) == shown


def test_as_a_process_answers_go_to_standard_output_alone(studio: Studio, kim: User) -> None:
    shot = {"file": "x", "pose": "p", "tone": "t", "seed": 1, "likeness": 0.5, "sha256": "0"}
    job = add_job(studio, kim)
    add(studio, Portrait(job_id=job.id, user_id=kim.id, number=1, width=1, height=1, **shot))
    command = [sys.executable, "-m", "sdwebui_client", "studio", "users", "list", "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["portraits"] == 1
    assert done.stderr == ""
