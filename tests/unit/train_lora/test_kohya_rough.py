"""What goes wrong around a training: huge and broken logs, foreign files, links, disks that fail."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.stubs.trainer import fake_base_model
from tests.unit.train_lora.kohya_jobs import lives, small_dataset, status_of, wait_for
from tests.unit.train_lora.test_kohya_runner import Workplace, small_recipe
from train_lora import TrainError
from train_lora.backends.kohya import follow as following
from train_lora.backends.kohya import probe_trainer, supervisor
from train_lora.backends.kohya.base_model import inspect_header
from train_lora.backends.kohya.job import job_key
from train_lora.backends.kohya.log import LogParser, Said
from train_lora.backends.kohya.losses import MAX_POINTS, LossCurve
from train_lora.backends.kohya.machine import LOCK, training_lock
from train_lora.backends.kohya.reporter import Reporter
from train_lora.backends.kohya.runner import LocalHost

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are watched by /proc")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    return Workplace(tmp_path, monkeypatch)


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "job", Path(sys.executable))


# ---- another person's pictures


def test_pictures_of_an_earlier_training_are_not_trained_on(work: Workplace, tmp_path: Path) -> None:
    """sd-scripts takes every picture in the folder, and latents by the pictures' names."""
    work.dataset = small_dataset(tmp_path / "five", pictures=5)
    with pytest.raises(TrainError):
        work.train("exit_at=3")
    latents = work.job / "dataset" / "001_0128x0128_sd.npz"
    latents.write_bytes(b"of somebody else")
    work.dataset = small_dataset(tmp_path / "two", pictures=2)
    with pytest.raises(TrainError):
        work.train("exit_at=3", network_dim=3)
    kept = {path.name for path in (work.job / "dataset").iterdir()}
    assert kept == {"001.png", "001.txt", "002.png", "002.txt"}


def test_another_commit_of_the_trainer_is_another_training(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path / "dataset")
    keys = {
        job_key(dataset, small_recipe(), {"sd_scripts": {"script_sha256": "a", "commit": commit}}, "/m")
        for commit in ("1", "2", None)
    }
    assert len(keys) == 3


# ---- logs


def test_a_log_of_any_size_is_read_in_pieces(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = 1 << 14
    monkeypatch.setattr("train_lora.backends.kohya.runner.LOG_BYTES", piece)
    Path(host.job_dir).mkdir()
    line = b"\rsteps:  50%|#####     | 3/6 [00:02<00:07,  2.50s/it, avr_loss=0.5]"
    whole = line * 20_000
    Path(host.job_dir, "stderr.log").write_bytes(whole)
    assert len(host.read_log("stderr.log", 0)) == piece
    assert host.log_tail("stderr.log", len(line)) == line
    assert host.log_tail("stderr.log", 2 * len(whole)) == whole
    tracemalloc.start()
    parser = following.read_again(host, 6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert parser.step == 3
    assert peak < 20 * piece


def test_a_log_without_a_line_end_costs_neither_memory_nor_time() -> None:
    parser = LogParser(total_steps=6)
    begun = time.monotonic()
    for _ in range(300):
        parser.feed_stdout(b"." * 10_000)
        parser.feed_stderr(b"1" * 5_000 + b" " * 5_000)
    assert time.monotonic() - begun < 10
    assert len(parser._stdout.rest) < 10_000
    parser.feed_stderr(b"\rsteps:  50%|#####     | 3/6 [00:02<00:07,  2.50s/it, avr_loss=0.5]")
    assert parser.step == 3


def test_rubbish_in_a_log_is_passed_over() -> None:
    parser = LogParser(total_steps=6)
    parser.feed_stdout(bytes(range(256)) * 50)
    parser.feed_stdout(b"\ntotal optimization steps / x: " + b"9" * 6000 + b"\n")
    parser.feed_stderr(os.urandom(50_000))
    parser.feed_stderr(b"\rsteps:  50%|#####     | 3/6 [00:02<00:07,  1..2s/it, avr_loss=0.5]")
    parser.feed_stderr(b"\rsteps:  50%|##| " + b"9" * 6000 + b"/6 [00:02<00:07,  1.2s/it]\r")
    parser.close()
    assert parser.step == 3
    assert parser.total_steps == 6


def test_what_a_log_says_does_not_steer_the_terminal() -> None:
    (_, said) = LogParser(total_steps=6).feed_stderr(b"ValueError: \x1b]0;owned\x07 \x1b[2J\x9bbad\n")
    assert isinstance(said, Said)
    assert all(char.isprintable() for char in said.text)


def test_a_million_steps_make_a_curve_of_a_few_hundred_points() -> None:
    curve = LossCurve()
    for step in range(1, 100_001):
        curve.add(step, 1 / step)
    assert len(curve._kept) <= 8 * MAX_POINTS
    assert len(curve.points) == MAX_POINTS
    assert curve.points[0] == (1, 1.0)
    assert curve.points[-1] == (100_000, 1 / 100_000)
    steps = [step for step, _ in curve.points]
    assert steps == sorted(steps)
    gaps = [later - step for step, later in pairwise(steps[1:])]
    assert max(gaps) <= 2 * min(gaps) + 64


def test_the_same_warning_is_kept_once_and_only_the_first_of_many() -> None:
    reporter = Reporter(6, None)
    reporter.take([Said("warning", "again")] * 3)
    reporter.take(Said("error", str(number)) for number in range(1000))
    assert reporter.said[:2] == ["warning: again", "error: 0"]
    assert len(reporter.said) == 50


def test_a_training_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        job_dir, poll_s, cancels = "/job", 0.01, 0

        def cancel(self) -> None:
            self.cancels += 1

        def status(self) -> dict[str, Any]:
            return {"state": "running"}

        def read_log(self, name: str, offset: int) -> bytes:
            return b""

    class Token:
        cancelled = True

    monkeypatch.setattr(following, "_ENDING_S", 0.1)
    with pytest.raises(TrainError, match="does not"):
        following.follow(Hanging(), 6, Reporter(6, None), Token())  # type: ignore[arg-type]


# ---- files


def test_no_link_is_followed_when_a_job_is_removed(host: LocalHost, tmp_path: Path) -> None:
    mine = tmp_path / "elsewhere"
    mine.mkdir()
    (mine / "keep.txt").write_text("mine")
    host.put_file("dataset/001.png", b"a face")
    Path(host.job_dir, "out").symlink_to(mine)
    Path(host.job_dir, "dataset", "more").symlink_to(mine)
    host.remove("out")
    host.remove_tree()
    assert not Path(host.job_dir).exists()
    assert (mine / "keep.txt").read_text() == "mine"


def test_a_job_folder_that_is_a_link_is_refused(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    Path(host.job_dir).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrainError, match="is a link"):
        host.put_file("dataset/001.png", b"a face")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_linked_file_is_no_checkpoint(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    host.put_file("out/alice.safetensors", b"1234")
    Path(host.job_dir, "out", "alice-step00000002.safetensors").symlink_to(tmp_path / "secret")
    assert [file.rel for file in host.list_out()] == ["alice.safetensors"]


def test_a_job_folder_that_was_open_to_all_is_closed(host: LocalHost) -> None:
    Path(host.job_dir).mkdir(mode=0o777)
    Path(host.job_dir).chmod(0o777)
    host.put_file("dataset/001.png", b"a face")
    assert Path(host.job_dir).stat().st_mode & 0o777 == 0o700
    assert Path(host.job_dir, "dataset", "001.png").stat().st_mode & 0o777 == 0o600


def test_a_file_where_the_job_would_be_is_told(host: LocalHost) -> None:
    Path(host.job_dir).write_text("not a folder")
    for deed in (
        lambda: host.put_file("spec.json", b"{}"),
        lambda: host.start({"argv": ["true"]}),
        lambda: host.read_file("status.json"),
    ):
        with pytest.raises(TrainError, match=r"cannot be (written|read)"):
            deed()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting needs rights that are not here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", 0) as stream:
        size = 1 << 16
        while size:
            try:
                stream.write(b"x" * size)
            except OSError:
                size //= 2


def test_a_disk_that_is_full_from_the_beginning_is_told(small_disk: Path) -> None:
    host = LocalHost(small_disk / "job", Path(sys.executable))
    fill(small_disk)
    with pytest.raises(TrainError, match="No space left"):
        host.start({"argv": ["true"], "cwd": str(small_disk)})


def test_a_disk_that_runs_full_ends_with_that_reason(small_disk: Path) -> None:
    code = "import sys, time\nwhile True: sys.stdout.write('x' * 4096); sys.stdout.flush(); time.sleep(.001)"
    host = LocalHost(small_disk / "job", Path(sys.executable))
    host.start({"argv": [sys.executable, "-S", "-c", code], "cwd": str(small_disk)})
    wait_for(lambda: (host.status() or {}).get("state") in ("exited", "killed"))
    status = host.status()
    assert status is not None
    assert (status["state"], status["reason"]) == ("exited", "disk full")
    assert not lives(status["pid"])
    host.remove_tree()


def test_nothing_stays_open_after_a_training(work: Workplace) -> None:
    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    work.train()
    gc.collect()
    before = open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        work.train(network_dim=3)
        with pytest.raises(TrainError):
            work.train("exit_at=3", network_dim=4)
        gc.collect()
    # Fewer is well: what an earlier test left open may have been closed meanwhile.
    assert open_files() <= before


# ---- locks


def test_a_strange_note_in_the_lock_does_not_matter(tmp_path: Path) -> None:
    with training_lock(tmp_path, "alice"):
        (tmp_path / LOCK).write_bytes(b'{"pid": 1, "since": 1e400, "what": "\xff"}')
        with pytest.raises(TrainError, match="Another process is training"), training_lock(tmp_path, "bob"):
            pass


def test_a_disk_without_locks_is_not_a_second_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_given: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("train_lora.backends.kohya.machine.fcntl.flock", no_locks)
    with pytest.raises(TrainError, match="cannot be locked"), training_lock(tmp_path, "alice"):
        pass


# ---- the watchdog


def test_a_network_disk_that_stutters_does_not_end_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *given: None)
    watch = supervisor.Watch(tmp_path, {})

    def stale(*_given: object, **_more: object) -> None:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stale)
        assert watch.reason() is None
    (tmp_path / "cancel").touch()
    assert watch.reason() == "cancelled"


def test_a_watchdog_that_breaks_takes_the_trainer_along(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import supervisor
supervisor.Watch.reason = lambda self: 1 / 0
sys.exit(supervisor.main([sys.argv[2]]))
"""
    job = tmp_path / "job"
    job.mkdir()
    trainer = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True).wait()"
    (job / "spec.json").write_text(json.dumps({"argv": [sys.executable, "-S", "-c", trainer]}))
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(supervisor.__file__).parent), str(job)],
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert b"ZeroDivisionError" in done.stderr
    pid = status_of(job)["pid"]
    assert not lives(pid)


# ---- what the machine tells


@pytest.mark.parametrize(
    "entry",
    [[], [320], [320, "4"], "text", None, [320, [4]], {}],
)
def test_a_base_model_of_impossible_shapes_is_refused(entry: object) -> None:
    header: Any = {"model.diffusion_model.input_blocks.0.0.weight": {"dtype": "F16", "shape": entry}}
    with pytest.raises(TrainError):
        inspect_header(header)
    with pytest.raises(TrainError):
        inspect_header({**header, "model.diffusion_model.x.attn2.to_k.weight": {}})


@pytest.mark.parametrize(
    "content",
    [b'{"a": {"data_offsets": []}}', b"[]", b'{"a": ' * 50_000, b'{"a": 3}', b'{"a": {"data_offsets": {}}}'],
)
def test_a_strange_header_is_a_fact_and_no_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "base.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content)
    facts = probe_trainer.base_model(path)
    assert facts["header"] is None
    assert "error" in facts
    state = tmp_path / "alice-step00000002-state"
    state.mkdir()
    (state / "train_state.json").write_text('{"current_step": 2}')
    (state / "model.safetensors").write_bytes(path.read_bytes())
    (found,) = probe_trainer.states(tmp_path, "alice")
    assert found["problem"]


@pytest.mark.parametrize(
    ("says", "code"), [("No devices were found", 0), ("", 0), (" ", 9), ("NVIDIA, 3", 0)]
)
def test_a_strange_nvidia_smi_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found, why = probe_trainer.gpus(None)
    assert found == []
    assert why


def test_the_disk_is_asked_where_the_folder_will_be(tmp_path: Path) -> None:
    assert probe_trainer.disk(tmp_path / "a" / "b" / "c") == probe_trainer.disk(tmp_path)


def test_a_base_model_that_was_replaced_is_another(work: Workplace) -> None:
    trainer = work.trainer()
    before = dict(trainer.identity())
    fake_base_model(Path(work.env["SDWEBUI_BASE_MODEL"]), "sdxl")
    assert trainer.identity()["family"] == "sdxl"
    assert trainer.identity()["sha256"] != before["sha256"]
    Path(work.env["SDWEBUI_BASE_MODEL"]).unlink()
    with pytest.raises(TrainError, match="cannot be read"):
        trainer.identity()
