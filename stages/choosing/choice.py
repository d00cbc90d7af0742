"""What was chosen, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from . import scoring

CLOSE = 0.03
"""Likenesses this close are called equal."""
CLEARLY = 0.1
"""Copying or variety that differs by so much is worth a word."""
MUCH = 0.5
"""Copying of the winner from which the user is told."""
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class TrialPicture:
    """One picture of a trial."""

    sha256: str
    seed: int
    prompt: str
    likeness: float
    """Calibrated, 0..1; 0 without a face."""
    distance: float | None
    """The face model's measure; None without a face."""
    copying: float
    """Nearness to a training picture as a picture, 0..1."""
    flaw: str = ""
    """"no face" or "blurred"; such a picture counts as a stranger's."""
    repeats: str = ""
    """The training picture it is nearest to, a file of the dataset."""


@dataclass(frozen=True)
class Trial:
    """A checkpoint at a weight."""

    step: int
    weight: float
    likeness: float
    """Mean over the pictures, 0..1."""
    worst: float
    """Lowest likeness."""
    variety: float
    """How much pictures differ that were asked for differently, 0..1."""
    copying: float
    """Mean, 0..1."""
    score: float
    """What the choice goes by, 0..1; see `scoring`."""
    pictures: tuple[TrialPicture, ...]


@dataclass(frozen=True)
class Compared:
    """The photos that were the measure."""

    photos: int
    held_out: bool
    """Whether the training never saw them; else every likeness is flattered."""

    @property
    def words(self) -> str:
        """Such as "two photos it never saw"."""
        number = _NUMBERS[self.photos] if self.photos < len(_NUMBERS) else str(self.photos)
        noun = "photo" if self.photos == 1 else "photos"
        if self.held_out:
            return f"{number} {noun} it never saw"
        return (
            f"{'the one' if self.photos == 1 else f'all {number}'} {noun} it was trained on, which flatters"
        )


@dataclass(frozen=True)
class Choice:
    """The checkpoint and the weight that won."""

    step: int
    weight: float
    why: str
    """A sentence."""
    trials: tuple[Trial, ...]
    """By step, then weight."""
    compared: Compared

    def to_json(self) -> dict[str, Any]:
        """As in training.json."""
        return asdict(self)


def decide(trials: Sequence[Trial], compared: Compared) -> Choice:
    """Choose among trials.

    Raises:
        ValueError: There are none.
    """
    order = tuple(sorted(trials, key=lambda trial: (trial.step, trial.weight)))
    won = order[scoring.best([(trial.score, trial.step, trial.weight) for trial in order])]
    return Choice(won.step, won.weight, _why(won, order, compared), order, compared)


def _why(won: Trial, trials: Sequence[Trial], compared: Compared) -> str:
    parts = [
        f"step {won.step} at weight {won.weight:g}: likeness {_told(won.likeness)} against {compared.words}"
    ]
    rivals = [trial for trial in trials if trial.step != won.step]
    if rivals:
        parts.append(_against(won, max(rivals, key=lambda trial: (trial.score, -trial.step))))
    weights = [trial for trial in trials if trial.step == won.step and trial.weight != won.weight]
    if weights:
        other = max(weights, key=lambda trial: (trial.score, -trial.weight))
        parts.append(f"weight {other.weight:g} {_compare(won, other, longer=other.weight > won.weight)}")
    return "; ".join([*parts, *_warnings(won)])


def _told(share: float) -> str:
    """0.998 is not 1.00."""
    return f"{share:.2f}" if share < 0.995 else f"{min(share, 0.999):.3f}"


def _against(won: Trial, rival: Trial) -> str:
    return f"step {rival.step} {_compare(won, rival, longer=rival.step > won.step)}"


def _compare(won: Trial, rival: Trial, *, longer: bool) -> str:
    """What speaks against the rival."""
    as_like = abs(rival.likeness - won.likeness) <= CLOSE
    less = f"is less like ({_told(rival.likeness)})"
    start = "is as like" if as_like else "is more like" if rival.likeness > won.likeness else ""
    if rival.copying >= won.copying + CLEARLY:
        return f"{start} but repeats a training photo" if start else f"{less} and repeats a training photo"
    if not start:
        return less
    if any(picture.flaw for picture in rival.pictures) and not any(p.flaw for p in won.pictures):
        return f"{start} but a picture has no sharp face"
    if rival.variety <= won.variety - CLEARLY:
        return f"{start} but its pictures differ less"
    if rival.score >= won.score - scoring.TIE:
        return "is as good but more than is needed" if longer else "is about as good"
    return "is a little less like" if as_like else "scores less in all"


def _warnings(won: Trial) -> list[str]:
    found = []
    if won.likeness < 0.5:
        found.append(
            "no checkpoint is much like the person: more or better photos, or more steps, would help"
        )
    if won.copying >= MUCH:
        found.append(
            "it repeats a training photo all the same: more varied photos, or fewer steps, would help"
        )
    return found
