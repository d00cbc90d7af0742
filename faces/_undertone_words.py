"""What an estimate of the undertone says to people, in English and Korean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Reason = Literal["clear", "middle", "light", "photos_differ", "few_photos", "no_skin"]

_LABELS = {
    "en": {"warm": "warm", "cool": "cool", "neutral": "neither warm nor cool for sure"},
    "ko": {"warm": "웜톤", "cool": "쿨톤", "neutral": "웜톤과 쿨톤 중 확실하지 않음"},
}
_HEAD = {
    "en": "Undertone of the skin: {label}, {percent} % sure, from {photos} {noun} (hue {hue_deg:.0f}°, "
    "the border is 55°).",
    "ko": "피부 언더톤: {label}, 확신도 {percent}%, 사진 {photos}장 기준(색상각 {hue_deg:.0f}°, 경계 55°).",
}
_WHY: dict[str, dict[Reason, str]] = {
    "en": {
        "clear": "The photos agree to within {spread_deg:.0f}°, and what cannot be told of their light is "
        "worth {doubt_deg:.0f}°.",
        "middle": "It lies too near the border to be called one or the other.",
        "light": "The colour of the light in these photos cannot be told well enough ({doubt_deg:.0f}°); "
        "photos by a window in daylight would help.",
        "photos_differ": "The photos disagree (spread {spread_deg:.0f}°): lamps, filters or make-up change "
        "the skin's colour between them.",
        "few_photos": "Too few photos show enough bare, evenly lit skin; three are the least.",
        "no_skin": "No photo shows enough bare, evenly lit skin to tell its undertone.",
    },
    "ko": {
        "clear": "사진들이 {spread_deg:.0f}° 이내로 일치하며, 조명색의 불확실성은 {doubt_deg:.0f}°입니다.",
        "middle": "경계에 너무 가까워 어느 한쪽이라고 할 수 없습니다.",
        "light": "사진 속 조명의 색을 충분히 알 수 없습니다({doubt_deg:.0f}°). "
        "창가 자연광에서 찍은 사진이 도움이 됩니다.",
        "photos_differ": "사진마다 결과가 다릅니다(편차 {spread_deg:.0f}°). "
        "조명, 필터, 화장이 피부색을 바꾸었을 수 있습니다.",
        "few_photos": "고르게 밝고 드러난 피부가 보이는 사진이 너무 적습니다. 최소 세 장이 필요합니다.",
        "no_skin": "언더톤을 알 수 있을 만큼 고르게 밝고 드러난 피부가 보이는 사진이 없습니다.",
    },
}


def describe(language: str, values: Mapping[str, Any]) -> str:
    """The sentences for an estimate.

    Args:
        language: "en" or "ko".
        values: The fields of `Undertone`.
    """
    reason: Reason = values["reason"]
    why = _WHY[language][reason].format(**values)
    if values["hue_deg"] is None:
        return why
    head = _HEAD[language].format(
        **{**values, "label": _LABELS[language][values["label"]]},
        # Down: nobody is told more than was found.
        percent=int(100 * values["confidence"]),
        noun="photo" if values["photos"] == 1 else "photos",
    )
    return f"{head} {why}"
