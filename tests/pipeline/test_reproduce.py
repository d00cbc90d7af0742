"""A delivered picture is made again from its provenance, and differences are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sdwebui_client import WebUI
from sdwebui_client.sandbox import SandboxServer
from stages.errors import ProvenanceError
from stages.provenance import sidecar_of
from stages.reproduce import ReproduceResult, reproduce
from tests.pipeline._recipe import copy_photos, options, run, sandbox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(server: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    photos = copy_photos(root / "photos")
    run(options(photos, root / "out", "tones=[warm]"), server.url)
    return root / "out"


@pytest.fixture
def portrait(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out" / "portraits" / "01-front-warm.png"


def _again(portrait: Path, url: str) -> ReproduceResult:
    with WebUI(url) as webui:
        return reproduce(portrait, [webui])


def test_it_comes_out_the_same_byte_for_byte(portrait: Path, server: SandboxServer) -> None:
    result = _again(portrait, server.url)
    assert result.equal
    assert result.got_sha256 == result.expected_sha256
    assert [stage.stage for stage in result.stages] == ["txt2img", "img2img", "upscale", "finish"]
    assert all(stage.equal and not stage.differences for stage in result.stages)
    assert result.first_difference is None
    assert result.picture.data == portrait.read_bytes()


def test_a_sandbox_started_anew_gets_the_lora_again(portrait: Path, tmp_path: Path) -> None:
    with sandbox(tmp_path / "empty") as fresh:
        assert _again(portrait, fresh.url).equal


def test_the_checkpoint_of_that_time_is_asked_for_when_another_is_loaded(
    portrait: Path, tmp_path: Path
) -> None:
    """The preset names no checkpoint, so the one that was loaded then is part of the recipe."""
    with sandbox(tmp_path / "empty") as fresh, WebUI(fresh.url) as webui:
        webui.set_options({"sd_model_checkpoint": "sandbox_sdxl"})
        result = reproduce(portrait, [webui])
        assert result.equal
        assert all(not stage.differences for stage in result.stages)
        assert webui.get_options()["sd_model_checkpoint"].startswith("sandbox_sdxl")


def test_another_server_is_named_as_the_reason(portrait: Path, tmp_path: Path) -> None:
    with sandbox(tmp_path / "empty", flavour="forge") as other:
        result = _again(portrait, other.url)
    assert any("another server: a1111" in text for stage in result.stages for text in stage.differences)


def test_a_picture_that_was_changed_is_not_taken_for_ours(portrait: Path, server: SandboxServer) -> None:
    portrait.write_bytes(portrait.read_bytes() + b"x")
    with pytest.raises(ProvenanceError, match="not the picture its provenance describes"):
        _again(portrait, server.url)


def test_a_changed_parameter_in_the_record_shows(portrait: Path, server: SandboxServer) -> None:
    path = sidecar_of(portrait)
    content = json.loads(path.read_text())
    content["stages"][1]["params"]["seed"] += 1
    path.write_text(json.dumps(content))
    result = _again(portrait, server.url)
    assert not result.equal
    first = result.first_difference
    assert first is not None
    assert first.stage == "img2img"
    assert "the request is not the same" in first.differences


def test_without_sidecar_there_is_nothing_to_go_by(portrait: Path, server: SandboxServer) -> None:
    sidecar_of(portrait).unlink()
    with pytest.raises(ProvenanceError, match="has no provenance"):
        _again(portrait, server.url)


@pytest.mark.parametrize("text", ["{half", "[]", '{"schema": "sdwebui-provenance/9"}'])
def test_a_sidecar_that_cannot_be_read_is_refused(portrait: Path, server: SandboxServer, text: str) -> None:
    sidecar_of(portrait).write_text(text)
    with pytest.raises(ProvenanceError):
        _again(portrait, server.url)


def test_another_version_of_a_stage_is_refused(portrait: Path, server: SandboxServer) -> None:
    path = sidecar_of(portrait)
    content = json.loads(path.read_text())
    content["stages"][0]["version"] = 99
    path.write_text(json.dumps(content))
    with pytest.raises(ProvenanceError, match="version 99"):
        _again(portrait, server.url)


def test_without_the_work_folder_the_pictures_that_went_in_are_missed(
    portrait: Path, server: SandboxServer
) -> None:
    shutil.rmtree(portrait.parent.parent / ".work")
    with pytest.raises(ProvenanceError, match="is gone"):
        _again(portrait, server.url)
