"""Checks against the prompt library: every name a preset uses exists, every template can be filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prompt_library import (
    Library,
    RenderError,
    Shelf,
    check_template,
    lint,
    near_matches,
    render_prompt,
)

from ._explain import problem_at
from ._files import KeyPath, Tree
from .errors import PresetProblem
from .model import AUTO, BOTH, Preset
from .stage_params import Sampling
from .units import ADetailerParams


def name_problems(preset: Preset, tree: Tree, library: Library) -> list[PresetProblem]:
    """Everything in a preset that the prompt library does not know or cannot render."""
    return [*_unknown_names(preset, tree, library), *_bad_templates(preset, tree, library)]


def templates_of(preset: Preset) -> Iterator[tuple[KeyPath, str]]:
    """Every prompt template of a preset, with its path."""
    for name, stage in preset.stages.items():
        if isinstance(stage, Sampling):
            yield ("stages", name, "prompt"), stage.prompt
            yield ("stages", name, "negative_prompt"), stage.negative_prompt
        detailer = getattr(stage, "adetailer", None)
        if isinstance(detailer, ADetailerParams):
            for part in ("face", "hand"):
                unit = getattr(detailer, part)
                if unit is not None:
                    yield ("stages", name, "adetailer", part, "prompt"), unit.prompt
                    yield ("stages", name, "adetailer", part, "negative_prompt"), unit.negative_prompt


def _unknown_names(preset: Preset, tree: Tree, library: Library) -> Iterator[PresetProblem]:
    uses: list[tuple[KeyPath, str, Shelf[Any]]] = [
        (("outfit",), preset.outfit, library.outfits),
        (("backdrop",), preset.backdrop, library.backdrops),
        *((("poses", index), pose, library.poses) for index, pose in enumerate(preset.poses)),
        *((("tones", index), tone, library.tones) for index, tone in enumerate(preset.tones)),
    ]
    if preset.mix is not None:
        uses.append((("mix",), preset.mix, library.mixes))
    if preset.tone is not None and preset.tone not in (AUTO, BOTH):
        uses.append((("tone",), preset.tone, library.tones))
    for path, name, shelf in uses:
        if name not in shelf:
            near = near_matches(name, shelf)
            hint = "" if near else f"there are {', '.join(shelf)}"
            yield problem_at(
                tree, path, f"the prompt library has no {shelf.kind} {name!r}", near=near, hint=hint
            )
    if preset.mix in library.mixes and not library.mixes[str(preset.mix)].for_family(preset.family):
        yield problem_at(tree, ("mix",), f"the mix {preset.mix!r} has no LoRA for {preset.family}")


def _bad_templates(preset: Preset, tree: Tree, library: Library) -> Iterator[PresetProblem]:
    for path, template in templates_of(preset):
        try:
            check_template(template, library=library)
            text = render_prompt(template, family=preset.family, library=library).positive
        except RenderError as error:
            yield problem_at(tree, path, str(error))
            continue
        for finding in lint(text) if text else ():
            if finding.level == "error":
                yield problem_at(tree, path, finding.message)
