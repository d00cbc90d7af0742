"""`--set a.b=c`: one value changed from the command line, before validation."""

from __future__ import annotations

import re
from typing import Any

from prompt_library import near_matches
from prompt_library.yaml12 import YamlError, parse

from ._files import Origin, Tree
from ._shape import children_of
from .errors import PresetError, PresetProblem

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def apply_set(tree: Tree, text: str) -> None:
    """Apply one `path=value`; the value is read as YAML.

    Raises:
        PresetError: It is not of that form, the value is no YAML, or no such path exists.
    """
    dotted, equals, raw = text.partition("=")
    dotted = dotted.strip()
    origin = Origin("--set")
    if not equals or not dotted:
        raise _error(
            "", f"{text!r} is not of the form path=value", "--set", hint="e.g. --set stages.upscale.scale=2"
        )
    keys = dotted.split(".")
    bad = next((key for key in keys if not _KEY.fullmatch(key)), None)
    if bad is not None:
        hint = "to change a list, set it whole: --set 'poses=[front, head_tilt]'" if bad.isdigit() else ""
        raise _error(dotted, f"{bad!r} is not a key", origin.source, hint=hint)
    _check_path(tree, keys, dotted, origin)
    tree.put(tuple(keys), _value(raw, dotted, origin), origin)


def _value(raw: str, dotted: str, origin: Origin) -> Any:
    if not raw.strip():
        raise _error(
            dotted, "no value after the =", origin.source, hint="write null to unset, '\"\"' for empty text"
        )
    try:
        return parse(raw).value
    except YamlError as error:
        hint = "quote text with special characters: --set 'key=\"a: b\"'"
        raise _error(dotted, f"the value is {error.reason}", origin.source, hint=hint) from error


def _check_path(tree: Tree, keys: list[str], dotted: str, origin: Origin) -> None:
    """Each key must exist where it stands: among the preset's values or the fields the models know."""
    if keys[0] in ("extends", "schema"):
        raise _error(dotted, f"{keys[0]} belongs in the file and cannot be set", origin.source)
    for depth, key in enumerate(keys):
        parent = tuple(keys[:depth])
        known = children_of(tree, parent)
        if known is None:
            what = ".".join(keys[:depth])
            raise _error(dotted, f"{what} is a single value; nothing is inside it", origin.source)
        if key not in known:
            where = f"in {'.'.join(parent)}" if parent else f"in a {tree.kind.noun}"
            hint = "" if near_matches(key, known) else f"there are {', '.join(known)}"
            near = tuple(
                ".".join((*keys[:depth], name, *keys[depth + 1 :])) for name in near_matches(key, known)
            )
            raise _error(dotted, f"there is no {key!r} {where}", origin.source, near=near, hint=hint)


def _error(path: str, reason: str, source: str, *, near: tuple[str, ...] = (), hint: str = "") -> PresetError:
    return PresetError(PresetProblem(path, reason, near=near, hint=hint, source=source))
