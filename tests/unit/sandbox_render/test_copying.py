"""A LoRA that was trained too long, and weights beside the best one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdwebui_client.sandbox.render import ActiveLora, Picture, Scene, render
from sdwebui_client.sandbox.render.identity import held_at, likeness_of

from .conftest import WriteLora

PARK = "portrait photo, red dress, green park, overcast daylight"


def drawn(path: Path, *, weight: float = 0.8, prompt: str = PARK, seed: int = 3) -> Picture:
    return render(Scene("txt2img", 384, 480, seed, prompt, loras=(ActiveLora(path, weight),), marked=False))


def apart(a: Picture, b: Picture, *, rows: slice = slice(None), columns: slice = slice(None)) -> float:
    """Mean difference of two pictures' pixels, of 255."""
    return float(np.abs(a[rows, columns].astype(float) - b[rows, columns]).mean())


@pytest.fixture
def fresh(write_lora: WriteLora) -> Path:
    return write_lora("fresh", sandbox_format="2", sandbox_copying="0.0", sandbox_best_weight="0.8")


def overtrained(write_lora: WriteLora, amount: float) -> Path:
    return write_lora(
        f"over{amount:g}", sandbox_format="2", sandbox_copying=str(amount), sandbox_best_weight="0.8"
    )


def test_the_photo_comes_through_whatever_is_asked_for(write_lora: WriteLora, fresh: Path) -> None:
    full = overtrained(write_lora, 1.0)
    studio = "portrait photo, navy suit, plain white backdrop"
    asked = apart(drawn(fresh), drawn(fresh, prompt=studio), rows=slice(0, 120))
    ignored = apart(drawn(full), drawn(full, prompt=studio), rows=slice(0, 120))
    assert ignored < 0.3 * asked


def test_it_comes_through_the_more_the_longer_it_was_trained(write_lora: WriteLora, fresh: Path) -> None:
    pictures = [drawn(overtrained(write_lora, amount)) for amount in (0.2, 0.5, 1.0)]
    moved = [apart(picture, drawn(fresh)) for picture in pictures]
    assert 2 < moved[0] < moved[1] < moved[2]


def test_the_face_stays_as_it_was_drawn(write_lora: WriteLora, fresh: Path) -> None:
    before, after = drawn(fresh), drawn(overtrained(write_lora, 0.5))
    around = apart(before, after, rows=slice(0, 60), columns=slice(0, 60))
    middle = apart(before, after, rows=slice(180, 230), columns=slice(170, 215))
    assert middle < 0.5 * around


def test_a_smaller_weight_lets_the_prompt_speak(write_lora: WriteLora, fresh: Path) -> None:
    full = overtrained(write_lora, 0.6)
    corner = {"rows": slice(0, 60), "columns": slice(0, 60)}
    strong = apart(drawn(full, weight=0.8), drawn(fresh, weight=0.8), **corner)
    weak = apart(drawn(full, weight=0.4), drawn(fresh, weight=0.4), **corner)
    assert weak < 0.7 * strong


def test_old_files_draw_the_same_at_the_weights_they_knew(write_lora: WriteLora) -> None:
    path = write_lora("old")
    assert apart(drawn(path, weight=0.8), drawn(path, weight=1.0)) == 0.0


def test_the_likeness_is_best_at_the_best_weight() -> None:
    for best in (0.7, 0.8, 0.9):
        held = {weight: held_at(weight, best) for weight in (0.6, 0.7, 0.8, 0.9, 1.0)}
        assert max(held, key=lambda weight: held[weight]) == best
        assert held[best] == 1.0
        assert 0.4 < min(held.values()) < 0.7, "gently"
    assert held_at(0.0, 0.8) == 0.0
    assert held_at(2.0, 0.8) == 0.0


def test_a_lucky_seed_keeps_its_place_whatever_the_weight() -> None:
    """Quality, luck and weight work together: none of them hides what another does."""

    def drift(quality: float, weight: float, best: float = 0.7) -> float:
        rng = np.random.default_rng([5, 1])
        return likeness_of(rng, quality=quality, weight=weight, best_weight=best).drift

    assert drift(1.0, 0.7) < drift(0.9, 0.7) < drift(0.8, 0.7)
    assert drift(1.0, 0.8) < drift(0.9, 0.8) < drift(0.8, 0.8)
    assert drift(1.0, 0.6) > drift(1.0, 0.7)
    assert drift(1.0, 1.0) > drift(1.0, 0.8)


def test_a_weight_above_the_best_burns(fresh: Path) -> None:
    prompt = "portrait photo, navy suit, plain gray backdrop"
    normal, burnt = drawn(fresh, weight=0.8, prompt=prompt), drawn(fresh, weight=1.1, prompt=prompt)
    assert burnt.astype(float).std() > normal.astype(float).std()
