"""Loading, listing, writing and describing presets."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prompt_library import Library, load_library

from ._explain import preset_error
from ._files import Tree, built_in_names, find_preset, read_tree
from ._names import name_problems
from ._sets import apply_set
from ._summary import PresetSummary
from .errors import PresetError
from .model import Preset, TrainingPreset
from .training import lay_over_training, require_schema


def load_preset(
    name_or_path: str | Path, *, sets: Sequence[str] = (), library: Library | None = None
) -> Preset:
    """Read a preset, merge its parents, apply `sets` and check everything.

    Args:
        name_or_path: Name of a built-in preset, or a path to a YAML file.
        sets: Changes of the form "stages.upscale.scale=2"; the value is read as YAML.
        library: Prompt library whose names the preset may use; None = the built-in one.

    Returns:
        The resolved preset.

    Raises:
        PresetError: All problems at once, each with file, line, path, reason and near match.

    Example:
        >>> load_preset("studio-sd15", sets=["stages.upscale.scale=1.5"]).upscale.scale
        1.5
    """
    file = find_preset(name_or_path)
    tree = read_tree(file)
    require_schema(tree, file)
    for text in sets:
        apply_set(tree, text)
    tree.values.setdefault("name", file.stem)
    lay_over_training(tree, file.parent)
    return _validate(tree, library or load_library())


def list_presets() -> tuple[PresetSummary, ...]:
    """The built-in presets a user can choose, by name; parents (`_…`) are not among them.

    Raises:
        PresetError: One of them is broken.
    """
    summaries = []
    for name in built_in_names():
        preset = load_preset(name)
        summaries.append(
            PresetSummary(name, preset.title, preset.family, preset.description, find_preset(name))
        )
    return tuple(summaries)


def dump_preset(preset: Preset | TrainingPreset) -> str:
    """The resolved preset as YAML that `load_preset` (`load_training_preset`) reads back to an equal one;
    saved with each run."""
    header = "# The preset as it was used, with nothing left to parents or defaults.\n"
    body = yaml.dump(
        preset.model_dump(mode="json", by_alias=True),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
    )
    return header + body


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or 1.2 would read as something else than text, and never writes aliases."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = repr(value)
    # YAML 1.1 readers take 1e-05 for text without the dot.
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = value.replace("_", "").replace(" ", "").isalpha() and value.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_text)


def _validate(tree: Tree, library: Library) -> Preset:
    values = deepcopy(tree.values)
    stages = values.get("stages")
    if isinstance(stages, dict):
        # `img2img: null` in a child takes the parent's stage out.
        values["stages"] = {name: stage for name, stage in stages.items() if stage is not None}
    try:
        preset = Preset.model_validate(values)
    except ValidationError as error:
        raise preset_error(error, tree) from error
    problems = name_problems(preset, tree, library)
    if problems:
        raise PresetError(problems)
    return preset
