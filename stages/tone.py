"""Which tones a run makes: those listed, both, one, or the one that suits the person's skin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faces import Undertone, estimate_undertone

from .presets import AUTO, BOTH, Preset

if TYPE_CHECKING:
    from faces import Face
    from train_lora import PhotoSet

COOL_AND_WARM = ("cool", "warm")
"""The library's two; an undertone is called by the same words."""
_KOREAN = {"cool": "쿨톤", "warm": "웜톤"}


@dataclass(frozen=True)
class ToneChoice:
    """The tones of a run, and why these."""

    asked: str | None
    """The preset's `tone`."""
    tones: tuple[str, ...]
    undertone: Undertone | None = None
    """What the photos say; None when they were not asked."""

    @property
    def text(self) -> str:
        """What is said to the user; empty when there is nothing to say."""
        return self.describe("en")

    def describe(self, language: str = "en") -> str:
        """The proposal and its reason in "en" or "ko"; empty when the photos were not asked."""
        if self.undertone is None:
            return ""
        why = self.undertone.describe(language)
        if len(self.tones) == 1:
            proposal = {
                "en": f"The {self.tones[0]} tone is made. The other one: --tone both.",
                "ko": f"{_KOREAN[self.tones[0]]}으로 만듭니다. 둘 다 보려면: --tone both",
            }
        else:
            proposal = {"en": "Both tones are made.", "ko": "두 톤 모두 만듭니다."}
        return f"{why} {proposal[language]}"

    def to_json(self) -> dict[str, Any]:
        """As in run.json."""
        found: dict[str, Any] = {"asked": self.asked, "tones": list(self.tones)}
        if self.undertone is not None:
            found["undertone"] = self.undertone.to_json()
        return found


def planned_tones(preset: Preset) -> tuple[str, ...]:
    """The tones before the photos were looked at; with `auto` the most it can come to."""
    if preset.tone is None:
        return preset.tones
    return COOL_AND_WARM if preset.tone in (AUTO, BOTH) else (preset.tone,)


def choose_tones(preset: Preset, photos: PhotoSet) -> ToneChoice:
    """The tones of a run.

    With `auto` the one that matches the undertone of the skin, when enough photos agree on it; else both.

    Raises:
        PhotosError: A photo changed since it was checked.
    """
    if preset.tone != AUTO:
        return ToneChoice(preset.tone, planned_tones(preset))
    undertone = estimate_undertone(_faces(photos))
    return ToneChoice(AUTO, tones_for(undertone), undertone)


def tones_for(undertone: Undertone) -> tuple[str, ...]:
    """The tone an undertone proposes; both when it is not sure."""
    return COOL_AND_WARM if undertone.label == "neutral" else (undertone.label,)


def _faces(photos: PhotoSet) -> Iterator[tuple[Any, Face]]:
    """One photo in memory at a time."""
    return ((photo.open(), photo.face) for photo in photos.accepted)
