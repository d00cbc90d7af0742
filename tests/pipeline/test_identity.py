"""Portraits without a training: photos shown to an IP-Adapter; and a tone proposed by the skin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import WebUI
from sdwebui_client.sandbox import SandboxServer
from stages.errors import LikenessNotReached, PlanError, StageError
from stages.events import LoraReady, Note, StageDone, TrainingProgress
from stages.recipes.profile import plan_profile
from stages.reproduce import reproduce
from tests.pipeline._recipe import GENERATIONS, Watched, generations, options, run, sandbox

pytestmark = pytest.mark.slow
LARGER = ("stages.txt2img.width=400", "stages.txt2img.height=600")
"""Without a face pass a face as small as the other tests' is not sharp."""
SHOWN = ("identity=ip_adapter", "shots=4", *LARGER)


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with sandbox(tmp_path_factory.mktemp("models"), flavour="forge") as running:
        yield running


def _loras(server: SandboxServer) -> list[str]:
    with WebUI(server.url) as webui:
        return [lora.name for lora in webui.loras()]


def _sidecars(out_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(out_dir.glob("portraits/*.provenance.json"))]


@pytest.fixture(scope="module")
def shown(
    server: SandboxServer, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Watched]:
    """A finished run without a LoRA."""
    out_dir, watch = tmp_path_factory.mktemp("shown") / "out", Watched()
    run(options(photos, out_dir, *SHOWN), server.url, watch=watch)
    return out_dir, watch


def test_portraits_come_without_a_training(server: SandboxServer, shown: tuple[Path, Watched]) -> None:
    out_dir, watch = shown
    record = json.loads((out_dir / "run.json").read_text())
    assert len(record["portraits"]) == 2
    assert all(portrait["likeness"] >= 0.7 for portrait in record["portraits"])
    assert record["lora"] is None
    assert record["identity"]["kind"] == "ip_adapter"
    assert record["identity"]["ip_adapter"]["model"] == "ip-adapter-plus-face_sd15"
    assert not watch.of(TrainingProgress)
    assert not watch.of(LoraReady)
    assert not (out_dir / ".work" / "dataset").exists()
    assert _loras(server) == []


def test_the_requests_show_the_photo_and_name_no_lora(shown: tuple[Path, Watched]) -> None:
    out_dir, _ = shown
    for sidecar in _sidecars(out_dir):
        drawing = [stage for stage in sidecar["stages"] if stage["stage"] in ("txt2img", "img2img")]
        for stage in drawing:
            text = json.dumps(stage["request"])
            assert "<lora:" not in text
            assert "ohwx" not in text
            assert stage["params"]["ip_adapter"]["model"] == "ip-adapter-plus-face_sd15"
            assert stage["inputs"]["face-1"] in text
        upscale = next(stage for stage in sidecar["stages"] if stage["stage"] == "upscale")
        assert "ip_adapter" not in upscale["params"]


def test_the_report_names_the_adapter(shown: tuple[Path, Watched]) -> None:
    page = (shown[0] / "report.html").read_text()
    assert "IP-Adapter" in page
    assert "ip-adapter-plus-face_sd15" in page


def test_running_it_again_makes_nothing_anew(
    server: SandboxServer, photos: Path, shown: tuple[Path, Watched]
) -> None:
    before, again = generations(server), Watched()
    run(options(photos, shown[0], *SHOWN), server.url, watch=again)
    assert generations(server) == before
    assert {stage for _, stage in again.redone()} == set()


def test_a_picture_can_be_made_again(server: SandboxServer, shown: tuple[Path, Watched]) -> None:
    picture = sorted((shown[0] / "portraits").glob("*.png"))[0]
    with WebUI(server.url) as webui:
        assert reproduce(picture, [webui]).equal


def test_forge_has_its_own_names(forge: SandboxServer, photos: Path, tmp_path: Path) -> None:
    run(options(photos, tmp_path / "out", *SHOWN, "tones=[warm]"), forge.url)
    request = json.dumps(_sidecars(tmp_path / "out")[0]["stages"][0]["request"])
    assert "CLIP-ViT-H (IPAdapter)" in request


def test_both_use_the_lora_and_the_photos(server: SandboxServer, photos: Path, tmp_path: Path) -> None:
    watch = Watched()
    run(options(photos, tmp_path / "out", "identity=both", "tones=[warm]"), server.url, watch=watch)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    name = record["lora"]["name"]
    assert watch.of(LoraReady)
    assert record["identity"]["kind"] == "both"
    drawn = _sidecars(tmp_path / "out")[0]["stages"][0]
    assert f"<lora:{name}:" in drawn["params"]["prompt"]
    assert "face-1" in drawn["inputs"]


def test_a_server_without_a_model_is_named_before_anything_is_drawn(photos: Path, tmp_path: Path) -> None:
    gone = frozenset({"ip-adapter-plus-face_sd15", "ip-adapter_sd15"})
    with sandbox(tmp_path / "models", without=gone) as poor:
        with pytest.raises(PlanError, match="ip-adapter-plus-face_sd15") as caught:
            run(options(photos, tmp_path / "out", *SHOWN), poor.url)
        assert "models/ControlNet" in str(caught.value)
        assert generations(poor) == 0


def test_a_preprocessor_that_does_nothing_is_found_out_first(
    forge: SandboxServer, photos: Path, tmp_path: Path
) -> None:
    """Forge answers 200 for a pair that does not fit, and draws on without it."""
    wrong = 'ip_adapter.module="CLIP-ViT-bigG (IPAdapter)"'
    with pytest.raises(StageError, match="has no effect") as caught:
        run(options(photos, tmp_path / "out", *SHOWN, wrong), forge.url)
    assert "log" in caught.value.hint


def test_too_little_likeness_says_what_an_ip_adapter_can_do(
    server: SandboxServer, photos: Path, tmp_path: Path
) -> None:
    sets = (*SHOWN, "shots=2", "min_likeness=1.0", "tones=[warm]")
    with pytest.raises(LikenessNotReached, match="--identity lora") as caught:
        run(options(photos, tmp_path / "out", *sets), server.url)
    assert "ip_adapter.photos" in caught.value.hint


def test_the_plan_shows_the_unit(server: SandboxServer, photos: Path, tmp_path: Path) -> None:
    with WebUI(server.url) as webui:
        plan = plan_profile(options(photos, tmp_path, *SHOWN), [webui.capabilities()])
    assert not plan.problems
    first = json.dumps(plan.requests[0].payload)
    assert "ip-adapter-plus-face_sd15" in first
    assert plan.total_generations == GENERATIONS + 2


def test_a_tone_by_the_skin_is_said_and_kept(server: SandboxServer, photos: Path, tmp_path: Path) -> None:
    watch = Watched()
    run(options(photos, tmp_path / "out", *SHOWN, "tone=auto"), server.url, watch=watch)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["tone"]["asked"] == "auto"
    assert record["tone"]["undertone"]["photos"] == 4
    assert {portrait["tone"] for portrait in record["portraits"]} == set(record["tone"]["tones"])
    notes = [note.text for note in watch.of(Note)]
    assert any("Undertone of the skin" in text for text in notes)
    assert "Undertone" in (tmp_path / "out" / "report.html").read_text()
    made = {event.shot for event in watch.of(StageDone) if event.stage == "img2img"}
    assert all(shot.rsplit("-", 1)[-1] in record["tone"]["tones"] for shot in made)
