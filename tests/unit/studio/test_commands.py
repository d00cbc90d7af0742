"""The small commands: presets, photos, sandbox, version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sdwebui_client.sandbox import SandboxError
from sdwebui_client.sandbox.settings import FAULT_KINDS, FLAVOURS, PROFILES
from studio.cli import main
from studio.cli import sandbox as sandbox_module
from studio.cli.sandbox import parse_fault
from studio.consent import EXAMPLE_PHOTOS


def test_presets_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "list"]) == 0
    assert "studio-sd15" in capsys.readouterr().out
    assert main(["presets", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"name", "title", "family", "description"} == set(rows[0])


def test_presets_show_prints_yaml_that_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "show", "studio-sd15", "--set", "shots=5"]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["shots"] == 5
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["presets", "check", str(tmp_path / "mine.yaml")]) == 0
    assert "good" in capsys.readouterr().out


def test_presets_check_names_the_place_and_what_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("schema: sdwebui-preset/1\nextends: studio-sd15\nshot: 3\n")
    assert main(["presets", "check", str(file)]) == 2
    shown = capsys.readouterr().err
    assert "mine.yaml:3" in shown
    assert "shots" in shown


@pytest.mark.parametrize("args", [[], ["--resolved"]])
def test_presets_schema_is_json_schema(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "schema", *args]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org")


def test_photos_check_accepts_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photos", "check", str(EXAMPLE_PHOTOS), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert sum(row["accepted"] for row in rows) == 10


def test_photos_check_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    assert main(["photos", "check", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "notes.txt" in captured.out
    assert "refused" in captured.out
    assert captured.err


def test_photos_check_of_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["photos", "check", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_version_names_every_extra(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    shown = capsys.readouterr().out
    assert all(f"[{extra}]" in shown for extra in ("sandbox", "faces", "profile", "yolo"))


def test_the_sandboxes_own_lists_are_the_options() -> None:
    assert sandbox_module.FLAVOURS == FLAVOURS
    assert sandbox_module.PROFILES == PROFILES
    assert sandbox_module.FAULTS == FAULT_KINDS


def test_a_fault() -> None:
    fault = parse_fault("hang, seconds=30,count=0,path=any")
    assert (fault.kind, fault.seconds, fault.count, fault.path) == ("hang", 30.0, 0, "any")
    assert parse_fault("500").count == 1


@pytest.mark.parametrize(
    "text", ["", "nonsense", "hang,seconds", "hang,second=1", "hang,seconds=long", "hang,count=-1"]
)
def test_a_wrong_fault_is_refused(text: str) -> None:
    with pytest.raises(SandboxError):
        parse_fault(text)
    assert main(["sandbox", "--fault", text, "--port", "0"]) == 2
