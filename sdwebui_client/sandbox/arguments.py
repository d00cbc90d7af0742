"""From a request's `script_name`, `script_args` and `alwayson_scripts` to each script's argument list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .catalogue import Catalogue
from .errors import ApiError, Crash

SCRIPTS = "/sdapi/v1/scripts"


@dataclass(frozen=True, slots=True)
class ScriptCalls:
    """What the request asks the scripts to do."""

    selected: str | None
    """Lower-case name of the selectable script."""
    selected_args: tuple[Any, ...]
    alwayson: dict[str, tuple[Any, ...]]
    """Lower-case name -> its arguments: the interface's own values with the request's laid over them."""


def resolve(catalogue: Catalogue, tab: str, body: dict[str, Any]) -> ScriptCalls:
    """Find the scripts a request names; case does not matter, spaces do.

    Args:
        catalogue: what is installed.
        tab: `txt2img` or `img2img`; each has its own scripts.
        body: the validated request.

    Raises:
        ApiError: 422, an unknown script or a selectable one among the always-on ones.
        Crash: arguments of a shape the server trips over.
    """
    names = {name.lower() for name in catalogue.answer(SCRIPTS)[tab]}
    alwayson = {name: catalogue.is_alwayson(name) is not False for name in names}
    selected: str | None = None
    if body.get("script_name"):
        selected = str(body["script_name"]).lower()
        if selected not in names or alwayson[selected]:
            raise ApiError(422, f"Script '{body['script_name']}' not found")
    calls = {name: tuple(catalogue.script_defaults(name, tab)) for name in names if alwayson[name]}
    for given, entry in (body.get("alwayson_scripts") or {}).items():
        name = str(given).lower()
        if name not in names:
            raise ApiError(422, f"Script '{given}' not found")
        if not alwayson[name]:
            raise ApiError(422, "Cannot have a selectable script in the always on scripts params")
        calls[name] = _overlaid(calls[name], entry)
    return ScriptCalls(selected, tuple(body.get("script_args") or ()), calls)


def _overlaid(defaults: tuple[Any, ...], entry: Any) -> tuple[Any, ...]:
    """Lay a request's arguments over the defaults; those beyond the last slot are dropped (e08n, p05i)."""
    if not isinstance(entry, dict | list | str):
        raise Crash("TypeError", f"argument of type '{type(entry).__name__}' is not iterable")
    # A list that does not hold the word "args" is taken for an empty entry (recorded: e06e).
    if not isinstance(entry, dict) or "args" not in entry:
        return defaults
    given = entry["args"]
    if isinstance(given, dict):
        if not given:
            return defaults
        raise Crash("KeyError", "0")
    if not isinstance(given, list | str):
        raise Crash("TypeError", f"object of type '{type(given).__name__}' has no len()")
    count = min(len(defaults), len(given))
    return (*given[:count], *defaults[count:])
