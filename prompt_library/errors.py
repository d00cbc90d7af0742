"""Errors of the prompt library.

PromptError            root
  LibraryError           a data file cannot be used (names file and line)
  UnknownName            no such pose, tone, outfit … (names the near match)
  RenderError            a template or LoRA cannot be rendered
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PromptError(Exception):
    """Root of the package's errors."""


class LibraryError(PromptError):
    """A data file of the library is not usable."""


class UnknownName(PromptError):
    """The library has nothing of that kind under that name.

    Attributes:
        kind: What was looked for: "pose", "tone", "outfit", "backdrop", "mix" …
        name: The name asked for.
        near: Names that look like it, best first.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.kind, self.name, self.near = kind, name, near_matches(name, names)
        guess = (
            f"; did you mean {' or '.join(self.near)}?" if self.near else f"; there are {', '.join(names)}"
        )
        super().__init__(f"no {kind} is called {name!r}{guess}")


class RenderError(PromptError):
    """A prompt cannot be rendered as asked."""


def near_matches(name: str, known: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """Up to `limit` of `known` that look like `name`, whatever the case; best first."""
    by_fold: dict[str, str] = {}
    for candidate in known:
        by_fold.setdefault(candidate.casefold(), candidate)
    found = get_close_matches(name.casefold(), list(by_fold), n=limit, cutoff=0.6)
    return tuple(by_fold[match] for match in found)
