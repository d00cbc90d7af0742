"""What the tests of the recipe share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sdwebui_client.sandbox import SandboxServer
from tests.pipeline._recipe import copy_photos, sandbox
from train_lora import photos as looking
from train_lora.limits import PhotoLimits
from train_lora.screening import Screened

_JUDGED: dict[tuple[str, str, PhotoLimits], Screened] = {}


@pytest.fixture(scope="module", autouse=True)
def good_photos_are_judged_once() -> Iterator[None]:
    """Keep the verdict on a good photo: judging the same few took half of every run's time.

    For each module anew: other folders' tests run in the same process and judge for themselves.
    """
    known = _JUDGED
    judge = looking.screen

    def screen(path: Path, limits: PhotoLimits) -> Screened:
        try:
            key = (hashlib.sha256(path.read_bytes()).hexdigest(), path.suffix, limits)
        except OSError:
            return judge(path, limits)
        if key not in known:
            known[key] = judge(path, limits)
        return replace(known[key], path=path, facts=dict(known[key].facts))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "screen", screen)
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few of the example photos."""
    return copy_photos(tmp_path_factory.mktemp("photos") / "alice")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """A sandbox that does not pretend to take long."""
    with sandbox(tmp_path_factory.mktemp("models")) as running:
        yield running
