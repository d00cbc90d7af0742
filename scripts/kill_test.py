"""Kill the recipe at random moments, run it again each time, and see that nothing was lost.

    python scripts/kill_test.py --kills 10

An undisturbed run gives the pictures to compare with. Then the same run is started in a process of its own
against a sandbox in this one, killed with SIGKILL after a random time, started again, …, until it ends by
itself. It must deliver the same bytes, and the sandbox must have made no picture twice: at most the one
that was being made at each kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sdwebui_client import WebUI
from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from stages.events import Event, PlanReady
from stages.presets import load_preset
from stages.recipes.profile import ProfileOptions, run_profile

ROOT = Path(__file__).absolute().parents[1]


@dataclass(frozen=True)
class Report:
    """What came of it."""

    kills: int
    equal: bool
    planned: int
    generations: int
    """Pictures the sandbox finished, over all starts."""
    killed_after_s: tuple[float, ...]

    @property
    def redone(self) -> int:
        """Pictures made beyond the plan; a kill costs at most the one under way."""
        return self.generations - self.planned

    @property
    def lost_nothing(self) -> bool:
        """Same bytes, and no finished stage was made again."""
        return self.equal and self.redone <= self.kills


def options(photos: Path, out_dir: Path, sets: tuple[str, ...]) -> ProfileOptions:
    """The run that is killed."""
    return ProfileOptions(
        photos_dir=photos,
        out_dir=out_dir,
        preset=load_preset("studio-sd15", sets=sets),
        name="alice",
        count=None,
        seed=7,
        lora=None,
        models_dir=None,
        pose_from=None,
    )


def child(photos: Path, out_dir: Path, url: str, sets: tuple[str, ...]) -> None:
    """One start of the recipe."""

    def say(event: Event) -> None:
        if isinstance(event, PlanReady):
            print("planned", flush=True)

    with WebUI(url) as webui:
        run_profile(options(photos, out_dir, sets), [webui], on_event=say)


def kill_test(
    photos: Path,
    work: Path,
    *,
    kills: int,
    sets: tuple[str, ...] = (),
    seed: int = 0,
    seconds_per_step: float = 0.01,
) -> Report:
    """Run it.

    Args:
        photos: The person's photos.
        work: An empty folder.
        kills: How often to kill.
        sets: Changes to the preset, to make the run smaller.
        seed: Of the random moments.
        seconds_per_step: Of the sandbox.
    """
    chance = random.Random(seed)
    settings = SandboxSettings(models_dir=work / "models", seconds_per_step=seconds_per_step)
    with SandboxServer(settings) as server, WebUI(server.url) as webui:
        first = _Start(photos, work / "whole", server.url, sets)
        startup_s, drawing_s = first.until_planned(), first.until_done()
        planned = int(webui.sandbox_info()["generations"])
        moments: list[float] = []
        for number in range(kills):
            start = _Start(photos, work / "killed", server.url, sets)
            # Every fifth kill hits the start-up: photos, training, publishing. The others hit the drawing,
            # where each start gets about as far as lets all kills come before the end.
            early = number % 5 == 0
            moment = chance.uniform(0.3, startup_s if early else 1.2 * drawing_s / kills)
            if not start.kill_after(moment, planned=not early):
                break
            moments.append(round(moment, 2))
            _wait_until_idle(webui)
        _Start(photos, work / "killed", server.url, sets).until_done()
        made = int(webui.sandbox_info()["generations"]) - planned
    equal = _portraits(work / "whole") == _portraits(work / "killed")
    return Report(len(moments), equal, planned, made, tuple(moments))


class _Start:
    """One start of the recipe in a process of its own."""

    def __init__(self, photos: Path, out_dir: Path, url: str, sets: tuple[str, ...]) -> None:
        path = os.pathsep.join(str(entry) for entry in (ROOT, os.environ.get("PYTHONPATH")) if entry)
        command = [sys.executable, __file__, "--child", str(photos), str(out_dir), url, json.dumps(sets)]
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
        )

    def until_planned(self) -> float:
        """Seconds until the drawing began; returns at once when the process ended before."""
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return time.monotonic() - self._began

    def until_done(self) -> float:
        """Seconds until the run was done."""
        began = time.monotonic()
        if self._process.wait() != 0:
            raise SystemExit(f"the run ended with status {self._process.returncode}")
        self._close()
        return time.monotonic() - began

    def kill_after(self, seconds: float, *, planned: bool) -> bool:
        """Kill so long after the start, or after the drawing began; False when the run was done before."""
        if planned:
            self.until_planned()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._close()
            return True
        self.until_done()
        return False

    def _close(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()


def _wait_until_idle(webui: WebUI) -> None:
    """A killed client does not stop its job: wait, so that the numbers are exact."""
    while webui.progress(skip_current_image=True).state.job_count > 0:
        time.sleep(0.05)


def _portraits(out_dir: Path) -> dict[str, bytes]:
    files = [
        *sorted((out_dir / "portraits").iterdir()),
        out_dir / "report.html",
        out_dir / "contact-sheet.jpg",
    ]
    return {str(path.relative_to(out_dir)): path.read_bytes() for path in files}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="Kill the recipe at random moments and see that nothing was lost."
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--photos", type=Path, default=ROOT / "examples" / "photos")
    parser.add_argument("--child", nargs=4, metavar=("PHOTOS", "OUT", "URL", "SETS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        photos, out, url, sets = given.child
        child(Path(photos), Path(out), url, tuple(json.loads(sets)))
        return 0
    with tempfile.TemporaryDirectory(prefix="kill-test-") as work:
        report = kill_test(given.photos, Path(work), kills=given.kills, seed=given.seed)
    print(f"killed {report.kills} times, after {', '.join(map(str, report.killed_after_s))} s")
    print(f"same bytes: {report.equal}; {report.generations} pictures made for a plan of {report.planned}")
    print("nothing was lost" if report.lost_nothing else "SOMETHING WAS LOST")
    return 0 if report.lost_nothing else 1


if __name__ == "__main__":
    raise SystemExit(main())
