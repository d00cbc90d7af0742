"""The Python of docs/library.md runs, in order, against the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import WebUI

pytest.importorskip("starlette", reason="the sandbox extra is not installed")

from sdwebui_client.sandbox import SandboxServer, SandboxSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ADDRESSES = ("http://127.0.0.1:7860", "http://gpu1:7860", "http://gpu2:7860")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, str]]:
    def settings(name: str) -> SandboxSettings:
        return SandboxSettings(models_dir=tmp_path / name, seconds_per_step=0.0)

    with SandboxServer(settings("one")) as one, SandboxServer(settings("two")) as two:
        yield dict(zip(ADDRESSES, (one.url, one.url, two.url), strict=True))


@pytest.mark.slow
def test_the_examples_run(servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        for address, url in servers.items():
            block = block.replace(address, url)
        exec(compile(block, "docs/library.md", "exec"), names)
    assert (tmp_path / "portrait.png").stat().st_size > 1000


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 8


def test_every_address_is_one_the_test_replaces() -> None:
    used = set(re.findall(r"http://[\w.]+:\d+", "".join(BLOCKS)))
    assert used - set(ADDRESSES) == {"http://127.0.0.1:9"}


def test_every_method_named_exists() -> None:
    for name in re.findall(r"`webui\.(\w+)\(", PAGE):
        assert hasattr(WebUI, name), name


def test_every_limit_is_in_the_table() -> None:
    from dataclasses import fields

    from sdwebui_client import Timeouts

    for item in fields(Timeouts):
        stated = "none" if item.default is None else f"{item.default:g} s"
        assert f"| `{item.name}` | {stated} |" in PAGE
