"""Docs that can fail: commands parse, links lead somewhere, options are described, examples run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from studio.cli._app import app
from studio.errors import ExitCode

from .conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(page: Path, *languages: str) -> list[str]:
    return [
        body for language, body in FENCE.findall(page.read_text(encoding="utf-8")) if language in languages
    ]


def documented_commands() -> Iterator[tuple[str, list[str]]]:
    """Every `… -m sdwebui_client …` in a shell block, with its arguments."""
    for page in PAGES:
        for body in blocks(page, "sh"):
            for line in body.splitlines():
                _, found, rest = line.partition("-m sdwebui_client ")
                if found:
                    yield page.name, shlex.split(rest, comments=True)


@pytest.mark.parametrize(
    ("page", "args"),
    list(documented_commands()),
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_documented_command_line_exists(page: str, args: list[str]) -> None:
    command: click.Command = app
    name = ""
    while isinstance(command, click.Group) and args:
        name, args = args[0], args[1:]
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"{page}: no command {name}"
        command = found
    command.make_context(name, args)  # raises for an unknown option


def test_there_are_documented_commands() -> None:
    assert len(list(documented_commands())) >= 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in LINK.findall(text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def reference_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "make_command_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_reference_is_up_to_date() -> None:
    script = reference_script()
    written = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert written == script.reference(), "run: python scripts/make_command_reference.py"


def test_every_exit_status_is_documented() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(ExitCode)


def test_ci_and_readme_run_the_same_tests() -> None:
    assert "sh scripts/test.sh" in (ROOT / ".ci" / "run").read_text()
    assert "sh scripts/test.sh\n" in (ROOT / "README.md").read_text()


def test_the_readmes_first_commands_are_those_setup_names() -> None:
    setup, readme = (ROOT / "scripts" / "setup.sh").read_text(), (ROOT / "README.md").read_text()
    studio, portraits = re.findall(r'echo "    (\.venv/.*)"', setup)
    assert f"sh scripts/setup.sh && {portraits}" in readme
    assert f"sh scripts/setup.sh --studio && {studio}" in readme


EXAMPLES = blocks(ROOT / "docs" / "quickstart.md", "python")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = SandboxSettings(models_dir=tmp_path_factory.mktemp("models"), seconds_per_step=0.0)
    with SandboxServer(settings) as server:
        yield server.url


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_of_the_quickstart_runs(
    number: int, sandbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = EXAMPLES[number].replace("http://127.0.0.1:7860", sandbox)
    exec(compile(code, f"quickstart example {number + 1}", "exec"), {"__name__": "__example__"})
