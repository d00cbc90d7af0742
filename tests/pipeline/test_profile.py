"""The whole recipe on the sandbox, over real HTTP: what is in the folder, and what was said on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdwebui_client import EncodedImage
from stages.events import (
    Delivered,
    LoraReady,
    Overall,
    PhotoChecked,
    PhotosDone,
    PlanReady,
    ServerChecked,
    ShotScored,
    StageDone,
    StageProgress,
    StageStarted,
    TrainingProgress,
)
from stages.lib.grade import warmth
from stages.lib.label import TRAINED_ALGORITHMIC_MEDIA, XMP_KEYWORD
from stages.presets import load_preset
from stages.recipes.profile import RunResult
from tests.pipeline._recipe import (
    GENERATIONS,
    PHOTOS,
    Watched,
    copy_photos,
    deliverables,
    generations,
    options,
    run,
    sandbox,
)
from train_lora.trigger import pick_trigger

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Done:
    """One finished run that all tests of this file look at."""

    result: RunResult
    out: Path
    photos: Path
    watch: Watched
    url: str
    generations: int
    server: Any


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    root = tmp_path_factory.mktemp("profile")
    photos, watch = copy_photos(root / "photos"), Watched()
    (photos / "notes.txt").write_text("not a photo")
    with sandbox(root / "models") as server:
        wish = options(photos, root / "out", consent="these are photos of me")
        result = run(wish, server.url, watch=watch)
        yield Done(result, root / "out", photos, watch, server.url, generations(server), server)


def _run_json(done: Done) -> dict[str, Any]:
    return dict(json.loads((done.out / "run.json").read_text()))


def test_the_folder_holds_what_was_promised(done: Done) -> None:
    assert sorted(path.name for path in done.out.iterdir()) == [
        ".work", "contact-sheet.jpg", "portraits", "preset.yaml", "report.html", "run.json",
        "training-report.html", "training.json",
    ]  # fmt: skip
    assert sorted(path.name for path in (done.out / "portraits").iterdir()) == [
        "01-front-cool.png",
        "01-front-cool.provenance.json",
        "02-front-warm.png",
        "02-front-warm.provenance.json",
    ]
    assert done.result.delivered == tuple(sorted((done.out / "portraits").glob("*.png")))


def test_run_json_has_its_shape_and_is_what_the_run_returned(done: Done) -> None:
    content = _run_json(done)
    assert content == done.result.run
    assert {
        "schema",
        "recipe",
        "webui",
        "photos",
        "lora",
        "portraits",
        "rejected",
        "timing",
    } <= content.keys()
    assert content["recipe"] == "profile"
    assert content["webui"] == {
        "url": done.url, "flavour": "a1111", "version": content["webui"]["version"], "sandbox": True,
    }  # fmt: skip
    assert set(content["lora"]) == {"name", "sha256", "trainer"}
    assert content["consent"] == "these are photos of me"
    assert content["timing"]["seconds"] > 0
    for portrait in content["portraits"]:
        keys = {"file", "width", "height", "pose", "tone", "seed", "likeness", "provenance"}
        assert keys <= portrait.keys()
        picture = EncodedImage.from_path(done.out / portrait["file"])
        assert picture.size == (portrait["width"], portrait["height"]) == (640, 960)
        assert picture.sha256 == portrait["sha256"]
        assert portrait["likeness"] >= 0.5
        assert (done.out / portrait["provenance"]).is_file()


def test_every_photo_stands_there_with_its_verdict(done: Done) -> None:
    photos = {photo["file"]: photo for photo in _run_json(done)["photos"]}
    assert set(photos) == {*PHOTOS, "notes.txt"}
    assert not photos["notes.txt"]["accepted"]
    assert "not a picture" in photos["notes.txt"]["reason"]
    assert all(photos[name]["accepted"] for name in PHOTOS)


def test_cool_is_cooler_than_warm(done: Done) -> None:
    cool, warm = (
        warmth(np.asarray(EncodedImage.from_path(path).open().convert("RGB")))
        for path in done.result.delivered
    )
    assert cool + 10 < warm


def test_portraits_say_what_they_are(done: Done) -> None:
    for path in done.result.delivered:
        text = EncodedImage.from_path(path).text
        assert TRAINED_ALGORITHMIC_MEDIA in text[XMP_KEYWORD]
        assert "SANDBOX" in text[XMP_KEYWORD]
        assert re.search(r"Steps: \d+, Sampler: DPM\+\+ 2M", text["parameters"])


def test_the_server_made_as_many_pictures_as_planned(done: Done) -> None:
    (plan,) = done.watch.of(PlanReady)
    assert plan.generations == {"txt2img": 2, "img2img": 2, "upscale": 2}
    assert plan.total_generations == GENERATIONS == done.generations
    assert plan.portraits == 2


def test_events_tell_the_story_in_order(done: Done) -> None:
    kinds = [type(event) for event in done.watch.events]
    order = [ServerChecked, PhotoChecked, PhotosDone, TrainingProgress, LoraReady, PlanReady, StageProgress]
    firsts = [kinds.index(kind) for kind in order]
    assert firsts == sorted(firsts)
    assert kinds.index(PlanReady) < kinds.index(ShotScored) < kinds.index(Delivered)
    assert [event.index for event in done.watch.of(PhotoChecked)] == [1, 2, 3, 4, 5]
    started = {(event.shot, event.stage) for event in done.watch.of(StageStarted)}
    assert started == {(event.shot, event.stage) for event in done.watch.of(StageDone)}
    assert set(done.watch.redone().values()) == {"first run"}
    assert [event.file for event in done.watch.of(Delivered)] == [
        "portraits/01-front-cool.png", "portraits/02-front-warm.png",
    ]  # fmt: skip


def test_the_overall_bar_never_goes_back_and_ends_full(done: Done) -> None:
    fractions = [event.fraction for event in done.watch.of(Overall)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert done.watch.of(Overall)[-1].done == GENERATIONS


def test_a_sidecar_tells_every_stage(done: Done) -> None:
    content = json.loads((done.out / "portraits" / "01-front-cool.provenance.json").read_text())
    assert [stage["stage"] for stage in content["stages"]] == ["txt2img", "img2img", "upscale", "finish"]
    for before, after in zip(content["stages"], content["stages"][1:], strict=False):
        assert after["inputs"]["image"] == before["output"]
    drawn = content["stages"][0]
    assert drawn["reported"]["seed"] == drawn["params"]["seed"] == _run_json(done)["portraits"][0]["seed"]
    assert re.fullmatch("[0-9a-f]{10}", drawn["reported"]["model_hash"])
    assert drawn["server"]["sandbox"] is True
    ran = {entry["effect"]: entry["status"] for entry in drawn["evidence"]}
    assert ran[f"lora:{content['lora']['name']}"] == "ran"
    assert not [name for name, status in ran.items() if status == "missing"]
    assert content["picture"] == content["stages"][-1]["output"]


def test_a_request_is_kept_with_its_pictures_by_hash_in_the_store(done: Done) -> None:
    content = json.loads((done.out / "portraits" / "01-front-cool.provenance.json").read_text())
    drawn, toned, _upscaled, _ = content["stages"]
    control = drawn["request"]["alwayson_scripts"]["ControlNet"]["args"][0]
    assert control["image"] == {"picture": drawn["inputs"]["skeleton"]}
    assert toned["request"]["init_images"] == [{"picture": drawn["output"]}]
    assert "force_task_id" not in json.dumps(content)
    assert "base64" not in json.dumps(content)
    for sha in (drawn["inputs"]["skeleton"], drawn["output"]):
        assert (done.out / ".work" / "store" / "blobs" / sha[:2] / sha).is_file()


def test_the_prompts_hold_the_lora_where_it_belongs(done: Done) -> None:
    content = json.loads((done.out / "portraits" / "01-front-cool.provenance.json").read_text())
    params, name = content["stages"][0]["params"], content["lora"]["name"]
    face, hand = params["adetailer"]
    assert f"<lora:{name}:0.8>" in params["prompt"]
    assert pick_trigger("alice") in params["prompt"]
    assert f"<lora:{name}:0.9>" in face["prompt"]
    assert "<lora:" not in hand["prompt"]
    assert "cool" in content["stages"][1]["params"]["prompt"]
    assert not content["stages"][2]["params"].get("adetailer")


def test_the_report_needs_nothing_but_itself_and_says_sandbox(done: Done) -> None:
    html = (done.out / "report.html").read_text()
    assert len(html) < 8_000_000
    assert "SANDBOX" in html
    assert not re.search(r"""src=["'](?!data:)""", html)
    # The only links lead to the portraits beside it; without them the report is still whole.
    assert not re.search(r"""href=["'](?!data:|#|portraits/[\w.-]+\.png["'])""", html)
    assert "url(" not in html
    # photos, candidates, every stage of every portrait, the pose
    assert html.count("data:image/jpeg") >= len(PHOTOS) + 2 + 2 * 4 + 1
    assert "not a picture" in html
    assert done.url not in html


def test_the_contact_sheet_is_a_picture_with_both(done: Done) -> None:
    sheet = EncodedImage.from_path(done.out / "contact-sheet.jpg")
    assert sheet.format == "JPEG"
    assert sheet.size[0] > 2 * 360


def test_the_kept_preset_is_the_one_that_ran(done: Done) -> None:
    preset = load_preset(done.out / "preset.yaml")
    assert preset.txt2img.width == 320
    assert preset.tones == ("cool", "warm")


def test_nothing_names_a_path_of_this_machine(done: Done) -> None:
    for name, data in deliverables(done.out).items():
        if not name.endswith((".png", ".jpg")):
            assert str(done.out.parent).encode() not in data, name


def test_running_again_redoes_nothing_and_changes_nothing(done: Done) -> None:
    before, watch = deliverables(done.out), Watched()
    result = run(options(done.photos, done.out, consent="these are photos of me"), done.url, watch=watch)
    assert watch.redone() == {}
    assert generations(done.server) == GENERATIONS
    assert deliverables(done.out) == before
    assert result.delivered == done.result.delivered
    assert watch.of(LoraReady)[0].cached
