"""What the tests of the recipe share."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from faces import Face
from sdwebui_client.sandbox import SandboxServer
from tests.pipeline._recipe import copy_photos, sandbox, train_only
from train_lora import SandboxTrainer
from train_lora import photos as looking
from train_lora.limits import PhotoLimits
from train_lora.screening import Screened

_JUDGED: dict[tuple[str, str, PhotoLimits], Screened] = {}
_FOUND: dict[tuple[Any, ...], list[Face]] = {}
_DESCRIBED: dict[tuple[Any, ...], Any] = {}


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


@pytest.fixture(scope="module", autouse=True)
def equal_pixels_are_looked_at_once() -> Iterator[None]:
    """Keep what the networks answered: most runs draw the same few pictures."""
    # `faces` has functions of these names, which hide the modules.
    detect, embed = import_module("faces.detect"), import_module("faces.embed")
    look, models = detect._detect_at, embed.dlib_models

    def detect_at(pixels: Any, share: float, min_confidence: float) -> list[Face]:
        key = (_digest(pixels), pixels.shape, share, min_confidence)
        if key not in _FOUND:
            _FOUND[key] = look(pixels, share, min_confidence)
        return list(_FOUND[key])

    class Remembering:
        def __init__(self, embedder: Any) -> None:
            self._embedder = embedder

        def compute_face_descriptor(self, canvas: Any, shape: Any) -> Any:
            points = tuple((point.x, point.y) for point in shape.parts())
            key = (_digest(canvas), points)
            if key not in _DESCRIBED:
                _DESCRIBED[key] = self._embedder.compute_face_descriptor(canvas, shape)
            return _DESCRIBED[key]

    def remembering_models() -> tuple[Any, Any]:
        aligner, embedder = models()
        return aligner, Remembering(embedder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect, "_detect_at", detect_at)
        patch.setattr(embed, "dlib_models", remembering_models)
        yield


def _digest(pixels: Any) -> bytes:
    return hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()


@pytest.fixture(scope="module", autouse=True)
def the_sandbox_trains_at_once() -> Iterator[None]:
    """Its training takes a second for people to see something happen."""
    with pytest.MonkeyPatch.context() as patch:
        defaults = SandboxTrainer.__init__.__kwdefaults__
        assert defaults is not None
        assert "seconds" in defaults
        patch.setitem(defaults, "seconds", 0.0)
        yield


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few of the example photos."""
    return copy_photos(tmp_path_factory.mktemp("photos") / "alice")


@pytest.fixture(scope="session")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has trained its LoRA and drawn nothing; to be copied."""
    out = tmp_path_factory.mktemp("trained") / "out"
    train_only(photos, out)
    return out


@pytest.fixture
def begun(trained: Path, tmp_path: Path) -> Path:
    """A run's folder to go on in: the LoRA is trained."""
    return Path(shutil.copytree(trained, tmp_path / "begun"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """A sandbox that does not pretend to take long."""
    with sandbox(tmp_path_factory.mktemp("models")) as running:
        yield running
