"""A real WebUI at SDWEBUI_URL (credentials in SDWEBUI_USERNAME and SDWEBUI_PASSWORD):
`pytest -m live tests/live`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sdwebui_client import WebUI


@pytest.fixture(scope="session")
def webui() -> Iterator[WebUI]:
    """The server that was named; skips when none was."""
    url = os.environ.get("SDWEBUI_URL")
    if not url:
        pytest.skip("SDWEBUI_URL is not set")
    username, password = os.environ.get("SDWEBUI_USERNAME"), os.environ.get("SDWEBUI_PASSWORD")
    with WebUI(url, username=username, password=password) as client:
        yield client
