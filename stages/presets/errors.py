"""`PresetError`: what is wrong with a preset, each problem with place, reason and what was probably meant.

PresetError           root of this package
  carries PresetProblem…  one for each thing that is wrong
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class PresetProblem:
    """One thing that is wrong."""

    path: str
    """Dotted path in the preset, e.g. `stages.img2img.denoising_strength`; empty for the file as a whole."""
    reason: str
    """What is wrong, as a sentence without the path."""
    near: tuple[str, ...] = ()
    """Names that exist and look like the one given, best first."""
    hint: str = ""
    """What to do, when the reason does not say it already."""
    source: str = ""
    """The file, or `--set`; empty when unknown."""
    line: int | None = None
    """Line in `source`, counted from 1."""
    excerpt: str = ""
    """That line's text."""

    def __str__(self) -> str:
        place = self.source + (f":{self.line}" if self.line is not None else "")
        head = ": ".join(part for part in (place, self.path) if part)
        lines = [f"{head}: {self.reason}" if head else self.reason]
        if self.excerpt:
            number = f"{self.line}" if self.line is not None else ""
            lines.append(f"  {number:>4} | {self.excerpt}")
        if self.near:
            lines.append(f"  did you mean {' or '.join(self.near)}?")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class PresetError(Exception):
    """A preset cannot be used.

    Attributes:
        problems: All that was found, so that one run shows everything.
        path: Dotted path of the first problem.
        reason: Reason of the first problem.
        near: Near matches of the first problem.
    """

    def __init__(self, problems: PresetProblem | Iterable[PresetProblem]) -> None:
        self.problems: tuple[PresetProblem, ...] = (
            (problems,) if isinstance(problems, PresetProblem) else tuple(problems)
        )
        if not self.problems:
            raise ValueError("a PresetError needs at least one problem")
        first = self.problems[0]
        self.path, self.reason, self.near = first.path, first.reason, first.near
        super().__init__("\n".join(str(problem) for problem in self.problems))
