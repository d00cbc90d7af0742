"""The winner and the sentence about it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from stages.choosing.choice import Compared, Trial, TrialPicture, decide

HELD = Compared(2, held_out=True)
PICTURE = TrialPicture("ab" * 32, 1, "photo", 0.83, 0.5, 0.0)


def trial(step: int, score: float, *, weight: float = 0.8, likeness: float = 0.83, **more: float) -> Trial:
    rest = {"worst": likeness, "variety": 0.8, "copying": 0.0, **more}
    return Trial(step, weight, likeness, score=score, pictures=(PICTURE,), **rest)


def why(*trials: Trial, compared: Compared = HELD) -> str:
    return decide(trials, compared).why


def test_the_sentence_names_the_winner_the_measure_and_the_rival() -> None:
    text = why(trial(800, 0.5, likeness=0.7), trial(1000, 0.7), trial(1200, 0.5, copying=0.6))
    assert text == (
        "step 1000 at weight 0.8: likeness 0.83 against two photos it never saw; step 800 is less like (0.70)"
    )


@pytest.mark.parametrize(
    ("rival", "words"),
    [
        (trial(1200, 0.5, copying=0.6), "step 1200 is as like but repeats a training photo"),
        (trial(1200, 0.5, likeness=0.9, copying=0.6), "is more like but repeats a training photo"),
        (trial(1200, 0.5, likeness=0.6, copying=0.6), "is less like (0.60) and repeats a training photo"),
        (trial(1200, 0.6, variety=0.4), "is as like but its pictures differ less"),
        (trial(1200, 0.71), "step 1200 is as good but more than is needed"),
        (trial(800, 0.6), "step 800 is a little less like"),
        (trial(800, 0.6, likeness=0.9), "step 800 scores less in all"),
    ],
)
def test_the_rival_is_told_what_it_lacks(rival: Trial, words: str) -> None:
    assert words in why(trial(1000, 0.7), rival)


def test_a_rival_without_a_sharp_face_is_told_so() -> None:
    rival = replace(trial(1200, 0.6), pictures=(replace(PICTURE, flaw="blurred"),))
    assert "a picture has no sharp face" in why(trial(1000, 0.7), rival)


def test_the_next_best_weight_is_named() -> None:
    text = why(trial(1000, 0.7), trial(1000, 0.6, weight=0.9, copying=0.3), trial(1000, 0.5, weight=0.7))
    assert text.endswith("weight 0.9 is as like but repeats a training photo")


def test_photos_of_the_training_flatter() -> None:
    assert why(trial(1, 0.7), compared=Compared(8, held_out=False)).endswith(
        "against all eight photos it was trained on, which flatters"
    )
    assert "the one photo it was trained on" in why(trial(1, 0.7), compared=Compared(1, held_out=False))
    assert "one photo it never saw" in why(trial(1, 0.7), compared=Compared(1, held_out=True))
    assert "all 12 photos" in why(trial(1, 0.7), compared=Compared(12, held_out=False))


def test_a_poor_winner_is_not_praised() -> None:
    assert "no checkpoint is much like the person" in why(trial(1, 0.2, likeness=0.3))
    assert "repeats a training photo all the same" in why(trial(1, 0.2, copying=0.8))


def test_trials_are_kept_in_order_and_as_plain_json() -> None:
    trials = [trial(800, 0.5), trial(400, 0.5, weight=0.9), trial(400, 0.9, weight=0.7)]
    choice = decide(trials, HELD)
    assert [(kept.step, kept.weight) for kept in choice.trials] == [(400, 0.7), (400, 0.9), (800, 0.8)]
    plain = json.loads(json.dumps(choice.to_json()))
    assert (plain["step"], plain["weight"], plain["why"]) == (400, 0.7, choice.why)
    assert plain["compared"] == {"photos": 2, "held_out": True}
    assert set(plain["trials"][0]) >= {"step", "weight", "likeness", "worst", "variety", "copying", "score"}
    assert set(plain["trials"][0]["pictures"][0]) >= {
        "sha256", "seed", "prompt", "likeness", "distance", "copying",
    }  # fmt: skip
