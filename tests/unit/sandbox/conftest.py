"""A sandbox that draws flat pictures at once, and small helpers to talk to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdwebui_client.sandbox import SandboxServer, SandboxSettings, pace, scenes
from sdwebui_client.sandbox.render import Picture, Scene
from tests.unit.sandbox.support import Client


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Scene]:
    """Draw flat pictures; the scenes that were asked for are collected."""
    asked: list[Scene] = []

    def flat(scene: Scene, _fraction: float = 1.0) -> Picture:
        asked.append(scene)
        return np.full((scene.height, scene.width, 3), 128, np.uint8)

    monkeypatch.setattr(scenes, "render", flat)
    monkeypatch.setattr(pace, "preview", flat)
    return asked


@pytest.fixture
def serve(tmp_path: Path, drawn: list[Scene]) -> Iterator[Callable[..., SandboxServer]]:
    """Start sandboxes; keyword arguments are settings."""
    before = set(threading.enumerate())
    with ExitStack() as stack:

        def start(**settings: Any) -> SandboxServer:
            settings.setdefault("seconds_per_step", 0.0)
            settings.setdefault("models_dir", tmp_path)
            return stack.enter_context(SandboxServer(SandboxSettings(**settings)))

        yield start
    left = [thread for thread in threading.enumerate() if thread not in before and "sandbox" in thread.name]
    assert not left, f"threads left behind: {left}"


@pytest.fixture
def client(serve: Callable[..., SandboxServer]) -> Callable[..., Client]:
    """A client of a sandbox with the given settings."""

    def make(**settings: Any) -> Client:
        return Client(serve(**settings))

    return make
