"""What the tests of the sd-scripts runner share: a dataset without photos, and jobs that are no trainings."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from train_lora import Dataset, DatasetItem
from train_lora.backends.kohya import supervisor

WAIT_S = 20.0
"""For things that take a fraction of a second on an idle machine."""


def small_dataset(folder: Path, *, pictures: int = 3, side: int = 128) -> Dataset:
    """Grey squares with captions."""
    folder.mkdir(parents=True)
    items = []
    for number in range(1, pictures + 1):
        name = f"{number:03d}.png"
        Image.new("RGB", (side, side), (number, 90, 90)).save(folder / name)
        (folder / f"{number:03d}.txt").write_text("photo of ohwx person\n")
        sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        items.append(DatasetItem(name, "photo of ohwx person", sha256, f"photo{number}", side, side))
    return Dataset(folder, tuple(items), "manifest", "ohwx person", side)


def wait_for(what: Callable[[], Any], *, seconds: float = WAIT_S) -> Any:
    """The first true value of a function.

    Raises:
        AssertionError: It stayed false.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"still {what()!r} after {seconds} s")


def status_of(job: Path) -> dict[str, Any]:
    """status.json, {} before it is written."""
    try:
        content: dict[str, Any] = json.loads((job / "status.json").read_bytes())
    except FileNotFoundError:
        return {}
    return content


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    return supervisor.proc_stat(pid) is not None


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, 9)
