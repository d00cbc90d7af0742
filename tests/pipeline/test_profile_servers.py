"""Servers that lack something, several at once, other flavours, a named LoRA, a pose of a photo."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sdwebui_client import WebUI
from sdwebui_client.sandbox import SandboxServer
from stages.errors import PlanError, StageError
from stages.events import LoraReady, Note, ServerChecked
from stages.presets import load_preset
from stages.recipes.profile import plan_profile
from stages.reproduce import reproduce
from tests.pipeline._recipe import (
    EXAMPLES,
    GENERATIONS,
    Watched,
    generations,
    options,
    run,
    sandbox,
)

pytestmark = pytest.mark.slow
ONE_TONE = GENERATIONS - 2
"""Without one tone's img2img and upscale."""


def test_everything_missing_is_told_at_once_and_nothing_is_made(photos: Path, tmp_path: Path) -> None:
    without = frozenset({"usdu", "adetailer", "control_v11p_sd15_openpose"})
    with sandbox(tmp_path / "models", without=without) as poor:
        with pytest.raises(PlanError) as caught:
            run(options(photos, tmp_path / "out"), poor.url)
        assert generations(poor) == 0
    (problems,) = caught.value.problems.values()
    told = "\n".join(problems)
    for word in ("ADetailer", "Ultimate SD upscale", "control_v11p_sd15_openpose"):
        assert word.lower() in told.lower()
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_server_that_lacks_something_is_left_out_when_another_can(
    photos: Path, server: SandboxServer, begun: Path, tmp_path: Path
) -> None:
    watch, made = Watched(), generations(server)
    with sandbox(tmp_path / "models", without=frozenset({"usdu"})) as poor:
        run(options(photos, begun, "tones=[warm]"), poor.url, server.url, watch=watch)
        assert generations(poor) == 0
    assert generations(server) == made + ONE_TONE
    able = {event.able: event.url for event in watch.of(ServerChecked)}
    assert able[True] == server.url
    assert able[False] != server.url
    assert any("Goes on without" in note.text for note in watch.of(Note))


def test_a_server_that_does_not_answer_is_left_out(photos: Path, server: SandboxServer, begun: Path) -> None:
    watch = Watched()
    run(options(photos, begun, "tones=[warm]"), "http://127.0.0.1:9", server.url, watch=watch)
    assert any("http://127.0.0.1:9 is left out" in note.text for note in watch.of(Note))


def test_two_servers_share_the_work_and_make_the_same(
    photos: Path, trained: Path, begun: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "alone")
    with sandbox(tmp_path / "one") as one, sandbox(tmp_path / "two") as two:
        result = run(options(photos, begun), one.url, two.url)
        shares = generations(one), generations(two)
        assert sum(shares) == GENERATIONS
        assert min(shares) > 0
        assert [entry["url"] for entry in result.run["webui"]["servers"]] == [one.url, two.url]
        alone = run(options(photos, tmp_path / "alone"), one.url)
    assert [p["sha256"] for p in result.run["portraits"]] == [p["sha256"] for p in alone.run["portraits"]]


def test_the_pool_finds_what_another_of_its_servers_made(photos: Path, begun: Path, tmp_path: Path) -> None:
    with sandbox(tmp_path / "one") as one, sandbox(tmp_path / "two", flavour="forge") as two:
        run(options(photos, begun, "tones=[warm]"), two.url)
        watch = Watched()
        run(options(photos, begun, "tones=[warm]"), one.url, two.url, watch=watch)
    assert watch.redone() == {}


@pytest.mark.parametrize("flavour", ["forge", "reforge"])
def test_other_flavours_do_it_too(photos: Path, begun: Path, tmp_path: Path, flavour: str) -> None:
    with sandbox(tmp_path / "models", flavour=flavour) as other:
        result = run(options(photos, begun, "tones=[warm]"), other.url)
    assert result.run["webui"]["flavour"] == flavour
    assert len(result.delivered) == 1
    sidecar = json.loads((begun / result.run["portraits"][0]["provenance"]).read_text())
    sent = sidecar["stages"][0]["request"]["alwayson_scripts"]["ControlNet"]["args"][0]
    assert sent["module"] == "None"


def test_sdnext_is_refused_with_the_reason(photos: Path, tmp_path: Path) -> None:
    with sandbox(tmp_path / "models", flavour="sdnext") as other:
        with pytest.raises(PlanError, match="tile"):
            run(options(photos, tmp_path / "out"), other.url)
        assert generations(other) == 0


@pytest.fixture(scope="module")
def published(
    photos: Path, server: SandboxServer, trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of a LoRA that a run put on the server."""
    out = Path(shutil.copytree(trained, tmp_path_factory.mktemp("published") / "out"))
    return str(run(options(photos, out, "tones=[warm]"), server.url).run["lora"]["name"])


def test_a_named_lora_is_used_as_it_is(
    photos: Path, server: SandboxServer, published: str, tmp_path: Path
) -> None:
    watch = Watched()
    result = run(options(photos, tmp_path, "tones=[warm]", lora=published), server.url, watch=watch)
    assert result.run["lora"]["trainer"] == "named by --lora"
    assert watch.of(LoraReady)[0].name == published
    assert not any(stage == "train" for _, stage in watch.redone())


def test_a_named_lora_that_is_not_there_names_the_near_match(
    photos: Path, server: SandboxServer, published: str, tmp_path: Path
) -> None:
    with pytest.raises(PlanError, match=published):
        run(options(photos, tmp_path, lora=published[:-1]), server.url)


def test_the_pose_can_come_from_a_photo(photos: Path, server: SandboxServer, begun: Path) -> None:
    wish = options(photos, begun, "tones=[warm]", pose_from=EXAMPLES / "01-portrait.jpg")
    result = run(wish, server.url)
    (portrait,) = result.run["portraits"]
    assert portrait["pose"] == "from_photo"
    assert portrait["file"] == "portraits/01-from_photo-warm.png"


def test_a_pose_photo_that_is_none_is_refused(photos: Path, server: SandboxServer, tmp_path: Path) -> None:
    text = tmp_path / "pose.jpg"
    text.write_text("no picture")
    with pytest.raises(StageError, match="pose-from"):
        run(options(photos, tmp_path / "out", pose_from=text), server.url)


def test_a_count_fills_poses_and_tones_in_order(photos: Path, server: SandboxServer, begun: Path) -> None:
    result = run(options(photos, begun, count=3), server.url)
    assert [(p["pose"], p["tone"]) for p in result.run["portraits"]] == [
        ("front", "cool"), ("front", "warm"), ("front", "cool"),
    ]  # fmt: skip
    seeds = [p["seed"] for p in result.run["portraits"]]
    assert seeds[0] == seeds[1] != seeds[2]


def test_the_plan_shows_what_would_be_sent_without_sending(
    photos: Path, server: SandboxServer, tmp_path: Path
) -> None:
    made = generations(server)
    with WebUI(server.url) as webui:
        plan = plan_profile(options(photos, tmp_path / "out"), [webui.capabilities()])
    assert generations(server) == made
    assert not (tmp_path / "out").exists()
    assert plan.problems == {}
    assert plan.generations == {"txt2img": 2, "img2img": 2, "upscale": 2}
    assert [(r.stage, r.shot) for r in plan.requests] == [
        ("txt2img", "front-1"),
        ("img2img", "front-1-cool"),
        ("upscale", "front-1-cool"),
        ("img2img", "front-1-warm"),
        ("upscale", "front-1-warm"),
    ]
    assert len(json.dumps([r.payload for r in plan.requests])) < 40_000
    assert plan.requests[2].payload["script_name"] == "Ultimate SD upscale"
    assert len(plan.requests[2].payload["script_args"]) == 18


def test_a_preset_may_leave_stages_out(photos: Path, server: SandboxServer, tmp_path: Path) -> None:
    file = tmp_path / "plain.yaml"
    file.write_text(
        "schema: sdwebui-preset/1\ntitle: Plain\nfamily: sd15\nposes: [front]\ntones: [neutral]\nshots: 1\n"
        "train: {save_every_n_steps: null}\nchoose: {weights: [0.8]}\n"
        "stages:\n  txt2img: {type: txt2img, prompt: '{trigger}', width: 320, height: 480, steps: 4}\n"
    )
    wish = replace(options(photos, tmp_path / "out"), preset=load_preset(file))
    result = run(wish, server.url)
    (portrait,) = result.run["portraits"]
    assert (portrait["width"], portrait["height"]) == (320, 480)
    sidecar = json.loads((tmp_path / "out" / portrait["provenance"]).read_text())
    assert [stage["stage"] for stage in sidecar["stages"]] == ["txt2img"]
    with WebUI(server.url) as webui:
        assert reproduce(result.delivered[0], [webui]).equal
