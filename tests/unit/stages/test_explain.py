"""Why a stage runs is said in words a person can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.explain import LastRun, why

BEFORE: dict[str, Any] = {
    "stage": "img2img",
    "version": 1,
    "params": {"denoising_strength": 0.3, "controlnet": {"weight": 0.6}, "prompt": "a"},
    "inputs": {"image": "aa"},
    "server": {"fingerprint": "f1", "model": "m1"},
}


def _now(**changes: Any) -> dict[str, Any]:
    return {**BEFORE, **changes}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (_now(version=2), "the stage changed: version 1 -> 2"),
        (
            _now(params={**BEFORE["params"], "denoising_strength": 0.35}),
            "parameter img2img.denoising_strength changed 0.3 -> 0.35",
        ),
        (
            _now(params={**BEFORE["params"], "controlnet": {"weight": 0.7}}),
            "parameter img2img.controlnet.weight changed 0.6 -> 0.7",
        ),
        (_now(params={**BEFORE["params"], "steps": 20}), "parameter img2img.steps added: 20"),
        (_now(inputs={"image": "bb"}), "input changed: image"),
        (_now(server={"fingerprint": "f1", "model": "m2"}), "server changed: model changed m1 -> m2"),
        (_now(), "the stored result is gone or damaged"),
    ],
)
def test_the_reason_is_named(now: dict[str, Any], said: str) -> None:
    assert why(BEFORE, now) == said


def test_the_first_run_is_a_reason() -> None:
    assert why(None, BEFORE) == "first run"


def test_a_removed_parameter_is_named_with_its_old_value() -> None:
    now = _now(params={"denoising_strength": 0.3, "prompt": "a"})
    assert why(BEFORE, now) == "parameter img2img.controlnet.weight removed (was 0.6)"


def test_long_texts_and_long_lists_are_shortened() -> None:
    params = dict.fromkeys("abcde", "x" * 200)
    said = why(_now(params={}), _now(params=params))
    assert "and 2 more" in said
    assert len(said) < 400


def test_what_was_noted_is_recalled(tmp_path: Path) -> None:
    notes = LastRun(tmp_path / "last")
    assert notes.recall("front-1", "img2img") is None
    notes.remember("front-1", "img2img", BEFORE)
    assert LastRun(tmp_path / "last").recall("front-1", "img2img") == BEFORE
    assert notes.recall("front-2", "img2img") is None


def test_a_damaged_note_only_costs_the_explanation(tmp_path: Path) -> None:
    notes = LastRun(tmp_path / "last")
    notes.remember("front-1", "img2img", BEFORE)
    next((tmp_path / "last").iterdir()).write_text("{half")
    assert notes.recall("front-1", "img2img") is None


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    LastRun(tmp_path / "last").remember("../../evil", "img2img", BEFORE)
    assert [path.parent.name for path in tmp_path.rglob("*.json")] == ["last"]
