"""JSON Schemas of presets: of a resolved one, and of a file as an editor sees it; of training presets the
latter only."""

from __future__ import annotations

from typing import Any

from .model import Preset, TrainingPreset
from .stage_params import STAGE_TYPES

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def preset_schema() -> dict[str, Any]:
    """JSON Schema of a resolved preset, as `dump_preset` writes it."""
    return {"$schema": _DIALECT, **Preset.model_json_schema(by_alias=True)}


def preset_file_schema() -> dict[str, Any]:
    """JSON Schema of a preset file: only `schema` is required, because parents may hold the rest.

    Editors complete and check with it; a stage under its usual name gets that stage's keys.
    """
    schema = preset_schema()
    _relax(schema)
    stages = schema["properties"]["stages"]
    described = {key: stages[key] for key in ("title", "description") if key in stages}
    refs = {name: {"$ref": f"#/$defs/{model.__name__}"} for name, model in STAGE_TYPES.items()}
    schema["properties"]["stages"] = {
        **described,
        "type": "object",
        "properties": {name: {"anyOf": [ref, {"type": "null"}]} for name, ref in refs.items()},
        "additionalProperties": {"anyOf": [*refs.values(), {"type": "null"}]},
    }
    return _as_file(schema, "Preset file")


def training_file_schema() -> dict[str, Any]:
    """JSON Schema of a training preset's file, for editors."""
    schema = {"$schema": _DIALECT, **TrainingPreset.model_json_schema(by_alias=True)}
    _relax(schema)
    return _as_file(schema, "Training preset file")


def _as_file(schema: dict[str, Any], title: str) -> dict[str, Any]:
    schema["properties"]["extends"] = {
        "type": "string",
        "title": "Extends",
        "description": "Stem of the one parent file, beside this one or built in. Maps merge, lists replace.",
    }
    schema["title"] = title
    schema["required"] = ["schema"]
    return schema


def _relax(node: Any) -> None:
    """Take `required` out everywhere, and defaults with it: an editor must not fill in what a parent says."""
    if isinstance(node, dict):
        node.pop("required", None)
        node.pop("default", None)
        for value in list(node.values()):
            _relax(value)
    elif isinstance(node, list):
        for value in node:
            _relax(value)
