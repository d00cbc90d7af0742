"""What was wished for becomes a preset: names of the prompt library and of known presets, never a path."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import Studio
from ..refusals import Refused
from ..wishes import Wishes

if TYPE_CHECKING:
    from stages.presets import Preset

FOLDER = "presets"
"""In the data directory: an operator's own presets, NAME.yaml."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def preset_names(studio: Studio) -> tuple[str, ...]:
    """Names a user may choose: the project's presets and the operator's."""
    own = (file.stem for file in (studio.layout.root / FOLDER).glob("*.yaml"))
    return tuple(sorted({*_built_in(), *(name for name in own if _NAME.fullmatch(name))}))


def preset_of(studio: Studio, wishes: Wishes) -> Preset:
    """The preset of these wishes, whole and checked.

    Raises:
        Refused: `unknown-preset`, or `unknown-wish`: a pose, tone, outfit or backdrop that does not exist.
    """
    found = _found(studio, wishes.preset)
    modified_ns = found.stat().st_mtime_ns if isinstance(found, Path) else 0
    return _load(found, modified_ns, wishes.model_copy(update={"seed": None, "count": 1}))


def _found(studio: Studio, name: str) -> Path | str:
    """The operator's preset of this name as a file, else ours by its name."""
    # Checked here whatever was checked before: anything but a name could lead to another file.
    if _NAME.fullmatch(name):
        own = studio.layout.root / FOLDER / f"{name}.yaml"
        if own.is_file():
            return own
        if name in _built_in():
            return name
    raise Refused(
        "unknown-preset",
        en=f"There is no preset called {name[:64]}.",
        ko=f"{name[:64]}(이)라는 프리셋이 없습니다.",
        hint_en="Choose one of the list.",
        hint_ko="목록에서 골라 주세요.",
    )


@lru_cache(maxsize=1)
def _built_in() -> tuple[str, ...]:
    from stages.presets import list_presets

    return tuple(summary.name for summary in list_presets())


@lru_cache(maxsize=64)
def _load(file: Path | str, _modified_ns: int, wishes: Wishes) -> Preset:
    from stages.presets import PresetError, load_preset

    try:
        return load_preset(file, sets=sets_of(wishes))
    except PresetError as error:
        load_preset(file)  # a preset that is broken by itself is the operator's to mend, not the user's
        raise Refused(
            "unknown-wish",
            en="One of the poses, the tone, the outfit or the backdrop is not available with this preset.",
            ko="선택한 포즈, 톤, 의상 또는 배경 중 이 프리셋에서 쓸 수 없는 것이 있습니다.",
            hint_en="Choose from the list again.",
            hint_ko="목록에서 다시 골라 주세요.",
        ) from error


def sets_of(wishes: Wishes) -> tuple[str, ...]:
    """The changes to the preset, as `--set` would write them: quoted, as `no` is a word to YAML."""
    values = {
        "poses": list(wishes.poses) or None,
        "tone": wishes.tone,
        "outfit": wishes.outfit,
        "backdrop": wishes.backdrop,
        "identity": wishes.identity,
    }
    return tuple(f"{name}={json.dumps(value)}" for name, value in values.items() if value is not None)
