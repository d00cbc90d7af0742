"""Which tones are made, and when the photos decide."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from faces import Undertone
from stages import tone as tones
from stages.presets import PresetError, load_preset
from stages.tone import ToneChoice, choose_tones, planned_tones, tones_for

NOBODY: Any = SimpleNamespace(accepted=())


def undertone(label: Any, confidence: float = 0.7) -> Undertone:
    reason: Any = "light" if label == "neutral" else "clear"
    return Undertone(label, confidence, 64.0, 14.0, 2.0, 4.0, 9, reason)


def preset(*sets: str) -> Any:
    return load_preset("studio-sd15", sets=sets)


@pytest.mark.parametrize(
    ("sets", "made"),
    [
        ((), ("cool", "warm")),
        (("tones=[monochrome]",), ("monochrome",)),
        (("tone=null", "tones=[warm]"), ("warm",)),
        (("tone=both", "tones=[warm]"), ("cool", "warm")),
        (("tone=cool",), ("cool",)),
        (("tone=monochrome",), ("monochrome",)),
        (("tone=auto", "tones=[warm]"), ("cool", "warm")),
    ],
)
def test_the_tones_before_a_photo_is_seen(sets: tuple[str, ...], made: tuple[str, ...]) -> None:
    assert planned_tones(preset(*sets)) == made


def test_only_auto_looks_at_the_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tones, "estimate_undertone", lambda _: pytest.fail("was asked"))
    for sets in ((), ("tone=both",), ("tone=warm",)):
        choice = choose_tones(preset(*sets), NOBODY)
        assert choice.undertone is None
        assert choice.text == ""
        assert "undertone" not in choice.to_json()


@pytest.mark.parametrize(
    ("label", "made"), [("warm", ("warm",)), ("cool", ("cool",)), ("neutral", ("cool", "warm"))]
)
def test_auto_proposes_what_the_skin_says(
    label: str, made: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tones, "estimate_undertone", lambda _: undertone(label))
    choice = choose_tones(preset("tone=auto"), NOBODY)
    assert choice.tones == made == tones_for(undertone(label))
    shown = choice.to_json()
    assert shown["asked"] == "auto"
    assert shown["tones"] == list(made)
    assert shown["undertone"]["label"] == label
    assert choice.text.endswith("--tone both." if label != "neutral" else "Both tones are made.")
    assert "70 %" in choice.text


def test_it_is_said_in_korean_too() -> None:
    said = ToneChoice("auto", ("warm",), undertone("warm")).describe("ko")
    assert "웜톤으로 만듭니다" in said
    assert "두 톤 모두" in ToneChoice("auto", ("cool", "warm"), undertone("neutral")).describe("ko")


def test_without_photos_both_are_made() -> None:
    choice = choose_tones(preset("tone=auto"), NOBODY)
    assert choice.tones == ("cool", "warm")
    assert choice.undertone is not None
    assert choice.undertone.reason == "no_skin"


def test_a_misspelt_tone_is_named_with_its_near_match() -> None:
    with pytest.raises(PresetError, match=r"(?s)tone: .*wram.*did you mean warm"):
        preset("tone=wram")
