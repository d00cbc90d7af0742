"""Reads the forms of the page into wishes: only names the prompt library has go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from prompt_library import load_library

from ...refusals import Refused
from ...wishes import MAX_PORTRAITS, Wishes

TONES = ("auto", "both", "cool", "warm")
"""Offered for a first order; a retouch may have any tone of the library."""


def read_wishes(form: Mapping[str, Any]) -> Wishes:
    """The wishes of the form.

    Raises:
        Refused: `wishes`: something the form does not offer.
    """
    return _checked(
        {
            "poses": _names(form.get("poses")),
            "tone": form.get("tone") or "auto",
            "outfit": form.get("outfit") or None,
            "backdrop": form.get("backdrop") or None,
            "count": _number(form.get("count")),
            "visible_mark": _mark(form),
        }
    )


def retouch_wishes(parent: Wishes, form: Mapping[str, Any]) -> Wishes:
    """The parent's wishes with what the form of a portrait changes; raises as `read_wishes`."""
    changed = {
        "poses": _names(form.get("poses")),
        "tone": form.get("tone") or parent.tone,
        "outfit": form.get("outfit") or parent.outfit,
        "backdrop": form.get("backdrop") or parent.backdrop,
        "count": _number(form.get("count")),
    }
    return _checked({**parent.model_dump(), **changed})


def _checked(values: Mapping[str, Any]) -> Wishes:
    library = load_library()
    try:
        wishes = Wishes.model_validate(values)
    except ValidationError as error:
        raise _unknown() from error
    known = (
        all(name in library.poses for name in wishes.poses)
        and (wishes.tone in TONES or wishes.tone in library.tones)
        and (wishes.outfit is None or wishes.outfit in library.outfits)
        and (wishes.backdrop is None or wishes.backdrop in library.backdrops)
    )
    if not known:
        raise _unknown()
    return wishes


def _names(value: Any) -> tuple[Any, ...]:
    if value in (None, ""):
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def _number(value: Any) -> int:
    try:
        return min(MAX_PORTRAITS, max(1, int(value)))
    except (TypeError, ValueError):
        raise _unknown() from None


def _mark(form: Mapping[str, Any]) -> bool | None:
    # Forms without the box (the operator decides) leave it to the settings.
    return bool(form["mark"]) if "mark" in form else None


def _unknown() -> Refused:
    return Refused(
        "wishes",
        en="The form holds something the studio does not have.",
        ko="사진관에 없는 선택이 들어 있습니다.",
        hint_en="Open the page again and choose anew.",
        hint_ko="페이지를 새로 열고 다시 골라 주세요.",
    )
