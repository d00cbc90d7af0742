"""A trainer ends when it has to, with everything it started, and says why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.train_lora.kohya_jobs import kill, lives, status_of, wait_for
from train_lora.backends.kohya import supervisor
from train_lora.backends.kohya.machine import end_group

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are watched by /proc")

FAMILY = """
    import os, subprocess, sys, time
    from pathlib import Path
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    Path("pids").write_text(f"{os.getpid()} {child.pid}")
    while True:
        print("working", flush=True)
        time.sleep(0.05)
"""
"""A trainer with a child, both of which would go on for ever."""


class Job:
    """A job folder and its supervisor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, code: str, **spec: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        script = self.folder / "trainer.py"
        script.write_text(textwrap.dedent(code))
        content = {"argv": [sys.executable, "-S", str(script)], "cwd": str(self.folder), "env": {}, **spec}
        (self.folder / "spec.json").write_text(json.dumps(content))
        self.process = subprocess.Popen(
            [sys.executable, supervisor.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def status(self) -> dict[str, Any]:
        return status_of(self.folder)

    def pids(self) -> list[int]:
        """Trainer and child, once both run."""
        path = self.folder / "pids"
        return [int(pid) for pid in wait_for(lambda: path.exists() and path.read_text().split())]

    def end(self) -> dict[str, Any]:
        """Wait for the supervisor; returns the last status."""
        assert self.process is not None
        self.process.wait(20)
        return self.status()

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path / "job")
    yield job
    job.close()


@pytest.mark.parametrize(("code", "expected"), [("raise SystemExit(0)", 0), ("raise SystemExit(7)", 7)])
def test_an_end_of_its_own_is_told_with_its_code(job: Job, code: str, expected: int) -> None:
    job.start(code)
    status = job.end()
    assert (status["state"], status["exit_code"], status["reason"]) == ("exited", expected, None)
    assert status["ended_at"] >= status["started_at"]


def test_a_signal_is_told_as_a_negative_code(job: Job) -> None:
    job.start("import os; os.kill(os.getpid(), 9)")
    assert job.end()["exit_code"] == -signal.SIGKILL


def test_both_streams_and_the_environment_arrive(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TO_GO", "x")
    monkeypatch.setenv("TO_STAY", "y")
    job.start(
        """
        import os, sys
        print(os.environ.get("TO_GO"), os.environ["TO_STAY"], os.environ["GIVEN"])
        print("trouble", file=sys.stderr)
        """,
        env={"GIVEN": "z"},
        unset=["TO_GO"],
    )
    job.end()
    assert (job.folder / "stdout.log").read_text() == "None y z\n"
    assert (job.folder / "stderr.log").read_text() == "trouble\n"


def test_what_cannot_be_started_is_said(job: Job) -> None:
    job.start("", argv=["/nowhere/python"])
    status = job.end()
    assert (status["state"], status["exit_code"]) == ("exited", 127)
    assert "cannot start" in status["reason"]
    assert "No such file" in status["reason"]


def test_running_names_the_process_so_that_it_cannot_be_mistaken(job: Job) -> None:
    job.start(FAMILY)
    trainer, _ = job.pids()
    status = wait_for(lambda: job.status().get("state") == "running" and job.status())
    assert status["pid"] == trainer
    stat = supervisor.proc_stat(trainer)
    assert stat is not None
    assert status["pid_start"] == stat[3]
    assert os.getpgid(trainer) == trainer
    assert os.getpgid(status["supervisor_pid"]) != trainer


def _all_gone(job: Job) -> bool:
    return not any(lives(pid) for pid in job.pids())


def test_a_cancel_file_ends_everything_within_a_second(job: Job) -> None:
    job.start(FAMILY)
    pids = job.pids()
    since = time.monotonic()
    (job.folder / "cancel").touch()
    status = job.end()
    took = time.monotonic() - since
    assert (status["state"], status["reason"]) == ("killed", "cancelled")
    assert not any(lives(pid) for pid in pids)
    # Generous for a busy machine; what is tested is that nothing waits for the trainer's own end.
    assert took < 10


def test_a_trainer_that_ignores_sigterm_is_killed(job: Job) -> None:
    job.start("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + textwrap.dedent(FAMILY))
    job.pids()
    (job.folder / "cancel").touch()
    assert job.end()["exit_code"] == -signal.SIGKILL
    assert _all_gone(job)


def test_a_child_in_a_session_of_its_own_is_found(job: Job) -> None:
    job.start(FAMILY.replace('time.sleep(600)"]', 'time.sleep(600)"], start_new_session=True'))
    job.pids()
    (job.folder / "cancel").touch()
    job.end()
    assert _all_gone(job)


def test_a_child_left_behind_by_a_trainer_that_ended_is_killed(job: Job) -> None:
    job.start(FAMILY.replace("while True", "for _ in range(2)"))
    job.pids()
    status = job.end()
    assert (status["state"], status["exit_code"]) == ("exited", 0)
    assert _all_gone(job)


def test_standing_still_ends_it(job: Job) -> None:
    job.start("import time; print('hello', flush=True); time.sleep(600)", stall_limit_s=0.5)
    assert job.end()["reason"] == "stalled"


def test_a_byte_in_either_log_is_no_standstill(job: Job) -> None:
    job.start(
        """
        import sys, time
        for _ in range(15):
            time.sleep(0.2)
            print(".", end="", file=sys.stderr, flush=True)
        """,
        stall_limit_s=2.0,
    )
    assert job.end()["exit_code"] == 0


def test_a_time_limit_ends_it(job: Job) -> None:
    job.start(FAMILY, time_limit_s=0.5)
    assert job.end()["reason"] == "time limit"
    assert _all_gone(job)


def test_the_lifeline_ends_it(job: Job) -> None:
    job.start(FAMILY, lifeline=True)
    job.pids()
    assert job.process is not None
    assert job.process.stdin is not None
    job.process.stdin.close()
    assert job.end()["reason"] == "parent gone"
    assert _all_gone(job)


def test_without_a_lifeline_it_goes_on(job: Job) -> None:
    job.start(FAMILY.replace("while True", "for _ in range(20)"))
    job.pids()
    assert job.process is not None
    assert job.process.stdin is not None
    job.process.stdin.close()
    assert job.end()["state"] == "exited"


def test_another_parent_than_the_one_told_means_it_is_gone(job: Job) -> None:
    # A process the parent forked may hold the pipe open; the pid tells all the same.
    job.start(FAMILY, lifeline=True, parent_pid=os.getpid() + 1)
    assert job.end()["reason"] == "parent gone"


def test_a_terminated_supervisor_takes_the_trainer_along(job: Job) -> None:
    job.start(FAMILY)
    job.pids()
    assert job.process is not None
    job.process.terminate()
    assert job.end()["reason"] == "terminated"
    assert _all_gone(job)


def test_a_killed_supervisor_takes_the_trainer_along(job: Job) -> None:
    job.start(FAMILY)
    trainer, child = job.pids()
    status = wait_for(lambda: job.status().get("state") == "running" and job.status())
    kill(status["supervisor_pid"])
    wait_for(lambda: not lives(trainer))
    assert lives(child)  # what the kernel does not do, is done when the folder is looked at again
    assert end_group(trainer, status["supervisor_pid"], status["pid_start"]) == [child]
    wait_for(lambda: not lives(child))


def test_somebody_elses_processes_are_left_alone(job: Job) -> None:
    job.start(FAMILY)
    trainer, child = job.pids()
    status = wait_for(lambda: job.status().get("state") == "running" and job.status())
    later = status["pid_start"] + 10**9
    assert end_group(trainer, status["supervisor_pid"], later) == []
    assert end_group(trainer, status["supervisor_pid"] + 1, None) == []
    assert lives(trainer)
    assert lives(child)


def test_a_second_supervisor_is_refused(job: Job, tmp_path: Path) -> None:
    job.start(FAMILY)
    job.pids()
    command = [sys.executable, supervisor.__file__, str(job.folder)]
    second = subprocess.run(command, capture_output=True, check=False, timeout=20)
    assert second.returncode == 3
    assert b"already" in second.stderr
    assert job.status()["state"] == "running"


def test_a_vanished_job_folder_ends_it(job: Job, tmp_path: Path) -> None:
    job.start(FAMILY)
    pids = job.pids()
    job.folder.rename(tmp_path / "elsewhere")
    wait_for(lambda: not any(lives(pid) for pid in pids))


def test_the_status_is_written_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = supervisor.Status(tmp_path)
    status.write(state="running")
    real = supervisor._write

    def full(path: Path, data: bytes, mode: str) -> None:
        if mode == "wb":
            raise OSError(28, "No space left on device")
        assert path.stat().st_size >= len(data), "this would take new room"
        real(path, data, mode)

    monkeypatch.setattr(supervisor, "_write", full)
    status.write(state="exited", exit_code=1)
    assert status_of(tmp_path)["state"] == "exited"
    assert not list(tmp_path.glob("*.part"))


def test_a_status_that_cannot_be_written_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: Path, data: bytes, mode: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(supervisor, "_write", broken)
    supervisor.Status(tmp_path).write(state="running")
    assert "Input/output error" in capsys.readouterr().err


def test_a_failure_on_a_full_disk_says_so(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    job.folder.mkdir()
    spec = {"argv": [sys.executable, "-S", "-c", "raise SystemExit(1)"]}
    monkeypatch.setattr(supervisor, "_free_bytes", lambda folder: 0)
    monkeypatch.setattr(supervisor, "_prctl", lambda *given: None)  # this process is to stay as it is
    monkeypatch.setattr(supervisor.Watch, "__init__", lambda self, folder, spec: None)
    monkeypatch.setattr(supervisor.Watch, "reason", lambda self: None)
    monkeypatch.setattr(supervisor, "_send", lambda *given: None)
    assert supervisor._run(job.folder, spec) == 0
    assert job.status()["reason"] == "disk full"


def test_it_is_one_file_of_the_standard_library() -> None:
    text = Path(supervisor.__file__).read_text(encoding="utf-8")
    imported = {
        line.split()[1].partition(".")[0]
        for line in text.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= set(sys.stdlib_module_names)
    compile(text, "supervisor.py", "exec")
