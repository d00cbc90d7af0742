"""Pydantic's findings in the words of somebody who edits a preset: path, reason, near match, line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from prompt_library import near_matches

from ._files import PROFILE, TRAINING, KeyPath, Tree
from ._shape import children_of
from .errors import PresetError, PresetProblem
from .stage_params import STAGE_TYPES

_FIELD_PREFIX = re.compile(r"([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*): (.*)", re.DOTALL)
_YAML11_BOOLS = {"yes", "no", "on", "off", "y", "n"}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "tuple_type": "a list",
    "finite_number": "a finite number",
}


def preset_error(error: ValidationError, tree: Tree) -> PresetError:
    """One PresetError for everything pydantic found."""
    problems: dict[tuple[str, str], PresetProblem] = {}
    for details in error.errors(include_url=False):
        found = _problem(details, tree)
        problems.setdefault((found.path, found.reason), found)
    return PresetError(problems.values())


def problem_at(
    tree: Tree, path: KeyPath, reason: str, *, near: tuple[str, ...] = (), hint: str = ""
) -> PresetProblem:
    """A problem with the place its value was written at."""
    origin = tree.origin(path)
    return PresetProblem(
        dotted(path),
        reason,
        near=near,
        hint=hint,
        source=origin.source if origin else "",
        line=origin.line if origin else None,
        excerpt=origin.excerpt if origin else "",
    )


def dotted(path: KeyPath) -> str:
    """`stages.img2img.steps`, list items as `poses[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def _problem(details: ErrorDetails, tree: Tree) -> PresetProblem:
    path, kind = _path(details["loc"]), details["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path, tree)
    if kind == "missing":
        hint = "a new stage says what it is, e.g. `type: img2img`" if path[-1] == "type" else ""
        return problem_at(tree, path, "is missing", hint=hint)
    if kind == "union_tag_not_found":
        near = tuple(f"type: {name}" for name in near_matches(str(path[-1]), STAGE_TYPES))
        return problem_at(
            tree, (*path, "type"), "is missing, so it is not clear which stage this is", near=near,
            hint=f"there are {', '.join(STAGE_TYPES)}",
        )  # fmt: skip
    if kind == "union_tag_invalid":
        given = str(details["ctx"]["tag"])
        return _choice((*path, "type"), given, list(STAGE_TYPES), tree)
    if kind == "literal_error":
        return _choice(path, details["input"], re.findall(r"'([^']*)'", details["ctx"]["expected"]), tree)
    if kind == "value_error":
        return _own_error(path, str(details["ctx"]["error"]), tree)
    reason, hint = _plain_reason(details)
    return problem_at(tree, path, reason, hint=hint)


def _path(loc: tuple[int | str, ...]) -> KeyPath:
    """Pydantic names the union's member after the stage's name; a user never wrote that."""
    if len(loc) > 2 and loc[0] == "stages" and loc[2] in STAGE_TYPES:
        return (*loc[:2], *loc[3:])
    return loc


def _unknown_key(path: KeyPath, tree: Tree) -> PresetProblem:
    key, known = str(path[-1]), children_of(tree, path[:-1]) or []
    near = near_matches(key, known)
    hint = "" if near else f"{dotted(path[:-1]) or f'a {tree.kind.noun}'} knows {', '.join(known)}"
    return problem_at(tree, path, "unknown key", near=near, hint=hint)


def _choice(path: KeyPath, given: object, choices: list[str], tree: Tree) -> PresetProblem:
    near = near_matches(str(given), choices)
    hint = "" if len(choices) == 1 and near else f"choices: {', '.join(choices)}"
    if path == ("schema",):
        hint = _schema_hint(given, tree)
    return problem_at(tree, path, f"{_show(given)} is not one of the choices", near=near, hint=hint)


def _schema_hint(given: object, tree: Tree) -> str:
    other = {PROFILE.schema: TRAINING, TRAINING.schema: PROFILE}[tree.kind.schema]
    if given == other.schema:
        return f"this is a {other.noun}; a {tree.kind.noun} begins with `schema: {tree.kind.schema}`"
    return f"this program reads {tree.kind.schema} only; a newer file needs a newer program"


def _own_error(path: KeyPath, message: str, tree: Tree) -> PresetProblem:
    """A message of our own validators; one that begins with a key is about that key."""
    match = _FIELD_PREFIX.fullmatch(message)
    if match and (not path or match.group(1).split(".")[0] in (children_of(tree, path) or ())):
        return problem_at(tree, (*path, *match.group(1).split(".")), match.group(2))
    return problem_at(tree, path, message)


def _plain_reason(details: ErrorDetails) -> tuple[str, str]:
    """(reason, hint) for wrong types and numbers out of range."""
    kind, given = details["type"], details["input"]
    if kind in _WANTED:
        hint = ""
        if kind == "bool_type" and isinstance(given, str) and given.lower() in _YAML11_BOOLS:
            hint = "YAML 1.2 knows only true and false"
        elif isinstance(given, str) and _looks_numeric(given):
            hint = "leave the quotes away"
        elif kind == "string_type" and isinstance(given, int | float):
            hint = f"quote it: '{given}'"
        elif kind == "string_type" and isinstance(given, Mapping):
            hint = "quote text that contains a colon"
        return f"must be {_WANTED[kind]}, not {_show(given)}", hint
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"is {_show(given)}, but must be {words} {details['ctx'][bound]:g}", ""
    if kind == "multiple_of":
        step = details["ctx"]["multiple_of"]
        below = given - given % step
        return f"is {_show(given)}, but must be a multiple of {step:g}", f"try {below} or {below + step}"
    if kind == "too_short":
        return "must not be empty", ""
    message = details["msg"]
    return message[0].lower() + message[1:], ""


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a block of keys"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
