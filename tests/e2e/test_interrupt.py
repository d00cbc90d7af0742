from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from .conftest import ONE_SMALL_PORTRAIT, PHOTOS, cli, command, environment


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return dict(json.load(answer))


def wait_for_a_job(url: str) -> None:
    """Return once the server is working on something."""
    until = time.monotonic() + 60
    while get(f"{url}/sdapi/v1/progress?skip_current_image=true")["state"]["job_count"] < 1:
        assert time.monotonic() < until, "no job began"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_dry_run_generates_nothing_and_writes_nothing(slow_sandbox: str, tmp_path: Path) -> None:
    done = cli(
        "make-profile", "--user", str(PHOTOS), "--webui", slow_sandbox, "--dry-run", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["total_generations"] == sum(plan["generations"].values()) > 0
    assert {"txt2img", "img2img", "upscale"} <= {request["stage"] for request in plan["requests"]}
    assert get(f"{slow_sandbox}/sandbox")["generations"] == 0
    assert not (tmp_path / "output").exists()


@pytest.mark.long
def test_ctrl_c_stops_our_job_and_the_printed_command_goes_on(
    slow_sandbox: str, tmp_path: Path, few: Path
) -> None:
    args = (
        "make-profile",
        "--user",
        str(few),
        "--webui",
        slow_sandbox,
        "--out",
        "out",
        "--seed",
        "7",
        *ONE_SMALL_PORTRAIT,
    )
    with subprocess.Popen(
        command(*args), cwd=tmp_path, env=environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "generation" in line:  # the plan stands; the first job is on its way
                break
        wait_for_a_job(slow_sandbox)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(60) == 130, "".join(seen) + rest
    assert "run it again to continue" in rest
    (printed,) = (line.strip() for line in rest.splitlines() if "-m sdwebui_client make-profile" in line)
    assert shlex.split(printed)[1:] == command(*args)[1:]
    assert get(f"{slow_sandbox}/internal/pending-tasks")["size"] == 0
    assert get(f"{slow_sandbox}/sdapi/v1/progress")["state"]["job_count"] < 1

    continued = cli(*args, "--explain", cwd=tmp_path)
    assert continued.returncode == 0, continued.stderr
    assert "train kept" in continued.stdout
