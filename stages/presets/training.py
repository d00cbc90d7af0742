"""Training presets: how a LoRA is trained and its best checkpoint chosen, as files of their own.

A preset for pictures names one in `train.preset`; `train-lora --preset` uses one directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..choosing.params import ChooseParams
from ._explain import preset_error, problem_at
from ._fields import PresetModel
from ._files import SUFFIXES, TRAINING, KeyPath, Tree, built_in_names, find_preset, read_tree
from ._sets import apply_set
from ._shape import field_names
from ._summary import PresetSummary
from .errors import PresetError, PresetProblem
from .model import TrainingPreset, TrainParams

_SHARED = ("train", "choose")
"""The blocks a preset for pictures takes from its training preset."""
_AT: KeyPath = ("train", "preset")


def load_training_preset(name_or_path: str | Path, *, sets: Sequence[str] = ()) -> TrainingPreset:
    """Read a training preset, merge its parents, apply `sets` and check everything.

    Args:
        name_or_path: Name of a built-in training preset, or a path to a YAML file.
        sets: Changes of the form "train.steps=900"; the value is read as YAML.

    Returns:
        The resolved training preset.

    Raises:
        PresetError: All problems at once, each with file, line, path, reason and near match.

    Example:
        >>> load_training_preset("sd15-fast", sets=["train.steps=300"]).train.total_steps(10)
        300
    """
    return _checked(_training_tree(find_preset(name_or_path, TRAINING), sets))


def list_training_presets() -> tuple[PresetSummary, ...]:
    """The built-in training presets, by name.

    Raises:
        PresetError: One of them is broken.
    """
    found = []
    for name in built_in_names(TRAINING):
        preset = load_training_preset(name)
        path = find_preset(name, TRAINING)
        found.append(PresetSummary(name, preset.title, preset.family, preset.description, path))
    return tuple(found)


def is_training_preset(name_or_path: str | Path) -> bool:
    """Whether a name or file means a training preset; what is neither is taken for a preset for pictures."""
    if str(name_or_path) in built_in_names(TRAINING):
        return True
    file = Path(name_or_path).expanduser()
    if file.suffix not in SUFFIXES or not file.is_file():
        return False
    try:
        schema = read_tree(file, TRAINING).values.get("schema")
    except PresetError:
        return False
    return isinstance(schema, str) and schema.partition("/")[0] == TRAINING.schema.partition("/")[0]


def lay_over_training(tree: Tree, folder: Path) -> None:
    """Fill a preset's `train:` and `choose:` with what the training preset it names says.

    What the preset gives itself wins, key by key. A resolved preset, which gives every key, is left as it
    is: it can be used where its training preset is not at hand, or has changed since.

    Args:
        tree: The preset for pictures, parents merged and `--set` applied.
        folder: Where its file lies; a path in `train.preset` is relative to it.

    Raises:
        PresetError: There is no such training preset, it is broken, or of another family.
    """
    train = tree.values.get("train")
    name = train.get("preset") if isinstance(train, dict) else None
    if not isinstance(name, str) or not name.strip():
        return
    if _is_complete(tree.values):
        _refuse_set_without_effect(tree, name)
        return
    below = _training_tree(_find(tree, name, folder), ())
    family = _checked(below).family
    if tree.values.get("family") in ("sd15", "sdxl") and tree.values["family"] != family:
        names = [item.name for item in list_training_presets() if item.family == tree.values["family"]]
        reason = f"{name} is for {family}, this preset for {tree.values['family']}"
        raise PresetError(problem_at(tree, _AT, reason, hint=f"take {' or '.join(names)}"))
    for block in _SHARED:
        if block in below.values:
            _fill(tree, below, (block,))


def _training_tree(file: Path, sets: Sequence[str]) -> Tree:
    tree = read_tree(file, TRAINING)
    require_schema(tree, file)
    for text in sets:
        apply_set(tree, text)
    tree.values.setdefault("name", file.stem)
    return tree


def require_schema(tree: Tree, file: Path) -> None:
    """Raise PresetError when the file does not say what it is."""
    if "schema" not in tree.values:
        hint = f"begin the file with `schema: {tree.kind.schema}`"
        raise PresetError(PresetProblem("schema", "is missing", hint=hint, source=file.name))


def _checked(tree: Tree) -> TrainingPreset:
    try:
        return TrainingPreset.model_validate(deepcopy(tree.values))
    except ValidationError as error:
        raise preset_error(error, tree) from error


def _is_complete(values: Mapping[str, Any]) -> bool:
    wanted: dict[str, type[PresetModel]] = {"train": TrainParams, "choose": ChooseParams}
    return all(
        isinstance(values.get(block), dict) and values[block].keys() >= set(field_names(model))
        for block, model in wanted.items()
    )


def _refuse_set_without_effect(tree: Tree, name: str) -> None:
    origin = tree.origin(_AT)
    if origin is not None and origin.source == "--set":
        reason = f"would change nothing: the file gives every number of the training itself, not {name}'s"
        hint = "begin with the preset the file was made of, or set single numbers (--set train.steps=900)"
        raise PresetError(problem_at(tree, _AT, reason, hint=hint))


def _find(tree: Tree, name: str, folder: Path) -> Path:
    """The training preset's file; a failure is told where the name was written."""
    is_path = name.endswith(SUFFIXES) or "/" in name or "\\" in name
    origin = tree.origin(_AT)
    # What is typed on the command line is relative to where it was typed.
    relative = is_path and not (origin is not None and origin.source == "--set")
    try:
        return find_preset(folder / Path(name).expanduser() if relative else name, TRAINING)
    except PresetError as error:
        told = [
            replace(problem_at(tree, _AT, problem.reason, near=problem.near), hint=problem.hint)
            for problem in error.problems
        ]
        raise PresetError(told) from error


def _fill(tree: Tree, below: Tree, path: KeyPath) -> None:
    """Take from `below` what `tree` lacks at `path`, and where it was written."""
    mine, theirs = _at(tree.values, path[:-1]), _at(below.values, path[:-1])
    key = str(path[-1])
    if key in mine:
        if isinstance(mine[key], dict) and isinstance(theirs[key], dict):
            for inner in theirs[key]:
                _fill(tree, below, (*path, inner))
        return
    mine[key] = deepcopy(theirs[key])
    origins = {known: at for known, at in below.origins.items() if known[: len(path)] == path}
    tree.origins.update(origins)


def _at(values: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    for key in path:
        values = values[str(key)]
    return values
