"""What the tests of the recipe share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sdwebui_client.sandbox import SandboxServer
from tests.pipeline._recipe import copy_photos, sandbox


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few of the example photos."""
    return copy_photos(tmp_path_factory.mktemp("photos") / "alice")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """A sandbox that does not pretend to take long."""
    with sandbox(tmp_path_factory.mktemp("models")) as running:
        yield running
