from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from PIL import Image

from .conftest import FEW, ONE_SMALL_PORTRAIT, Finished, cli

pytestmark = pytest.mark.slow

RUN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "recipe", "webui", "photos", "lora", "portraits", "rejected", "timing", "consent"],
    "properties": {
        "schema": {"type": "string", "pattern": r"^sdwebui-run/\d+$"},
        "recipe": {"const": "profile"},
        "webui": {
            "type": "object",
            "required": ["url", "flavour", "version", "sandbox"],
            "properties": {"sandbox": {"const": True}, "flavour": {"const": "a1111"}},
        },
        "photos": {
            "type": "array",
            "minItems": len(FEW),
            "items": {"type": "object", "required": ["file", "accepted", "reason"]},
        },
        "lora": {
            "type": "object",
            "required": ["name", "sha256", "trainer"],
            "properties": {"sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
        },
        "portraits": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["file", "width", "height", "pose", "tone", "seed", "likeness", "provenance"],
                "properties": {"likeness": {"type": "number", "minimum": 0, "maximum": 1}},
            },
        },
        "rejected": {"type": "array"},
        "timing": {"type": "object", "minProperties": 1},
    },
}


def test_json_is_all_there_is_on_standard_output(finished: Finished) -> None:
    run = json.loads(finished.done.stdout)
    assert run == json.loads((finished.out / "run.json").read_text())
    jsonschema.validate(run, RUN_SCHEMA)


def test_the_story_is_told_on_standard_error(finished: Finished) -> None:
    for words in (
        "SANDBOX",
        "01-portrait.jpg",
        "accepted",
        "training",
        "txt2img",
        "img2img",
        "upscale",
        "likeness",
    ):
        assert words in finished.done.stderr
    assert str(finished.out.name) in finished.done.stderr
    assert "\x1b[" not in finished.done.stderr


def test_the_folder_holds_what_the_readme_says(finished: Finished) -> None:
    (portrait,) = (finished.out / "portraits").glob("*.png")
    with Image.open(portrait) as picture:
        assert picture.format == "PNG"
        assert picture.size == (512, 768)
    entry = json.loads(finished.done.stdout)["portraits"][0]
    assert (finished.out / entry["file"]) == portrait
    provenance = json.loads((finished.out / entry["provenance"]).read_text())
    assert provenance["schema"].startswith("sdwebui-provenance/")
    report = (finished.out / "report.html").read_text(encoding="utf-8")
    assert "http://" not in report.replace("http://www.w3.org", "").replace("http://127.0.0.1", "")
    assert (finished.out / "preset.yaml").read_text().startswith("#")
    with Image.open(finished.out / "contact-sheet.jpg") as sheet:
        assert sheet.format == "JPEG"


def again(
    finished: Finished, tmp_path: Path, *args: str, start: Callable[..., Any] = cli
) -> tuple[Path, Any]:
    """Run on a copy of the finished run, so that the original stays as it is."""
    out = tmp_path / "out"
    shutil.copytree(finished.out, out)
    done = start(
        "make-profile", "--user", str(finished.photos), "--webui", "sandbox", "--out", "out", "--seed", "7",
        *ONE_SMALL_PORTRAIT, *args, cwd=tmp_path,
    )  # fmt: skip
    return out, done


def test_running_again_makes_nothing_again(finished: Finished, tmp_path: Path) -> None:
    out, done = again(finished, tmp_path, "--explain")
    assert done.returncode == 0, done.stderr
    assert "kept: " in done.stdout
    assert " runs: " not in done.stdout
    for portrait in (finished.out / "portraits").iterdir():
        assert (out / "portraits" / portrait.name).read_bytes() == portrait.read_bytes()


def test_one_changed_parameter_reruns_what_follows_from_it(
    finished: Finished, tmp_path: Path, here: Callable[..., Any]
) -> None:
    change = ("--set", "stages.img2img.denoising_strength=0.35")
    _, done = again(finished, tmp_path, "--explain", *change, start=here)
    assert done.returncode == 0, done.stderr
    runs = {
        line.split(" runs: ")[0].split(": ")[-1] for line in done.stdout.splitlines() if " runs: " in line
    }
    assert {"img2img", "upscale"} <= runs
    assert not runs & {"train", "txt2img"}
    assert "denoising_strength" in done.stdout


def test_an_impossible_likeness_is_exit_4_and_still_reported(
    finished: Finished, tmp_path: Path, here: Callable[..., Any]
) -> None:
    out, done = again(finished, tmp_path, "--set", "min_likeness=1.0", "--json", start=here)
    assert done.returncode == 4, done.stderr
    assert json.loads(done.stdout)["portraits"] == []
    assert "likeness" in done.stderr
    assert (out / "report.html").exists()
    assert list((out / "portraits").glob("*.png")) == []


def test_a_picture_is_made_again_to_the_byte(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.out, tmp_path / "out")
    (portrait,) = (tmp_path / "out" / "portraits").glob("*.png")
    done = cli(
        "reproduce", str(portrait), "--webui", "sandbox", "--json", "--save", "again.png", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["equal"] is True
    assert (tmp_path / "again.png").read_bytes() == portrait.read_bytes()


def test_a_picture_that_was_changed_is_not_made_again(
    finished: Finished, tmp_path: Path, here: Callable[..., Any]
) -> None:
    shutil.copytree(finished.out / "portraits", tmp_path / "portraits")
    (portrait,) = (tmp_path / "portraits").glob("*.png")
    portrait.write_bytes(portrait.read_bytes() + b"x")
    done = here("reproduce", str(portrait), "--webui", "sandbox", cwd=tmp_path)
    assert done.returncode == 2
    assert "provenance" in done.stderr


def test_deleting_the_run_leaves_nothing(
    finished: Finished, tmp_path: Path, here: Callable[..., Any]
) -> None:
    shutil.copytree(finished.out, tmp_path / "output" / "alice")
    done = here("delete", "alice", "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 portrait" in done.stdout
    assert not (tmp_path / "output" / "alice").exists()
    assert finished.photos.is_dir()
