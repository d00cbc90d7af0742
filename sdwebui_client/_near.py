"""Did you mean: the known names nearest to one that is unknown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def near(name: str, known: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """Return up to `limit` known names that resemble `name`, best first.

    Names that differ only in case, spaces or punctuation come first, then names that contain it or are
    contained in it, then names spelt alike.

    Args:
        name: What was asked for.
        known: What there is, in the order the server lists it.
        limit: At most so many, 1 or more.

    Example:
        >>> near("euler A", ["DPM++ 2M", "Euler", "Euler a"])
        ('Euler a', 'Euler')
    """
    wanted = _plain(name)
    scored: list[tuple[float, int, str]] = []
    for position, candidate in enumerate(dict.fromkeys(known)):
        score = _likeness(wanted, _plain(candidate))
        if score >= 0.6:
            scored.append((-score, position, candidate))
    return tuple(candidate for _, _, candidate in sorted(scored)[:limit])


def _plain(text: str) -> str:
    # The short hash in "name [a1f45402]" and a file ending say nothing about what somebody meant.
    text = re.sub(r"\s*\[[0-9a-f]{8,10}\]$", "", text.strip(), flags=re.IGNORECASE)
    text = re.sub(r"\.(safetensors|ckpt|pth|pt|bin)$", "", text, flags=re.IGNORECASE)
    # "+" stays: "DPM++ 2M" and "DPM 2M" are different things.
    return re.sub(r"[^\w+]+", "", text.casefold()).replace("_", "")


def _likeness(wanted: str, candidate: str) -> float:
    """0..1; 1 = the same but for case and punctuation, 0.9 = one holds the other."""
    if not wanted or not candidate:
        return 0.0
    if wanted == candidate:
        return 1.0
    ratio = difflib.SequenceMatcher(None, wanted, candidate, autojunk=False).ratio()
    shorter, longer = sorted((wanted, candidate), key=len)
    if len(shorter) >= 3 and shorter in longer:
        return max(0.8 + 0.1 * ratio, ratio)
    return ratio


def did_you_mean(names: Iterable[str]) -> str:
    """Return `did you mean "a" or "b"?`, or an empty text when there is nothing near."""
    quoted = [f'"{name}"' for name in names]
    if not quoted:
        return ""
    if len(quoted) == 1:
        return f"did you mean {quoted[0]}?"
    return f"did you mean {', '.join(quoted[:-1])} or {quoted[-1]}?"
