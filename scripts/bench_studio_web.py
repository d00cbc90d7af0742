"""Measures how the studio's page answers while fifty people upload and poll.

    python scripts/bench_studio_web.py [--users 50] [--seconds 40] [--write docs/benchmarks.md]

The real command (`serve --no-worker`) in a process of its own, with SQLite. Everybody sends photos one after
the other, each re-encoded and judged at once as on the page, and looks every two seconds how the job does. A
third process asks for pages and pictures all the while, as somebody who only browses, and keeps the times.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BEGIN, END = "<!-- studio page: made by scripts/bench_studio_web.py -->", "<!-- end of studio page -->"
POLL_S, THINK_S = 2.0, 1.0
PROBE_EVERY_S = 0.1
START_S = 120.0
WHAT = {
    "welcome": "welcome page (no database)",
    "account": "account page (session, forms)",
    "page": "the page of Gradio",
    "job": "a job's state (API, what polling asks)",
    "thumb": "a small picture",
    "ready": "/health/ready",
}


@dataclass(frozen=True)
class Visitor:
    """One of the users: what it needs to ask."""

    session: str
    token: str
    album: str
    job: str
    photo: str


def main() -> None:
    """Measure, print, and write."""
    options = _options()
    options.load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-studio-") as name:
        folder = Path(name)
        visitors = _people(folder, options.users + 1)
        with _server(folder) as base:
            _probe(base, visitors[-1], 2.0)  # the first of everything is slower
            idle = _probe(base, visitors[-1], options.seconds / 2)
            loaded, done = _under_load(base, visitors, options.seconds)
    text = _section(options, idle, loaded, done)
    print(text)
    if options.write:
        options.write.write_text(_put(options.write.read_text("utf-8"), text), "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long they upload and poll")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    return parser.parse_args()


def _people(folder: Path, count: int) -> list[Visitor]:
    """Accounts with an album, a photo and a waiting job each."""
    from studio.accounts import begin_session, create_token, create_user
    from studio.albums import add_photo, create_album
    from studio.core import Studio
    from studio.data import Job
    from studio.service_settings import load_settings
    from studio.wishes import Wishes

    studio = Studio.open(load_settings(data_dir=folder))
    visitors = []
    for number in range(count):
        user = create_user(studio, email=f"user{number}@example.org", password=None)
        album = create_album(studio, user.id)
        photo = add_photo(studio, user.id, album.id, _photo(10_000 + number), "first.jpg")
        other = create_album(studio, user.id)
        job = Job(
            user_id=user.id, album_id=other.id, wishes=Wishes.model_validate({}).model_dump(mode="json")
        )
        with studio.db.session() as db:
            db.add(job)
        token = create_token(studio, user.id, "bench", None)[1]
        visitors.append(Visitor(begin_session(studio, user.id), token, album.id, job.id, photo.id))
    studio.close()
    return visitors


def _photo(number: int) -> bytes:
    """One of the example photos, of a phone's size, a little different each time."""
    from PIL import Image

    files = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    with Image.open(files[number % len(files)]) as opened:
        picture = opened.convert("RGB").resize((2400, 3200))
    picture.putpixel((number % 2000, number // 2000), (number % 256, 0, 0))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The page of the studio, without a worker."""
    env = {
        **os.environ,
        "SDWEBUI_DATA_DIR": str(folder),
        "PYTHONUNBUFFERED": "1",
        "SDWEBUI_MAX_PHOTOS": "500",
    }
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "sdwebui_client", "serve", "--no-worker", "--port", "0"],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    try:
        yield _address(process, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


def _address(process: subprocess.Popen[str], folder: Path) -> str:
    import requests

    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"open: (http://\S+)", line)
        if found:
            until = time.monotonic() + START_S
            while time.monotonic() < until:
                try:
                    if requests.get(f"{found[1]}/health/ready", timeout=5).ok:
                        return found[1]
                except requests.ConnectionError:
                    time.sleep(0.2)
    raise SystemExit("serve did not start:\n" + (folder / "server.log").read_text("utf-8")[-2000:])


def _probe(base: str, visitor: Visitor, seconds: float) -> dict[str, list[float]]:
    """Ask for everything in turn, ten times a second, and keep the milliseconds."""
    import requests

    asked = {
        "welcome": ("/sign-in", {}),
        "account": ("/account", {"Cookie": f"studio_session={visitor.session}"}),
        "page": ("/en/", {"Cookie": f"studio_session={visitor.session}"}),
        "job": (f"/api/v1/jobs/{visitor.job}", {"Authorization": f"Bearer {visitor.token}"}),
        "thumb": (f"/files/photos/{visitor.photo}/thumb", {"Authorization": f"Bearer {visitor.token}"}),
        "ready": ("/health/ready", {}),
    }
    took: dict[str, list[float]] = {name: [] for name in asked}
    until = time.monotonic() + seconds
    with requests.Session() as session:
        while time.monotonic() < until:
            for name, (path, headers) in asked.items():
                begun = time.perf_counter()
                answer = session.get(base + path, headers=headers, timeout=60)
                took[name].append((time.perf_counter() - begun) * 1000)
                if answer.status_code != 200:
                    raise SystemExit(f"{path} answered {answer.status_code}")
                time.sleep(PROBE_EVERY_S)
    return took


def _under_load(
    base: str, visitors: list[Visitor], seconds: float
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """The same while the others upload and poll."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    crowd = context.Process(target=_crowd, args=(base, visitors[:-1], seconds, theirs))
    crowd.start()
    ours.recv()  # everybody is connected
    loaded = _probe(base, visitors[-1], seconds)
    done: dict[str, Any] = ours.recv()
    crowd.join(60)
    return loaded, done


def _crowd(base: str, visitors: list[Visitor], seconds: float, pipe: Any) -> None:
    photos = [_photo(number) for number in range(40)]
    pipe.send("ready")
    pipe.send(asyncio.run(_all(base, visitors, seconds, photos)))


async def _all(base: str, visitors: list[Visitor], seconds: float, photos: list[bytes]) -> dict[str, Any]:
    import httpx

    until = time.monotonic() + seconds
    uploads: list[float] = []
    polls: list[float] = []
    failed: list[float] = []

    async def one(number: int, visitor: Visitor, client: httpx.AsyncClient) -> None:
        headers = {"Authorization": f"Bearer {visitor.token}"}
        await asyncio.sleep(number % 20 * 0.1)

        async def upload() -> None:
            turn = number
            while time.monotonic() < until:
                turn += 1
                begun = time.perf_counter()
                files = {"photo": (f"{turn}.jpg", photos[turn % len(photos)], "image/jpeg")}
                where = f"{base}/api/v1/albums/{visitor.album}/photos"
                answer = await client.post(where, files=files, headers=headers)
                (uploads if answer.status_code == 201 else failed).append(time.perf_counter() - begun)
                await asyncio.sleep(THINK_S)

        async def poll() -> None:
            while time.monotonic() < until:
                begun = time.perf_counter()
                answer = await client.get(f"{base}/api/v1/jobs/{visitor.job}", headers=headers)
                (polls if answer.status_code == 200 else failed).append(time.perf_counter() - begun)
                await asyncio.sleep(POLL_S)

        await asyncio.gather(upload(), poll())

    async with httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None)) as client:
        all_of_them = [asyncio.create_task(one(*pair, client)) for pair in enumerate(visitors)]
        _, under_way = await asyncio.wait(all_of_them, timeout=seconds)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return {
        "uploads": len(uploads), "polls": len(polls), "failed": len(failed), "seconds": seconds,
        "upload_s": statistics.median(uploads) if uploads else None,
    }  # fmt: skip


def _section(options: argparse.Namespace, idle: Any, loaded: Any, done: dict[str, Any]) -> str:
    day, python = time.strftime("%Y-%m-%d"), platform.python_version()
    lines = [
        BEGIN,
        f"# How the page answers while {options.users} people upload",
        "",
        f"`serve --no-worker` with SQLite; {options.users} people send photos of 8 megapixels one after",
        "the other (each re-encoded and judged at once) and look every two seconds how their job does.",
        "Somebody who only browses is timed, first alone, then among them. Made by",
        f"`python scripts/bench_studio_web.py --write docs/benchmarks.md` in {options.seconds:.0f} s on",
        f"{os.cpu_count()} cores that the senders share, Python {python}, {day}. Others' work on the machine",
        f"before it began: load average {options.load:.1f}.",
        "",
        "| milliseconds | idle median | idle p95 | load median | load p95 |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, what in WHAT.items():
        figures = [_median(idle[name]), _p95(idle[name]), _median(loaded[name]), _p95(loaded[name])]
        lines.append(f"| {what} | " + " | ".join(f"{value:.0f}" for value in figures) + " |")
    everything = [list(chain.from_iterable(found.values())) for found in (idle, loaded)]
    (idle_ms, idle_p95), (load_ms, load_p95) = ((_median(all_), _p95(all_)) for all_ in everything)
    minute = done["uploads"] / done["seconds"] * 60
    lines += [
        "",
        f"- all together: median {idle_ms:.0f} ms idle and {load_ms:.0f} ms under load",
        f"  ({load_ms / idle_ms:.1f} times), p95 {idle_p95:.0f} and {load_p95:.0f} ms",
        f"- {done['uploads']} photos taken in ({minute:.0f} a minute; "
        f"{done['upload_s'] or 0:.1f} s each for who sends it),",
        f"  {done['polls']} polls, {done['failed']} failures",
        END,
    ]
    return "\n".join(lines) + "\n"


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _put(page: str, section: str) -> str:
    """The page with this section in it, in the place of the last one or at the end."""
    if BEGIN not in page:
        return page.rstrip("\n") + "\n\n" + section
    before, _, rest = page.partition(BEGIN)
    return before + section.rstrip("\n") + rest.partition(END)[2]


if __name__ == "__main__":
    main()
