"""The sandbox's catalogues are what the recordings give."""

from __future__ import annotations

import gzip
from importlib import resources

import pytest

from scripts import build_sandbox_data
from tests.recorded import FLAVOURS


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_catalogue_is_up_to_date(flavour: str) -> None:
    path = resources.files("sdwebui_client.sandbox").joinpath("data", f"{flavour}.json.gz")
    assert gzip.decompress(path.read_bytes()) == gzip.decompress(build_sandbox_data.packed(flavour)), (
        "run python scripts/build_sandbox_data.py"
    )
