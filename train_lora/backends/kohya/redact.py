"""Keep where things lie on somebody's disk out of what is shown."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"""(['"])(?=[^'"]*[/\\])([^'"\n]*)\1""")
_BARE = re.compile(r"(?:[A-Za-z]:)?(?:[^\s'\",;:()\[\]<>|]*[/\\])+[^\s'\",;:()\[\]<>|]*")


def file_names_only(text: str) -> str:
    """Cut paths in a message down to their files' names.

    Example:
        >>> file_names_only("Error loading file: /home/alice/photos/t.jpg")
        'Error loading file: t.jpg'
    """
    text = _QUOTED.sub(lambda found: found[1] + _name_of(found[2]) + found[1], text)
    return _BARE.sub(_shorten, text)


def base_name(path: str) -> str:
    """Last part of a path of whichever system."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _shorten(found: re.Match[str]) -> str:
    path = found[0]
    if path in ("/", "\\"):  # sd-scripts puts its Japanese text behind " / "
        return path
    return _name_of(path)


def _name_of(path: str) -> str:
    name = base_name(path)
    # A folder's name says who somebody is ("/home/alice"); a file's name is what people look for.
    return name if "." in name.strip(".") else "…"
