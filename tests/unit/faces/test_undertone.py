"""Warm or cool skin: what a cast may not change, what skin must, and when nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from faces import Face, Undertone, detect, estimate_undertone, measure_skin
from faces._light import NEUTRAL, agreed, linear, to_lab
from faces.undertone import BORDER_DEG, SURE_ENOUGH, SkinColour, judge

EXAMPLES = Path(__file__).parents[3] / "examples" / "photos"
NAMES = ("01-portrait.jpg", "05-close.jpg", "06-overcast.png", "08-lamp-from-left.jpg", "09-dim.webp")
CASTS = {"lamp": (1.25, 1.0, 0.62), "shade": (0.82, 1.0, 1.2), "green": (0.85, 1.0, 0.85)}

Shot = tuple[Any, Face]


@pytest.fixture(scope="module")
def shots() -> list[Shot]:
    """Example photos with their faces."""
    found = []
    for name in NAMES:
        image = ImageOps.exif_transpose(Image.open(EXAMPLES / name)).convert("RGB")
        image.thumbnail((1000, 1000))
        pixels = np.asarray(image)
        found.append((pixels, detect(pixels)[0]))
    return found


def _encode(light: Any) -> Any:
    """sRGB bytes of linear light."""
    light = np.clip(light, 0.0, 1.0)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(values * 255).astype(np.uint8)


def _cast(pixels: Any, gains: tuple[float, float, float]) -> Any:
    """The photo in other light, dimmed so that nothing burns out."""
    return _encode(linear(pixels) * np.array(gains) * (0.9 / max(gains)))


def _with_skin(shot: Shot, towards: float) -> Shot:
    """The same photo with the skin, and nothing else, more golden (+) or more rosy (-)."""
    pixels, face = shot
    light = linear(pixels)
    reference = light[_patch(pixels, face)].mean(axis=0)
    ratio = np.log(light + 1e-3) - np.log(reference + 1e-3)
    alike = (np.abs(ratio[..., 0] - ratio[..., 1]) < 0.25) & (np.abs(ratio[..., 2] - ratio[..., 1]) < 0.3)
    near = np.zeros(pixels.shape[:2], bool)
    x0, y0, x1, y1 = (max(0, int(value)) for value in face.box)
    near[y0:y1, x0:x1] = True
    for x, y in face.landmarks[:2]:
        around = int(0.3 * face.span)
        near[
            max(0, int(y - around * 0.5)) : int(y + around * 0.5), max(0, int(x - around)) : int(x + around)
        ] = False
    gains = np.array([1.0 - 0.5 * towards, 1.0 + 0.5 * towards, 1.0 - 1.2 * towards])
    return _encode(np.where((alike & near)[..., None], light * gains, light)), face


def _patch(pixels: Any, face: Face) -> Any:
    x, y = face.eye_center
    rows, columns = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]]
    return np.hypot(np.abs(columns - x) - 0.44 * face.span, rows - y - 0.58 * face.span) < 0.15 * face.span


def _hues(shot: Shot) -> tuple[float, float]:
    found = measure_skin(*shot)
    assert found is not None
    return found.raw_hue_deg, found.hue_deg


def _measure(hue: float, *, doubt: float = 3.0) -> SkinColour:
    return SkinColour(65.0, 8.0, 14.0, hue, hue, doubt, NEUTRAL)


@pytest.mark.parametrize("cast", CASTS)
def test_a_cast_changes_the_balanced_hue_less_than_the_raw_one(shots: list[Shot], cast: str) -> None:
    raw, balanced = [], []
    for pixels, face in shots:
        before, after = _hues((pixels, face)), _hues((_cast(pixels, CASTS[cast]), face))
        raw.append(abs(after[0] - before[0]))
        balanced.append(abs(after[1] - before[1]))
    assert np.mean(raw) > 5, "the cast should matter"
    assert np.mean(balanced) < 0.7 * np.mean(raw)


def test_skins_of_another_undertone_in_the_same_light_are_told_apart(shots: list[Shot]) -> None:
    golden = estimate_undertone(_with_skin(shot, 0.12) for shot in shots)
    rosy = estimate_undertone(_with_skin(shot, -0.18) for shot in shots)
    assert golden.hue_deg is not None
    assert rosy.hue_deg is not None
    assert golden.hue_deg - rosy.hue_deg > 15
    assert golden.label == "warm"
    assert rosy.label != "warm"


def test_the_same_photos_give_the_same_answer(shots: list[Shot]) -> None:
    assert estimate_undertone(shots) == estimate_undertone(shots)
    assert estimate_undertone(shots) == estimate_undertone(reversed(shots))


def test_the_examples_are_golden_and_it_says_why(shots: list[Shot]) -> None:
    found = estimate_undertone(shots)
    assert found.label == "warm"
    assert SURE_ENOUGH <= found.confidence < 0.8
    assert "warm" in found.why
    assert "5 photos" in found.why
    assert "웜톤" in found.describe("ko")
    shown = found.to_json()
    assert shown["why"]["ko"] == found.describe("ko")
    assert shown["photos"] == 5


def test_one_photo_is_never_enough(shots: list[Shot]) -> None:
    found = estimate_undertone(shots[:1])
    assert (found.label, found.reason) == ("neutral", "few_photos")
    assert found.confidence <= 1 / 3
    assert "Too few photos" in found.why


def test_black_and_white_photos_say_nothing(shots: list[Shot]) -> None:
    grey = [(np.repeat(p.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2), f) for p, f in shots]
    found = estimate_undertone(grey)
    assert (found.label, found.confidence, found.photos, found.reason) == ("neutral", 0.0, 0, "no_skin")
    assert found.hue_deg is None
    assert "No photo shows" in found.why


def test_a_face_without_lit_skin_is_left_out(shots: list[Shot]) -> None:
    pixels, face = shots[0]
    assert measure_skin(np.zeros_like(pixels), face) is None
    assert measure_skin(np.full_like(pixels, 255), face) is None


@pytest.mark.parametrize(("hue", "label"), [(66.0, "warm"), (44.0, "cool")])
def test_photos_that_agree_give_a_label(hue: float, label: str) -> None:
    found = judge([_measure(hue + shift) for shift in (-1.0, 0.0, 0.5, 1.0, -0.5)])
    assert (found.label, found.reason) == (label, "clear")
    assert found.confidence == pytest.approx(5 / 7)


def test_a_skin_at_the_border_is_neither() -> None:
    found = judge([_measure(BORDER_DEG + 1)] * 8)
    assert (found.label, found.reason) == ("neutral", "middle")
    assert found.confidence < SURE_ENOUGH


def test_photos_that_disagree_give_none() -> None:
    found = judge([_measure(hue) for hue in (40.0, 42.0, 45.0, 66.0, 70.0, 72.0)])
    assert (found.label, found.reason) == ("neutral", "photos_differ")
    assert "disagree" in found.why


def test_light_that_cannot_be_told_gives_none() -> None:
    found = judge([_measure(62.0, doubt=14.0)] * 10)
    assert (found.label, found.reason) == ("neutral", "light")
    assert "daylight" in found.why


def test_more_doubt_fewer_photos_and_a_wider_spread_never_make_it_surer() -> None:
    def sure(number: int, spread: float, doubt: float) -> float:
        hues = np.linspace(63 - spread, 63 + spread, number)
        return judge([_measure(float(hue), doubt=doubt) for hue in hues]).confidence

    for low, high in ((3, 5), (5, 9), (9, 15)):
        assert sure(low, 4, 3) <= sure(high, 4, 3)
    for low, high in ((0.0, 5.0), (5.0, 12.0)):
        assert sure(7, high, 3) <= sure(7, low, 3)
        assert sure(7, 3, high) <= sure(7, 3, low)
    assert sure(500, 0, 0) < 1.0


@pytest.mark.parametrize("reason", ["clear", "middle", "light", "photos_differ", "few_photos", "no_skin"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_reason_has_words_in_both_languages(reason: Any, language: str) -> None:
    text = Undertone("neutral", 0.4, 58.0, 14.0, 3.0, 5.0, 4, reason).describe(language)
    assert text
    assert "{" not in text


def test_two_ways_of_telling_the_light_count_as_far_as_they_agree() -> None:
    assert agreed([]) == NEUTRAL
    assert agreed([(1.4, 1.0, 0.8), (1.2, 1.0, 1.1)]) == pytest.approx((1.2, 1.0, 1.0))
    alone = agreed([(1.44, 1.0, 1.0)])
    assert alone == pytest.approx((1.2, 1.0, 1.0))


def test_known_colours_in_cielab() -> None:
    """sRGB white and red as published for D65; and a light divided out leaves the colour it fell on."""
    assert to_lab(linear(np.array([255, 255, 255])), NEUTRAL) == pytest.approx((100.0, 0.0, 0.0), abs=0.02)
    assert to_lab(linear(np.array([255, 0, 0])), NEUTRAL) == pytest.approx((53.24, 80.09, 67.20), abs=0.05)
    lit = linear(np.array([180, 140, 120])) * np.array([1.3, 1.0, 0.7])
    assert to_lab(lit, (1.3, 1.0, 0.7)) == pytest.approx(
        to_lab(linear(np.array([180, 140, 120])), NEUTRAL), abs=1e-6
    )
