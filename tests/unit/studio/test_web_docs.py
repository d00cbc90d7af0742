"""docs/api.md names only what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.stubs.routes import all_routes
from tests.stubs.web import Site

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "api.md"


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Paths with every identifier as `*`."""
    site = Site.open(tmp_path_factory.mktemp("site"))
    found = {re.sub(r"\{\w+\}", "*", path) for _, path in all_routes(site.app)}
    site.studio.close()
    return found


def test_every_address_of_the_guide_exists(routes: set[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    named = {re.sub(r"\$[A-Z]+", "*", path) for path in re.findall(r"\$STUDIO(/[\w/$.-]+)", text)}
    assert len(named) > 20
    assert named <= routes


def test_every_group_of_the_api_is_in_the_guide(routes: set[str]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    groups = {path.split("/")[3] for path in routes if path.startswith("/api/v1/")} - {"openapi.json"}
    missing = {group for group in groups if f"/{group}" not in text}
    # Signing up and mailed links are for the page; the OpenAPI document has them.
    assert missing <= {"accounts", "links"}
