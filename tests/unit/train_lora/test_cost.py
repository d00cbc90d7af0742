"""Minutes of a training before it starts: what makes it longer, what is known, and how that is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_lora._step_cost import MATTERS, step_units, what_matters
from train_lora._time_spans import duration, span
from train_lora.calibration import (
    MIN_STEPS,
    WARM_UP_STEPS,
    Calibration,
    calibration_key,
    calibration_recipe,
)
from train_lora.cost import Generations, Prediction, predict
from train_lora.errors import TrainError
from train_lora.recipe import TrainRecipe, make_recipe
from train_lora.training_settings import TrainSettings

CPU: dict[str, Any] = {"gpus": []}
SMALL = {"gpus": [{"name": "small", "total_mib": 6144}]}
LARGE = {"gpus": [{"name": "large", "total_mib": 24576}]}
CHOOSING = Generations(pictures=56, width=512, height=640, steps=16)


def recipe(**values: Any) -> TrainRecipe:
    return make_recipe(**{"name": "alice", "steps": 1200, **values})


def calibrated(of: TrainRecipe, per_step: float = 0.5, **values: Any) -> Calibration:
    marks = [(step, step * per_step) for step in range(1, 40)]
    known: dict[str, Any] = {"seconds": {"preparing": 18.0, "caching": 4.0}, "pictures": 10, **values}
    return Calibration.of_run(of, marks, **known)


def bounds(prediction: Prediction) -> tuple[float, float, float]:
    return prediction.low, prediction.likely, prediction.high


# ---- the model of a step


@pytest.mark.parametrize(("px", "seconds"), [(128, 2.4), (256, 6.3), (512, 26.0)])
def test_the_recorded_cpu_runs_are_met(px: int, seconds: float) -> None:
    """Rank 8, fp32, batch 1 on two shared cores."""
    matters = what_matters(recipe(resolution=px, network_dim=8, network_alpha=4.0, mixed_precision="no"))
    assert 26.0 * step_units(matters, "sd15", gpu=False) == pytest.approx(seconds, rel=0.1)


LONGER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"steps": 600}, {"steps": 601}),
    ({"resolution": 512}, {"resolution": 576}),
    ({"batch_size": 1}, {"batch_size": 2}),
    ({"gradient_accumulation_steps": 1}, {"gradient_accumulation_steps": 4}),
    ({"text_encoder_lr": 0.0}, {"text_encoder_lr": 5e-5}),
    ({"gradient_checkpointing": False}, {"gradient_checkpointing": True}),
    ({"mixed_precision": "auto"}, {"mixed_precision": "no"}),
    ({"network_dim": 16}, {"network_dim": 128}),
    ({"attention": "sdpa"}, {"attention": "none"}),
    ({"save_every_n_steps": None}, {"save_every_n_steps": 100}),
    ({"family": "sd15"}, {"family": "sdxl"}),
]


@pytest.mark.parametrize(("less", "more"), LONGER)
@pytest.mark.parametrize("known", [False, True])
def test_what_makes_a_training_longer(less: dict[str, Any], more: dict[str, Any], known: bool) -> None:
    measured = calibrated(recipe(resolution=256)) if known and "family" not in less else None
    quick = predict(recipe(**less), 8, LARGE, measured)
    slow = predict(recipe(**more), 8, LARGE, measured)
    assert all(a < b for a, b in zip(bounds(quick), bounds(slow), strict=True))


def test_checkpointing_is_a_third_and_not_caching_latents_costs_more_than_the_cache() -> None:
    plain = step_units(what_matters(recipe()), "sd15", gpu=True)
    assert step_units(what_matters(recipe(gradient_checkpointing=True)), "sd15", gpu=True) == pytest.approx(
        1.3 * plain
    )
    assert predict(recipe(cache_latents="off"), 8, LARGE).likely > predict(recipe(), 8, LARGE).likely


RECIPES = st.builds(
    lambda size, batch, dim, te, gc, half: recipe(
        resolution=size * 64, batch_size=batch, network_dim=dim, network_alpha=1.0,
        text_encoder_lr=5e-5 if te else 0.0, gradient_checkpointing=gc, half_body_share=half,
    ),
    st.integers(1, 16), st.integers(1, 8), st.integers(1, 128), st.booleans(), st.booleans(), st.floats(0, 1),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    base=RECIPES,
    steps=st.integers(1, 5000),
    more=st.integers(1, 500),
    photos=st.integers(1, 40),
    machine=st.sampled_from([None, CPU, SMALL, LARGE]),
    known=st.booleans(),
)
def test_more_is_never_shorter(
    base: TrainRecipe, steps: int, more: int, photos: int, machine: Any, known: bool
) -> None:
    measured = calibrated(recipe(resolution=256)) if known else None

    def at(count: int, of: int, **values: Any) -> tuple[float, float, float]:
        changed = base.model_copy(update={"steps": count, **values})
        return bounds(predict(changed, of, machine, measured, choosing=CHOOSING))

    plain = at(steps, photos)
    assert 0 < plain[0] <= plain[1] <= plain[2]
    for longer in (
        at(steps + more, photos),
        at(steps, photos + 1),
        at(steps, photos, resolution=base.resolution + 64),
        at(steps, photos, batch_size=base.batch_size + 1),
        at(steps, photos, gradient_accumulation_steps=2),
    ):
        assert all(a <= b for a, b in zip(plain, longer, strict=True))


def test_steps_that_follow_from_the_photos() -> None:
    many = predict(recipe(steps=None, steps_per_photo=150, min_steps=100, max_steps=1600), 8, LARGE)
    few = predict(recipe(steps=None, steps_per_photo=150, min_steps=100, max_steps=1600), 2, LARGE)
    assert (many.steps, few.steps) == (1200, 300)
    assert many.likely > few.likely


# ---- machines


def test_without_a_calibration_the_bounds_are_wide_and_it_says_so() -> None:
    for machine, words in ((None, "unknown GPU"), (CPU, "a CPU"), (SMALL, "less than 7 GB")):
        prediction = predict(recipe(), 8, machine)
        assert not prediction.calibrated
        assert prediction.high > 2 * prediction.likely > 2.5 * prediction.low
        assert "not measured on this machine yet" in str(prediction)
        assert words in str(prediction)


def test_kinds_of_machines_are_in_order() -> None:
    minutes = [predict(recipe(), 8, {"gpus": [{"total_mib": gb * 1024}]}).likely for gb in (24, 16, 11, 6)]
    assert minutes == sorted(minutes)
    assert minutes[-1] < predict(recipe(), 8, CPU).likely
    assert predict(recipe(), 8, {"gpus": [{"name": "x"}]}).why == predict(recipe(), 8, None).why
    # The best of several is used.
    assert predict(recipe(), 8, {"gpus": [*SMALL["gpus"], *LARGE["gpus"]]}) == predict(recipe(), 8, LARGE)


def test_on_a_cpu_half_numbers_are_not_a_gain() -> None:
    assert predict(recipe(mixed_precision="no"), 8, CPU).likely == predict(recipe(), 8, CPU).likely


# ---- calibration


def test_a_calibration_narrows_to_what_was_measured() -> None:
    measured = calibrated(recipe(), per_step=0.5)
    prediction = predict(recipe(), 8, LARGE, measured)
    assert prediction.calibrated
    assert prediction.high < 1.3 * prediction.likely < 1.7 * prediction.low
    training = next(part for part in prediction.parts if part.name == "training")
    assert training.likely_s == pytest.approx(1200 * 0.5)
    preparing = next(part for part in prediction.parts if part.name == "preparing")
    assert preparing.likely_s == pytest.approx(18.0)
    assert "measured here" in str(prediction)
    assert "0.50 s each" in str(prediction)
    rough = predict(recipe(), 8, LARGE)
    assert prediction.high / prediction.low < rough.high / rough.low


def test_other_settings_are_converted_with_wider_bounds() -> None:
    measured = calibrated(recipe(resolution=512), per_step=0.5)
    same, other = predict(recipe(), 8, LARGE, measured), predict(recipe(resolution=768), 8, LARGE, measured)
    training = {part.name: part for part in other.parts}["training"]
    assert training.likely_s > 1200 * 0.5 * 2
    assert training.high_s / training.low_s > {p.name: p.high_s / p.low_s for p in same.parts}["training"]
    assert "converted from" in other.why
    assert "512 px" in other.why


def test_a_calibration_of_another_family_is_not_used() -> None:
    assert not predict(recipe(), 8, LARGE, calibrated(recipe(family="sdxl"))).calibrated


def test_warm_up_and_interruptions_do_not_count() -> None:
    times = [0.0]
    for step in range(1, 60):
        times.append(times[-1] + (9.0 if step <= WARM_UP_STEPS else 30.0 if step == 30 else 0.4))
    measured = Calibration.of_run(recipe(), list(enumerate(times)), seconds={}, pictures=0)
    assert measured.seconds_per_step == pytest.approx(0.4)
    assert measured.spread == 0.0
    assert measured.encode_s is None


def test_reports_that_cover_several_steps_count_for_each() -> None:
    marks = [(1, 0.0), *((4 + 10 * k, 3.0 + 5.0 * k) for k in range(4))]
    measured = Calibration.of_run(recipe(), marks, seconds={"saving": 6.0}, pictures=0, checkpoints=3)
    assert measured.steps == 30
    assert measured.seconds_per_step == pytest.approx(0.5)
    assert measured.save_s == 2.0


@pytest.mark.parametrize("steps", [0, 1, MIN_STEPS + WARM_UP_STEPS])
def test_too_few_steps_are_refused(steps: int) -> None:
    with pytest.raises(TrainError, match="too few"):
        Calibration.of_run(recipe(), [(n, float(n)) for n in range(steps)], seconds={}, pictures=0)


def test_an_uneven_machine_widens_the_bounds() -> None:
    even = calibrated(recipe())
    marks, at = [], 0.0
    for step in range(60):
        at += 0.2 if step % 2 else 0.8
        marks.append((step, at))
    uneven = Calibration.of_run(recipe(), marks, seconds={}, pictures=0)
    assert uneven.spread > even.spread
    ratio = [p.high / p.low for p in (predict(recipe(), 8, LARGE, c) for c in (even, uneven))]
    assert ratio[1] > ratio[0]


def test_the_calibrating_run_is_short_and_enough() -> None:
    short = calibration_recipe(recipe())
    assert short.steps is not None
    assert short.save_every_n_steps is None
    assert what_matters(short) == what_matters(recipe())
    marks = [(step, float(step)) for step in range(1, short.steps + 1)]
    assert Calibration.of_run(short, marks, seconds={}, pictures=0).steps >= MIN_STEPS


def test_a_calibration_survives_its_file() -> None:
    measured = calibrated(recipe(), picture_s=3.5)
    assert Calibration.from_json(measured.to_json()) == measured


@pytest.mark.parametrize(
    "change",
    [{"schema": "sdwebui-calibration/9"}, {"steps": 2}, {"seconds_per_step": 0}, {"extra": 1}, {"matters": 3},
     {"load_s": None}, {"seconds_per_step": "fast"}, {"seconds_per_step": float("inf")},
     {"load_s": float("nan")}, {"spread": "wide"}, {"spread": -1}, {"encode_s": "x"}, {"save_s": -1},
     {"picture_s": [1]}, {"steps": True}, {"family": "sd3"}, {"matters": {}},
     {"matters": {"resolution": 512}}],
)  # fmt: skip
def test_a_damaged_or_other_file_is_no_calibration(change: dict[str, Any]) -> None:
    values = {**json.loads(calibrated(recipe()).to_json()), **change}
    assert Calibration.from_json(json.dumps(values)) is None


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null", "{}"])
def test_what_is_no_file_of_ours_is_no_calibration(text: str) -> None:
    assert Calibration.from_json(text) is None


@pytest.mark.parametrize("name", ["resolution", "batch_size", "network_dim"])
@pytest.mark.parametrize("value", [0, -1, "512", None, 1e9])
def test_impossible_settings_are_no_calibration(name: str, value: object) -> None:
    values = json.loads(calibrated(recipe()).to_json())
    values["matters"][name] = value
    assert Calibration.from_json(json.dumps(values)) is None


def test_the_key_tells_machines_and_settings_apart_and_nothing_else() -> None:
    key = calibration_key(recipe(), LARGE)
    assert key.startswith("sd15-512-")
    assert key == calibration_key(recipe(name="bob", steps=7, seed=3, save_every_n_steps=None), LARGE)
    free = {"gpus": [{"name": "large", "total_mib": 24576, "free_mib": 5}], "free_disk": 3}
    assert key == calibration_key(recipe(), free)
    others = [
        calibration_key(recipe(), SMALL),
        calibration_key(recipe(resolution=576), LARGE),
        calibration_key(recipe(gradient_checkpointing=True), LARGE),
        calibration_key(recipe(family="sdxl"), LARGE),
        calibration_key(recipe(), None),
    ]
    assert len({key, *others}) == 6


def test_what_matters_names_settings() -> None:
    assert set(MATTERS) - {"text_encoder"} <= TrainSettings.model_fields.keys()
    # Encoded to memory or to disk: the steps are the same.
    assert what_matters(recipe(cache_latents="disk")) == what_matters(recipe())


# ---- choosing, and words


def test_choosing_is_a_part_of_its_own() -> None:
    without, with_it = predict(recipe(), 8, LARGE), predict(recipe(), 8, LARGE, choosing=CHOOSING)
    assert [part.name for part in with_it.parts][:-1] == [part.name for part in without.parts]
    assert with_it.likely > without.likely
    measured = calibrated(recipe(), picture_s=3.0)
    known = {p.name: p for p in predict(recipe(), 8, LARGE, measured, choosing=CHOOSING).parts}["choosing"]
    assert known.likely_s == pytest.approx(56 * 3.0)


def test_prediction_against_what_it_took() -> None:
    prediction = Prediction(12.0, 18.0, 30.0, "measured here", 1200, (), True)
    assert prediction.compared(19 * 60) == "predicted 12–30 minutes, took 19 minutes"
    assert prediction.compared(31 * 60).endswith("longer than predicted")
    assert prediction.compared(60).endswith("took 60 seconds, shorter than predicted")
    assert str(prediction) == "12–30 minutes: measured here"


def test_the_record_is_plain_json() -> None:
    record = predict(recipe(), 8, None, choosing=CHOOSING).to_json()
    assert json.loads(json.dumps(record)) == record
    assert record["low_min"] <= record["likely_min"] <= record["high_min"]
    assert set(record["parts"]) == {"preparing", "caching", "training", "saving", "choosing"}
    assert record["calibrated"] is False


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (20, 40, "20–40 seconds"),
        (40, 200, "40 seconds to 3 minutes"),
        (62, 1920, "1–32 minutes"),
        (720, 1800, "12–30 minutes"),
        (1080, 1081, "about 18 minutes"),
        (600, 20000, "10 minutes to 5.6 hours"),
        (5400, 80000, "1.5–22 hours"),
    ],
)
def test_spans(low: float, high: float, text: str) -> None:
    assert span(low, high) == text


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_any_span_has_a_unit(one: float, other: float) -> None:
    text = span(min(one, other), max(one, other))
    assert text.split()[-1] in ("seconds", "minutes", "hours")
    assert duration(one).split()[1] in ("seconds", "minutes", "hours")
