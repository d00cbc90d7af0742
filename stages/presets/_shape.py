"""Which keys exist where: the preset's shape as messages, `--set` and the documentation need it."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from ._fields import PresetModel
from ._files import TRAINING, KeyPath, Kind, Tree
from .model import Preset, TrainingPreset
from .stage_params import STAGE_TYPES


def root_of(kind: Kind) -> type[PresetModel]:
    """The model a whole file of this kind is checked against."""
    return TrainingPreset if kind is TRAINING else Preset


def field_names(model: type[PresetModel]) -> list[str]:
    """The keys of a block as they are written in a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def block_of(annotation: Any) -> type[PresetModel] | None:
    """The model a field holds, optional or not; None for plain values."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return block_of(get_args(annotation)[0])
    if origin in (Union, UnionType):
        inner = [arg for arg in get_args(annotation) if arg is not NoneType]
        return block_of(inner[0]) if len(inner) == 1 else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, PresetModel) else None


def model_at(tree: Tree, path: KeyPath) -> type[PresetModel] | None:
    """The model that describes the block at a path; None for values, `stages` itself and unknown places."""
    root = root_of(tree.kind)
    if not path:
        return root
    if path[0] == "stages" and len(path) >= 2 and root is Preset:
        stages = tree.values.get("stages")
        stage = stages.get(path[1]) if isinstance(stages, Mapping) else None
        kind = stage.get("type") if isinstance(stage, Mapping) else None
        model: type[PresetModel] | None = STAGE_TYPES.get(kind) if isinstance(kind, str) else None
        rest = path[2:]
    else:
        model, rest = root, path
    for key in rest:
        if model is None:
            return None
        field = next((f for name, f in model.model_fields.items() if (f.alias or name) == key), None)
        model = block_of(field.annotation) if field is not None else None
    return model


def children_of(tree: Tree, path: KeyPath) -> list[str] | None:
    """The keys that may stand in the block at a path; None where nothing can."""
    if path == ("stages",) and root_of(tree.kind) is Preset:
        stages = tree.values.get("stages")
        return list(stages) if isinstance(stages, Mapping) else []
    model = model_at(tree, path)
    return field_names(model) if model is not None else None
