"""The training report: whole, self-contained, escaped, and honest about what is not known."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.presets import load_training_preset
from stages.training_charts import Point, loss_chart, share_chart, smoothed
from stages.training_report import training_view, write_training_report
from stages.training_trials import choice_view
from train_lora.recipe import make_recipe

EVIL = '<script>alert("x")</script>'


def png(shade: int, size: tuple[int, int] = (40, 50)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, (shade, 90, 120)).save(out, "PNG")
    return out.getvalue()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def trial(step: int, weight: float, likeness: float, blobs: dict[str, bytes]) -> dict[str, Any]:
    pictures = []
    for number in range(2):
        data = png(step // 10 + number)
        blobs[sha(data)] = data
        pictures.append(
            {
                "sha256": sha(data),
                "seed": number,
                "prompt": f"prompt {number}",
                "likeness": likeness,
                "distance": 0.4,
                "copying": 0.7 if step == 600 else 0.1,
                "flaw": "no face" if step == 200 and number else "",
                "repeats": "002.png",
            }
        )
    return {
        "step": step,
        "weight": weight,
        "likeness": likeness,
        "worst": likeness - 0.1,
        "variety": 0.5,
        "copying": pictures[0]["copying"],
        "score": likeness,
        "pictures": pictures,
    }


def sample(**changes: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A record as a finished training leaves it, and the stored pictures."""
    blobs: dict[str, bytes] = {}
    trials = [trial(step, 0.8, like, blobs) for step, like in ((200, 0.5), (400, 0.8), (600, 0.82))]
    trials += [trial(400, weight, like, blobs) for weight, like in ((0.7, 0.7), (0.9, 0.9))]
    trials += [trial(600, 0.9, 0.83, blobs)]
    face = png(7)
    blobs[sha(face)] = face
    preset = load_training_preset("sd15-best", sets=["train.steps=600"]).train.model_dump(mode="json")
    recipe = make_recipe(name="alice", **{k: v for k, v in preset.items() if k not in ("preset", "trigger")})
    record = {
        "schema": "sdwebui-training-run/1",
        "name": "alice",
        "preset": "sd15-best",
        "trigger": "ohwx person",
        "family": "sd15",
        "sandbox": False,
        "trainer": {"name": "sd-scripts", "version": "v0.10.1", "command": ["python", "x.py"], "facts": {}},
        "base_model": {"name": "base.safetensors", "sha256": "aa", "family": "sd15"},
        "photos": [
            {"file": "a.jpg", "accepted": True, "code": "", "reason": "", "advice": "", "held_out": False},
            {"file": "b.jpg", "accepted": True, "code": "", "reason": "", "advice": "", "held_out": True},
            {"file": "c.jpg", "accepted": False, "code": "blurred", "reason": "It is blurred.",
             "advice": "Hold still.", "held_out": False},
        ],
        "advice": [{"code": "side", "text": "Add one from the side."}],
        "dataset": {
            "manifest_sha256": "bb",
            "resolution": 512,
            "items": [{"image": "001.png", "caption": "a photo of ohwx person", "width": 512, "height": 512,
                       "kind": "face", "picture": sha(face)}],
            "regularisation": 0,
        },
        "settings": recipe.model_dump(mode="json"),
        "steps": 600,
        "resumed_from": None,
        "lighter": None,
        "losses": [[step, 0.2 - step / 10_000] for step in range(1, 600, 7)],
        "seconds": {"preparing": 20.0, "caching": 2.0, "training": 300.0, "saving": 3.0, "choosing": 90.0},
        "prediction": {
            "low_min": 4.0, "likely_min": 6.0, "high_min": 9.0, "text": "4–9 minutes",
            "why": "measured here", "steps": 600, "calibrated": True,
            "parts": {"preparing": 18.0, "caching": 2.0, "training": 310.0, "saving": 3.0, "choosing": 80.0},
        },
        "choice": {
            "step": 400, "weight": 0.9, "why": "step 400 is the most like", "trials": trials,
            "compared": {"photos": 1, "held_out": True},
        },
        "lora": {"name": "alice", "file": "alice.safetensors", "sha256": "cc" * 32,
                 "webui_hash": "1a2b3c4d5e6f", "bytes": 37_861_176},
        "published": [{"server": "http://webui:7860", "place": "/models/Lora", "copied": True, "listed": True,
                       "verified": True}],
    }  # fmt: skip
    return {**record, **changes}, blobs


def page(
    folder: Path,
    record: Mapping[str, Any],
    blobs: Mapping[str, bytes],
    photos: Mapping[str, bytes] | None = None,
) -> str:
    file = folder / "training.html"
    write_training_report(file, record, picture=blobs.__getitem__, dataset_dir=folder, photos=photos)
    return file.read_text(encoding="utf-8")


def test_what_a_reader_looks_for_is_there(tmp_path: Path) -> None:
    record, blobs = sample()
    html = page(tmp_path, record, blobs, {"a.jpg": png(1), "c.jpg": png(2)})
    for words in (
        "ohwx person &lt;lora:alice:0.9&gt;",
        "600, step 400 chosen",
        "a photo of ohwx person",
        "Step 400 at weight 0.9",
        "step 400 is the most like",
        "against 1 photo the training never saw",
        "1 trained, 1 held out to judge by, 1 refused",
        "It is blurred. Hold still.",
        "Add one from the side.",
        "Predicted: 4–9 minutes (measured here). It took 7 minutes.",
        "1a2b3c4d5e6f",
        "http://webui:7860",
        "verified: a picture was made with it",
        "repeats 002.png",
        "no face",
    ):
        assert words in html, words


def test_nothing_of_the_users_becomes_markup(tmp_path: Path) -> None:
    record, blobs = sample(name=EVIL, trigger=EVIL, preset=EVIL, advice=[{"code": "", "text": EVIL}])
    record["photos"][2] |= {"file": EVIL, "reason": EVIL}
    record["dataset"]["items"][0]["caption"] = EVIL
    record["choice"]["why"] = EVIL
    record["choice"]["trials"][0]["pictures"][0] |= {"prompt": EVIL, "flaw": EVIL, "repeats": EVIL}
    record["published"][0] |= {"server": EVIL, "place": EVIL, "verified": EVIL}
    record["lora"]["file"] = EVIL
    record["seconds"][EVIL] = 1.0
    record["trainer"] |= {"version": EVIL, "command": [EVIL]}
    html = page(tmp_path, record, blobs, {EVIL: png(3)})
    assert EVIL not in html
    assert html.count("<script>") == 1


def test_the_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    record, blobs = sample()
    html = page(tmp_path, record, blobs)
    assert "default-src 'none'" in html
    assert not re.findall(r"(?:src|href)=\"(?!data:|\")", html)
    assert "url(" not in html
    assert "@import" not in html


def test_the_sandbox_is_said_only_of_the_sandbox(tmp_path: Path) -> None:
    record, blobs = sample(sandbox=True)
    assert 'class="sandbox"' in page(tmp_path, record, blobs)
    record, blobs = sample()
    assert 'class="sandbox"' not in page(tmp_path, record, blobs)


def test_pictures_have_words_and_are_small(tmp_path: Path) -> None:
    record, blobs = sample()
    large = BytesIO()
    Image.effect_noise((1400, 1800), 60).convert("RGB").save(large, "PNG")
    record["dataset"]["items"] = [{**record["dataset"]["items"][0], "picture": "large"}] * 30
    html = page(tmp_path, record, {**blobs, "large": large.getvalue()})
    assert html.count("<img ") == html.count('alt="')
    assert len(html) < 3_000_000


def test_the_same_record_gives_the_same_page(tmp_path: Path) -> None:
    record, blobs = sample()
    assert page(tmp_path, record, blobs) == page(tmp_path, record, blobs)
    assert [file.name for file in tmp_path.iterdir()] == ["training.html"]


# ---- what may be missing


def test_pictures_that_are_gone_leave_an_empty_frame(tmp_path: Path) -> None:
    record, _ = sample()
    html = page(tmp_path, record, {}, {"a.jpg": b"no picture at all"})
    assert "no picture" in html
    assert "<img src" not in html


def test_training_pictures_come_from_the_folder_when_they_are_not_stored(tmp_path: Path) -> None:
    record, blobs = sample()
    del record["dataset"]["items"][0]["picture"]
    assert training_view(record, blobs.__getitem__, tmp_path, {}).items[0].thumb is None
    (tmp_path / "001.png").write_bytes(png(9))
    assert training_view(record, blobs.__getitem__, tmp_path, {}).items[0].thumb is not None
    # A name from a record never leads out of the folder.
    record["dataset"]["items"][0]["image"] = "../001.png"
    (tmp_path / "inner").mkdir()
    assert training_view(record, blobs.__getitem__, tmp_path / "inner", {}).items[0].thumb is None


def test_without_a_choice_it_says_so(tmp_path: Path) -> None:
    record, blobs = sample(choice=None)
    html = page(tmp_path, record, blobs)
    assert "its likeness is not known" in html
    assert "What each checkpoint drew" not in html
    assert "&lt;lora:alice:0.8&gt;" in html


def test_a_bare_record_is_a_page(tmp_path: Path) -> None:
    html = page(tmp_path, {"name": "bob"}, {})
    assert "bob: how the LoRA was trained" in html
    assert "In no WebUI yet" in html
    assert "<svg" not in html


def test_lighter_and_resumed_trainings_say_so(tmp_path: Path) -> None:
    record, blobs = sample(resumed_from=200, lighter={"gradient_checkpointing": True, "batch_size": 1})
    html = page(tmp_path, record, blobs)
    assert "continued from step 200" in html
    assert "The second try was lighter: gradient_checkpointing yes, batch_size 1." in html


def test_likeness_against_the_trained_photos_is_called_flattered(tmp_path: Path) -> None:
    record, blobs = sample()
    record["choice"]["compared"] = {"photos": 4, "held_out": False}
    assert "every value is flattered" in page(tmp_path, record, blobs)


def test_not_listed_and_not_verified_is_not_called_published(tmp_path: Path) -> None:
    record, blobs = sample()
    record["published"] = [{"server": "s", "listed": False, "verified": False}]
    html = page(tmp_path, record, blobs)
    assert "not listed" in html
    assert "not verified" in html


# ---- the choice


def test_checkpoints_are_compared_at_one_weight_and_the_winner_at_all() -> None:
    record, blobs = sample()
    choice = training_view(record, blobs.__getitem__, Path(), {}).choice
    assert choice is not None
    assert choice.compared_at == 0.8
    assert [row.step for row in choice.checkpoints] == [200, 400, 600]
    assert [row.title for row in choice.weights] == [
        "Step 400, weight 0.7",
        "Step 400, weight 0.8",
        "Step 400, weight 0.9",
    ]
    assert [row.title for row in choice.others] == ["Step 600, weight 0.9"]
    assert [row.chosen for row in choice.weights] == [False, False, True]
    assert choice.prompts == ("prompt 0", "prompt 1")


def test_charts_ring_the_chosen_one() -> None:
    record, blobs = sample()
    view = training_view(record, blobs.__getitem__, Path(), {})
    assert view.likeness is not None
    assert view.weights is not None
    assert view.loss is not None
    assert [dot.chosen for dot in view.likeness.lines[0].dots] == [False, True, False]
    assert [line.title for line in view.weights.lines] == ["step 400", "step 600"]
    assert [dot.chosen for dot in view.weights.lines[0].dots] == [False, False, True]
    # Checkpoints at 200, 400 and 600; the losses end before 600.
    assert [mark.chosen for mark in view.loss.marks] == [False, True]
    high, low = view.likeness.lines[0].dots[1], view.likeness.lines[0].dots[0]
    assert high.y < low.y
    assert low.low is not None
    assert low.low > low.y


@pytest.mark.parametrize(
    ("likeness", "copying", "level", "words"),
    [
        (0.9, 0.1, "good", "2 of 2 pictures reach a likeness of 0.7"),
        (0.6, 0.1, "doubt", "0 of 2 pictures"),
        (0.4, 0.1, "bad", "Better photos help most"),
        (0.9, 0.7, "doubt", "repeat training photos"),
    ],
)
def test_the_verdict_counts_pictures_that_would_be_delivered(
    likeness: float, copying: float, level: str, words: str
) -> None:
    blobs: dict[str, bytes] = {}
    won = {**trial(400, 0.9, likeness, blobs), "copying": copying}
    view = choice_view({"step": 400, "weight": 0.9, "why": "", "trials": [won]}, blobs.__getitem__)
    assert view is not None
    assert view.verdict.level == level
    assert words in view.verdict.text


def test_a_picture_without_a_face_is_not_counted() -> None:
    blobs: dict[str, bytes] = {}
    won = trial(200, 0.8, 0.9, blobs)  # the second of its pictures has no face
    view = choice_view({"step": 200, "weight": 0.8, "why": "", "trials": [won]}, blobs.__getitem__)
    assert view is not None
    assert (view.verdict.level, view.verdict.text.split(" pictures")[0]) == ("doubt", "1 of 2")


def test_the_choice_is_not_named_twice() -> None:
    record, blobs = sample()
    record["choice"]["why"] = "step 400 at weight 0.9: likeness 0.90 against one photo it never saw"
    choice = training_view(record, blobs.__getitem__, Path(), {}).choice
    assert choice is not None
    assert choice.why == "likeness 0.90 against one photo it never saw"


def test_a_full_disk_leaves_no_half_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, blobs = sample()
    before = page(tmp_path, record, blobs)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # Before the page takes the old one's place everything was written.
    monkeypatch.setattr(os, "fsync", full)
    files = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space"):
        page(tmp_path, {**record, "name": "bob"}, blobs)
    assert sorted(tmp_path.iterdir()) == files
    assert before in [file.read_text("utf-8") for file in files if file.suffix == ".html"]


def test_held_out_photos_stand_beside_what_was_drawn(tmp_path: Path) -> None:
    record, blobs = sample()
    assert "Photos the training never saw" not in page(tmp_path, record, blobs)
    html = page(tmp_path, record, blobs, {"a.jpg": png(1), "b.jpg": png(2)})
    seen = html.split("Photos the training never saw")[1].split("What it draws")[0]
    assert "b.jpg" in seen
    assert "a.jpg" not in seen


# ---- settings and times


def test_settings_carry_the_presets_reason_and_what_was_changed() -> None:
    record, blobs = sample()
    settings = {row.key: row for row in training_view(record, blobs.__getitem__, Path(), {}).settings}
    assert "1e-3 gave noise" in settings["unet_lr"].why
    assert settings["unet_lr"].value == "0.0001"
    assert not settings["unet_lr"].changed
    assert settings["steps"].changed
    assert settings["steps"].why == "the preset says —"
    assert not settings["network_alpha"].changed
    assert "name" not in settings
    # Not in the preset's file: what the setting does.
    assert "{trigger}" in settings["caption_template"].why


def test_a_preset_that_is_gone_leaves_the_settings() -> None:
    record, blobs = sample(preset="somebodys-own")
    settings = training_view(record, blobs.__getitem__, Path(), {}).settings
    assert not any(row.changed for row in settings)
    assert all(row.why for row in settings)


@pytest.mark.parametrize(
    ("seconds", "words"), [(900.0, "longer than predicted"), (10.0, "shorter than predicted")]
)
def test_a_wrong_prediction_is_admitted(seconds: float, words: str) -> None:
    record, blobs = sample(seconds={"training": seconds})
    assert words in training_view(record, blobs.__getitem__, Path(), {}).took


def test_phases_stand_in_the_order_they_come() -> None:
    record, blobs = sample()
    phases = training_view(record, blobs.__getitem__, Path(), {}).phases
    assert [phase.name for phase in phases] == [
        "loading the model", "encoding the pictures", "training", "saving", "checking likeness"
    ]  # fmt: skip
    assert max(phases, key=lambda phase: phase.share).name == "training"
    assert phases[2].predicted == "5 minutes"


# ---- charts


def test_a_loss_that_is_no_number_is_left_out() -> None:
    chart = loss_chart([[1, 0.2], [2, math.nan], [3, math.inf], [4, 0.1]], [4], 4)
    assert chart is not None
    assert len(chart.lines[0].points.split()) == 2
    assert loss_chart([[1, 0.2]], [], None) is None
    assert loss_chart([[1, math.nan], [2, math.nan]], [], None) is None


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=50))
def test_smoothing_stays_within_the_values(values: list[float]) -> None:
    out = smoothed(values)
    assert len(out) == len(values)
    assert out[0] == pytest.approx(values[0])
    assert min(values) - 1e-9 <= min(out) <= max(out) <= max(values) + 1e-9


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1)), min_size=1, max_size=12))
def test_every_point_lies_on_the_chart(values: list[tuple[int, float]]) -> None:
    points = [Point(float(x), y, "text") for x, y in sorted(values)]
    chart = share_chart("t", "steps", [("s", "main", points)])
    assert chart is not None
    for dot in chart.lines[0].dots:
        assert chart.left <= dot.x <= chart.right
        assert chart.top <= dot.y <= chart.bottom
    assert len(chart.x_ticks) <= 8


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=60))
def test_any_loss_can_be_drawn(values: list[float]) -> None:
    chart = loss_chart(list(enumerate(values)), [1], 1)
    assert chart is not None
    for pair in " ".join(line.points for line in chart.lines).split():
        x, y = (float(part) for part in pair.split(","))
        assert chart.left <= x <= chart.right
        assert chart.top <= y <= chart.bottom


def test_nothing_to_show_is_no_chart() -> None:
    assert share_chart("t", "x", [("s", "main", [])]) is None
