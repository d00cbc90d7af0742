"""The block `choose:`."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from stages.choosing.params import PROMPTS, ChooseParams


def test_the_default_prompts_differ_in_everything_a_copy_would_repeat() -> None:
    assert len(set(PROMPTS)) == len(PROMPTS) >= ChooseParams().pictures
    words = [set(prompt.format(trigger="ohwx person", subject="person").split()) for prompt in PROMPTS]
    for index, one in enumerate(words):
        for other in words[index + 1 :]:
            assert len(one & other) / min(len(one), len(other)) < 0.6


@pytest.mark.parametrize("first", ["stages.choosing.params", "stages.presets", "stages.choosing"])
def test_either_package_may_be_asked_for_first(first: str) -> None:
    code = f"import {first}; import stages.presets, stages.choosing; stages.choosing.choose_checkpoint"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_family_decides_what_is_left_open() -> None:
    plain = ChooseParams()
    assert plain.size("sd15") == (512, 640)
    assert plain.size("sdxl") == (768, 960)
    assert plain.guidance("sd15") > plain.guidance("sdxl")
    given = ChooseParams(width=640, height=640, cfg_scale=3.0)
    assert given.size("sdxl") == (640, 640)
    assert given.guidance("sdxl") == 3.0


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        ({}, 4 * 6 + 4 * 2 * 4),
        ({"weights": [0.8]}, 4 * 6),
        ({"weights": [0.7, 0.9], "finalists": 1}, 4 * 6 + 4 * 2),
        ({"pictures": 2, "finalists": 8}, 2 * 6 + 2 * 6 * 4),
    ],
)
def test_jobs_are_counted_beforehand(change: dict[str, Any], jobs: int) -> None:
    assert ChooseParams.model_validate(change).jobs(6) == jobs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": ["a photo of a person"]}, "lacks {trigger}"),
        ({"prompts": ["{trigger} in {outfit}"]}, "only {trigger} and {subject}"),
        ({"prompts": ["{trigger} {"]}, "no prompt template"),
        ({"prompts": ["{trigger} <lora:x:1>"]}, "extra network"),
        ({"prompts": []}, "1 to 16 prompts"),
        ({"weights": []}, "1 to 12 weights"),
        ({"weights": [0.8, 0.8]}, "twice"),
        ({"weights": [0.0]}, "greater than or equal to 0.1"),
        ({"width": 512}, "together"),
        ({"width": 500, "height": 512}, "multiple of 8"),
        ({"pictures": 0}, "greater than or equal to 1"),
        ({"picture": 4}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ChooseParams.model_validate(change)
    assert message in str(caught.value)
    assert caught.value.error_count() == 1
