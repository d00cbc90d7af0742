"""The preset reference (`docs/presets.md`), made from the models' docstrings so that it cannot go stale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from prompt_library import Shelf, load_library

from ..choosing.params import ChooseParams
from ._fields import PresetModel
from ._load import list_presets
from ._shape import block_of
from .model import LoraUse, Preset, TrainingPreset, TrainParams
from .stage_params import STAGE_TYPES
from .training import list_training_presets
from .units import ADetailerParams, ADetailerUnitParams, ControlNetParams

_INTRO = """# Preset reference

<!-- Made by scripts/gen_preset_docs.py from the models in stages/presets: change those, run it again. -->

A preset is a YAML file that holds every number of the recipe. Use one by name (`--preset studio-sd15`) or by
path (`--preset my-look.yaml`); change single values on the command line (`--set stages.upscale.scale=1.5`).

Write your own by extending one:

```yaml
# yaml-language-server: $schema=presets/schema/preset.schema.json
schema: sdwebui-preset/1
extends: studio-sd15
title: Our company
outfit: suit_charcoal
stages:
  txt2img:
    steps: 32
    adetailer: {hand: null}
```

- `extends:` names one parent: a file beside yours or a built-in preset. Maps merge key by key; lists and
  single values replace; `null` takes an optional block (or a whole stage) out.
- An unknown key, a wrong type or an impossible value is an error that names file, line, path and near match.
- YAML is read as YAML 1.2: `no` is text, `012` is twelve, `1e-4` is a number, a key given twice is an error.
- The resolved preset is saved with each run and can be used as a preset itself.
"""


def render_reference() -> str:
    """The whole reference as Markdown."""
    return "\n".join([_INTRO, *_choices(), *_blocks(), *_library()]).rstrip() + "\n"


def _choices() -> Iterator[str]:
    yield "## Presets that come with the project\n"
    yield "| name | title | what it is |\n|---|---|---|"
    for preset in list_presets():
        yield f"| `{preset.name}` | {preset.title} | {preset.description} |"
    yield "\n## Training presets that come with the project\n"
    yield (
        "For `train: {preset: NAME}` of a preset, `--set train.preset=NAME`, and `train-lora --preset NAME`. "
        "[Training](training.md) explains their numbers.\n"
    )
    yield "| name | title | what it is |\n|---|---|---|"
    for training in list_training_presets():
        yield f"| `{training.name}` | {training.title} | {training.description} |"
    yield ""


def _blocks() -> Iterator[str]:
    yield from _block("Top level", Preset)
    yield from _block("`lora`", LoraUse)
    yield from _block("`train`", TrainParams)
    yield from _block("`choose`", ChooseParams)
    yield from _block("A training preset's top level", TrainingPreset)
    for name, model in STAGE_TYPES.items():
        yield from _block(f"`stages.{name}`", model)
    yield from _block("`controlnet`", ControlNetParams)
    yield from _block("`adetailer`", ADetailerParams)
    yield from _block("`adetailer.face` and `adetailer.hand`", ADetailerUnitParams)


def _block(title: str, model: type[PresetModel]) -> Iterator[str]:
    yield f"## {title}\n"
    yield " ".join((model.__doc__ or "").split()) + "\n"
    yield "| key | type | default | what it does |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{field.alias or name}` | {_type(field.annotation)} | {_default(field)} | {text} |"
    yield ""


def _type(annotation: Any) -> str:
    block = block_of(annotation)
    if block is not None:
        return "block, null" if NoneType in get_args(annotation) else "block"
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type(get_args(annotation)[0])
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin in (Union, UnionType):
        return ", ".join(_type(arg) for arg in get_args(annotation))
    if origin is tuple:
        return "list"
    if origin in (dict, Mapping):
        return "map"
    names = {str: "text", int: "whole number", float: "number", bool: "true, false", NoneType: "null"}
    return names[annotation]


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "—"
    value = field.default
    if isinstance(value, PresetModel):
        return "see below"
    if isinstance(value, tuple):
        shown = f"`[{', '.join(str(item) for item in value)}]`"
        return shown if len(shown) <= 80 else f"{len(value)} built-in ones"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "`null`" if value is None else f"`{value!r}`" if value == "" else f"`{value}`"


def _library() -> Iterator[str]:
    library = load_library()
    yield "## Names of the prompt library\n"
    yield "For `outfit`, `backdrop`, `poses`, `tones`, `mix`, and for braces in prompt templates.\n"
    shelves: dict[str, Shelf[Any]] = {
        "poses": library.poses,
        "tones": library.tones,
        "outfits": library.outfits,
        "backdrops": library.backdrops,
        "mixes": library.mixes,
        "snippets": library.snippets,
        "negatives": library.negatives,
    }
    for title, shelf in shelves.items():
        yield f"### {title}\n"
        if title == "poses":
            yield "![The poses as they are drawn](images/poses.png)\n"
        yield "| name | 한국어 | English | for |\n|---|---|---|---|"
        for name, item in shelf.items():
            shown = f"`{{{name}}}`" if title in ("snippets", "negatives") else f"`{name}`"
            yield f"| {shown} | {item.title.ko} | {item.title.en} | {item.for_} |"
        yield ""
