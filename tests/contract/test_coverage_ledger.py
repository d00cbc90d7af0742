"""docs/api-coverage.md says the truth: every recorded route has a method, or a reason for having none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_ledger", ROOT / "scripts" / "coverage_ledger.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


ledger = load()


def test_the_page_is_up_to_date() -> None:
    assert ledger.PAGE.read_text(encoding="utf-8") == ledger.page()


def test_every_route_left_out_has_a_reason() -> None:
    covered = ledger.covered()
    unexplained = [
        route
        for route, flavours in ledger.recorded().items()
        if route not in covered and ledger.reason(route, flavours) is None
    ]
    assert unexplained == []


def test_routes_said_to_be_asked_are_asked() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "sdwebui_client").glob("**/*.py"))
    for path, why in ledger.LEFT_OUT.items():
        if why.startswith(("asked", "sent")):
            assert f'"{path}"' in sources, path


def test_no_reason_is_given_for_a_covered_route() -> None:
    routes = ledger.recorded()
    assert [
        route for route in ledger.covered() if route in routes and ledger.reason(route, ["a1111"]) is not None
    ] == []


def test_every_method_calls_a_route_that_exists() -> None:
    routes = ledger.recorded()
    assert {path for verb, path in ledger.covered() if (verb, path) not in routes} == set(
        ledger.NOT_IN_OPENAPI
    )


@pytest.mark.parametrize("prefix", ["/sdapi/v1/", "/controlnet/", "/adetailer/", "/internal/"])
def test_every_api_route_of_a1111_is_covered_or_excused(prefix: str) -> None:
    covered = ledger.covered()
    open_ones = [
        route
        for route, flavours in ledger.recorded().items()
        if "a1111" in flavours and route[1].startswith(prefix) and route not in covered
    ]
    assert {path for _, path in open_ones} <= {
        "/sdapi/v1/create/embedding",
        "/sdapi/v1/create/hypernetwork",
        "/sdapi/v1/train/embedding",
        "/sdapi/v1/train/hypernetwork",
        "/internal/profile-startup",
        "/internal/sysinfo-download",
    }
