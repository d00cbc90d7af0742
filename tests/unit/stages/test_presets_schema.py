"""The exported schemas and the generated reference agree with the models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from prompt_library.yaml12 import parse
from stages.presets import dump_preset, list_presets, load_preset, preset_file_schema, preset_schema
from stages.presets._fields import PresetModel
from stages.presets._files import BUILT_IN_DIR, built_in_names
from stages.presets.model import LoraUse, Preset, TrainParams
from stages.presets.reference import render_reference
from stages.presets.stage_params import STAGE_TYPES
from stages.presets.units import ADetailerParams, ADetailerUnitParams, ControlNetParams

ROOT = Path(__file__).resolve().parents[3]
MODELS: list[type[PresetModel]] = [
    Preset,
    LoraUse,
    TrainParams,
    *STAGE_TYPES.values(),
    ControlNetParams,
    ADetailerParams,
    ADetailerUnitParams,
]
FILES = sorted(file.name for file in BUILT_IN_DIR.glob("*.yaml"))


@pytest.mark.parametrize(
    ("file", "schema"),
    [("preset.schema.json", preset_file_schema()), ("preset-resolved.schema.json", preset_schema())],
)
def test_exported_schemas_are_current(file: str, schema: dict[str, Any]) -> None:
    written = json.loads((ROOT / "presets" / "schema" / file).read_text(encoding="utf-8"))
    assert written == schema, "run scripts/gen_preset_docs.py"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_reference_is_current() -> None:
    assert (ROOT / "docs" / "presets.md").read_text(encoding="utf-8") == render_reference(), (
        "run scripts/gen_preset_docs.py"
    )


@pytest.mark.parametrize("file", FILES)
def test_every_file_satisfies_the_editors_schema(file: str) -> None:
    value = parse((BUILT_IN_DIR / file).read_bytes()).value
    if file == "_base.yaml":
        # Names the family's parents fill in.
        value["stages"]["txt2img"]["controlnet"]["model"] = value["stages"]["upscale"]["controlnet"][
            "model"
        ] = "x"
    jsonschema.validate(value, preset_file_schema())


@pytest.mark.parametrize("preset", built_in_names())
def test_every_resolved_preset_satisfies_the_resolved_schema(preset: str) -> None:
    jsonschema.validate(parse(dump_preset(load_preset(preset))).value, preset_schema())


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"schema": "sdwebui-preset/1", "shotz": 1},
        {"schema": "sdwebui-preset/1", "shots": 0},
        {"schema": "sdwebui-preset/1", "stages": {"txt2img": {"step": 3}}},
        {"schema": "sdwebui-preset/1", "stages": {"img2img": {"denoising_strength": 3}}},
        {"schema": "sdwebui-preset/2"},
    ],
)
def test_the_editors_schema_refuses(value: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, preset_file_schema())


def fields() -> Iterator[tuple[str, str, str]]:
    for model in MODELS:
        for name, field in model.model_fields.items():
            yield model.__name__, field.alias or name, field.description or ""


@pytest.mark.parametrize(("model", "name", "text"), list(fields()))
def test_every_field_is_described(model: str, name: str, text: str) -> None:
    assert len(text) > 10, f"{model}.{name}"
    assert text.rstrip().endswith(".") or "…" in text[-3:] or text.rstrip().endswith("`."), f"{model}.{name}"


def test_every_model_is_in_the_reference() -> None:
    text = render_reference()
    for _, name, _ in fields():
        assert f"| `{name}` |" in text
    for preset in list_presets():
        assert f"| `{preset.name}` |" in text


def numbers(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for definition in (schema, *schema["$defs"].values()):
        for name, field in definition.get("properties", {}).items():
            for part in field.get("anyOf", [field]):
                if part.get("type") in ("integer", "number"):
                    yield name, part


def test_every_number_has_a_lower_and_an_upper_bound() -> None:
    found = list(numbers(preset_schema()))
    assert len(found) > 40
    for name, part in found:
        if name == "processor_res":
            continue
        assert {"minimum", "exclusiveMinimum"} & part.keys(), name
        assert {"maximum", "exclusiveMaximum"} & part.keys(), name
