from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def clean_env() -> dict[str, str]:
    """This process's environment without anybody's WebUI, and with the project importable."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SDWEBUI_")}
    return kept | {"PYTHONPATH": str(ROOT)}
