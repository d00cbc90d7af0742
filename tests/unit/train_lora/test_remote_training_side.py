"""What happens on the GPU host: run as it is run there, `python -I -c TEXT REQUEST`, on this machine."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from train_lora.backends.kohya import remote_side

SOURCE = Path(remote_side.__file__).read_text("utf-8")
JOB, OLD, YOUNG = (f"{remote_side.PREFIX}{digit * 24}" for digit in "1ab")
SUPERVISOR = """
import json, os, sys, time
folder = sys.argv[1]
ticks = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])
open(folder + "/status.json", "w").write(json.dumps(
    {"state": "running", "supervisor_pid": os.getpid(), "supervisor_start": ticks, "n": time.time()}))
time.sleep(60)
"""


def ask(do: str, stdin: bytes = b"", **request: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", SOURCE, json.dumps({"do": do, **request})],
        input=stdin, capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    (line,) = [line for line in done.stdout.decode().splitlines() if line]
    answer: dict[str, Any] = json.loads(line.removeprefix(remote_side.MARK))
    return answer


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return tmp_path / "jobs" / JOB


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def claim(job: Path, client: str) -> dict[str, Any]:
    return ask("claim", job=str(job), client=client, label=f"{client}@home", sweep_days=7)


def test_the_first_leads_the_second_follows(job: Path) -> None:
    assert claim(job, "a") == {"created": True, "leader": True, "others": []}
    assert claim(job, "b") == {"created": False, "leader": False, "others": ["a@home"]}
    assert claim(job, "a") == {"created": False, "leader": True, "others": ["b@home"]}
    assert stat.S_IMODE(job.stat().st_mode) == 0o700
    assert stat.S_IMODE(job.parent.stat().st_mode) == 0o700


def leaders(job: Path) -> int:
    """How many of eight clients that come at once lead."""
    request = [
        json.dumps({"do": "claim", "job": str(job), "client": f"c{n}", "label": "x", "sweep_days": 7})
        for n in range(8)
    ]
    running = [
        subprocess.Popen([sys.executable, "-I", "-c", SOURCE, one], stdout=subprocess.PIPE) for one in request
    ]
    answers = [json.loads(p.communicate(timeout=30)[0].split(b" ", 1)[1]) for p in running]
    return sum(answer["leader"] for answer in answers)


def test_of_many_at_once_one_leads(job: Path) -> None:
    assert leaders(job) == 1


def test_a_follower_leads_when_the_leader_left_or_was_not_heard_of(job: Path) -> None:
    claim(job, "a")
    assert not claim(job, "b")["leader"]
    age(job / "clients" / "a.json", remote_side.GONE_S + 5)
    assert claim(job, "b") == {"created": False, "leader": True, "others": []}
    assert not claim(job, "a")["leader"]
    ask("leave", job=str(job), client="b")
    assert claim(job, "a") == {"created": False, "leader": True, "others": []}


def test_a_leader_killed_while_leaving_is_replaced(job: Path) -> None:
    claim(job, "a")
    (job / "leader" / "a").rmdir()
    assert claim(job, "b")["leader"]


def test_of_many_that_take_over_one_leads(job: Path) -> None:
    claim(job, "gone")
    age(job / "clients" / "gone.json", remote_side.GONE_S + 5)
    assert leaders(job) == 1
    assert len(list((job / "leader").iterdir())) == 1


def tar_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o777
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_unpacked_files_are_their_owners_alone_and_hash_right(job: Path) -> None:
    job.mkdir(parents=True)
    blob = tar_of(**{"001.png": b"face", "reg/1.txt": b"x" * 3})
    sent = ask("unpack", folder=str(job / "dataset"), stdin=blob)["files"]
    assert stat.S_IMODE((job / "dataset").stat().st_mode) == 0o700
    assert stat.S_IMODE((job / "dataset" / "001.png").stat().st_mode) == 0o600
    found = ask("hashes", folder=str(job / "dataset"))["files"]
    assert found == sent
    assert found.keys() == {"001.png", "reg/1.txt"}
    assert found["reg/1.txt"] == ["cd2eb0837c9b4c962c22d2ff8b5441b7b45805887f051d39bf133b583baf6860", 3]
    assert ask("hashes", folder=str(job / "nothing")) == {"files": {}}


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_nothing_is_unpacked_outside_the_folder(job: Path, name: str) -> None:
    answer = ask("unpack", folder=str(job / "dataset"), stdin=tar_of(**{name: b"1"}))
    assert answer["error"] == "ValueError"
    assert "outside" in answer["text"]
    assert not list(job.parent.rglob("outside"))


def test_a_tar_cut_short_leaves_no_half_file(job: Path) -> None:
    blob = tar_of(**{"a.png": b"1" * 5000, "b.png": b"2" * 50_000})
    assert ask("unpack", folder=str(job / "dataset"), stdin=blob[:20_000])["error"] == "ValueError"
    assert [path.name for path in (job / "dataset").iterdir()] == ["a.png"]


def started(job: Path, run: str, supervisor: str = SUPERVISOR) -> dict[str, Any]:
    given = {"supervisor": supervisor, "spec": {"argv": ["true"], "time_limit_s": 1}}
    return ask("start", job=str(job), run=run, stdin=json.dumps(given).encode())


@pytest.fixture
def supervised(job: Path) -> Any:
    job.mkdir(parents=True)
    (job / "stdout.log").write_text("of an earlier start")
    (job / "cancel").touch()
    yield job
    if (job / "status.json").exists():
        os.kill(json.loads((job / "status.json").read_text())["supervisor_pid"], signal.SIGKILL)


def test_a_run_asked_for_twice_starts_once_and_outlives_who_started_it(supervised: Path) -> None:
    assert started(supervised, "r1") == {"started": True, "alive": True}
    first = (supervised / "status.json").read_text()
    assert started(supervised, "r1") == {"started": False, "alive": True}
    assert started(supervised, "r2") == {"started": False, "alive": True}
    assert (supervised / "status.json").read_text() == first
    assert not (supervised / "cancel").exists()
    assert not (supervised / "stdout.log").exists()
    assert json.loads((supervised / "spec.json").read_text())["lifeline"] is False
    pid = json.loads(first)["supervisor_pid"]
    assert os.getsid(pid) == pid
    assert ask("alive", job=str(supervised)) == {"alive": True}
    assert ask("busy", jobs=str(supervised.parent)) == {"jobs": 1}
    assert ask("busy", jobs=str(supervised)) == {"jobs": 0}


def test_a_supervisor_that_cannot_start_says_why(job: Path) -> None:
    job.mkdir(parents=True)
    answer = started(job, "r1", "raise SystemExit('no such thing')")
    assert answer["alive"] is False
    assert answer["exit_code"] == 1
    assert "no such thing" in answer["said"]


def test_results_that_nobody_fetched_count_as_a_job(job: Path) -> None:
    job.mkdir(parents=True)
    (job / "status.json").write_text(json.dumps({"state": "exited", "exit_code": 1}))
    assert ask("busy", jobs=str(job.parent)) == {"jobs": 0}
    (job / "status.json").write_text(json.dumps({"state": "exited", "exit_code": 0}))
    assert ask("busy", jobs=str(job.parent)) == {"jobs": 1}


def test_another_process_with_the_supervisors_number_is_not_it(job: Path) -> None:
    job.mkdir(parents=True)
    (job / "status.json").write_text(json.dumps({"supervisor_pid": os.getpid(), "supervisor_start": 1}))
    assert ask("alive", job=str(job)) == {"alive": False}


def test_a_running_training_is_not_wiped(supervised: Path) -> None:
    started(supervised, "r1")
    assert ask("wipe", job=str(supervised), keep=[]) == {"gone": False}
    assert (supervised / "status.json").exists()


def test_wiping_removes_everything_or_all_but_the_logs_and_follows_no_link(job: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("x")
    for folder in ("dataset", "out"):
        (job / folder).mkdir(parents=True)
    (job / "dataset" / "face.png").write_text("x")
    (job / "link").symlink_to(outside)
    (job / "stdout.log").write_text("x")
    assert ask("wipe", job=str(job), keep=["stdout.log"]) == {"gone": True}
    assert [path.name for path in job.iterdir()] == ["stdout.log"]
    assert ask("wipe", job=str(job), keep=[]) == {"gone": True}
    assert list(job.parent.iterdir()) == []
    assert ask("wipe", job=str(job), keep=[]) == {"gone": True}
    assert (outside / "mine").exists()
    assert ask("wipe", job=str(outside), keep=[])["error"] == "ValueError"


def test_only_old_trainings_that_do_not_run_are_swept(supervised: Path) -> None:
    started(supervised, "r1")
    jobs = supervised.parent
    for name in (OLD, YOUNG, "mine", "job-applications"):
        (jobs / name).mkdir()
        (jobs / name / "stdout.log").write_text("x")
    for name in (OLD, "mine", "job-applications", JOB):
        for path in (*(jobs / name).iterdir(), jobs / name):
            age(path, 8 * 86_400)
    assert ask("sweep", jobs=str(jobs), days=7) == {"removed": 1}
    assert {path.name for path in jobs.iterdir()} == {JOB, YOUNG, "mine", "job-applications"}
    assert ask("sweep", jobs=str(jobs / "nothing"), days=7) == {"removed": 0}


def test_who_comes_first_sweeps(job: Path) -> None:
    old = job.with_name(OLD)
    old.mkdir(parents=True)
    age(old, 8 * 86_400)
    claim(job, "a")
    assert [path.name for path in job.parent.iterdir()] == [JOB]


def test_a_folder_that_somebody_else_put_there_gets_no_photo(job: Path, tmp_path: Path) -> None:
    job.parent.mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "mine").write_text("x")
    job.symlink_to(tmp_path / "theirs")
    for do in ("claim", "wipe"):
        request = {"client": "a", "label": "a", "sweep_days": 7} if do == "claim" else {"keep": ["x"]}
        assert ask(do, job=str(job), **request)["error"] == "EPERM"
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["mine"]
    if os.geteuid() == 0:
        job.unlink()
        job.mkdir()
        os.chown(job, 12345, -1)
        assert ask("claim", job=str(job), client="a", label="a", sweep_days=7)["error"] == "EPERM"


def test_a_job_folder_that_was_open_is_closed(job: Path) -> None:
    job.mkdir(parents=True)
    job.chmod(0o777)
    claim(job, "a")
    assert stat.S_IMODE(job.stat().st_mode) == 0o700


def test_a_full_disk_is_told_by_its_name(job: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_side, "_ACTIONS", {"claim": lambda: (_ for _ in ()).throw(OSError(28, "full"))})
        out = io.TextIOWrapper(io.BytesIO())
        patch.setattr(sys, "stdout", out)
        assert remote_side.main(["", '{"do": "claim"}']) == 0
    out.seek(0)
    assert json.loads(out.read().strip().removeprefix(remote_side.MARK))["error"] == "ENOSPC"
