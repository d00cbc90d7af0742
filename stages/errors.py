"""What can go wrong in a recipe, each with what to do about it.

StagesError               root of this package
  StageError              a step cannot be done (no trainer, no face in the pose photo, …)
  PlanError               the servers lack something the plan needs; lists everything at once
  LikenessNotReached      pictures were made, none is enough like the person
  StoreError              the work folder
    WorkFolderBusy        another run is using it
    DiskFull              no space left; nothing that was finished is lost
  ProvenanceError         a picture's sidecar is missing, damaged, or from another version
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class StagesError(Exception):
    """Root of this package's errors.

    Attributes:
        message: What happened.
        hint: What to do now; may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message, self.hint = message, hint
        super().__init__(f"{message}\n{hint}" if hint else message)


class StageError(StagesError):
    """A step of a recipe cannot be done."""


class PlanError(StagesError):
    """No server can run the plan. Raised before anything is generated.

    Attributes:
        problems: Server URL -> everything it lacks, each a sentence with what to do.
    """

    def __init__(self, problems: Mapping[str, tuple[str, ...]]) -> None:
        self.problems = dict(problems)
        lines = [line for url, found in self.problems.items() for line in (f"{url}:", *_bullets(found))]
        super().__init__(
            "the servers lack what this preset needs:\n" + "\n".join(lines),
            hint="Nothing was generated. Install or rename the above, or choose another preset; "
            "`doctor` shows the same list.",
        )


def _bullets(texts: tuple[str, ...]) -> list[str]:
    return [f"  - {text}" for text in texts]


class LikenessNotReached(StagesError):
    """Everything was tried and no portrait reached the asked likeness.

    Attributes:
        best: Highest likeness of a finished picture, 0 to 1; None when no face was found in any.
        asked: The preset's `min_likeness`.
        out_dir: Where report and rejected pictures can be looked at.
        reason: Why most pictures were refused.

    `try_first` takes the place of the usual advice."""

    def __init__(
        self, *, best: float | None, asked: float, out_dir: Path, reason: str = "", try_first: str = ""
    ) -> None:
        self.best, self.asked, self.out_dir, self.reason = best, asked, out_dir, reason
        if best is None:
            told = f"no portrait reached the asked likeness of {asked:.2f}: no face was found in any picture"
        elif best < asked:
            # 0.998 is not "1.00, but 1.00 was asked".
            digits = next((n for n in (2, 3, 4) if f"{best:.{n}f}" != f"{asked:.{n}f}"), 5)
            told = (
                f"no portrait reached the asked likeness of {asked:.{digits}f}: the best reached "
                f"{best:.{digits}f}"
            )
        else:
            told = f"no portrait could be delivered, though one reached a likeness of {best:.2f}: {reason}"
        super().__init__(
            told,
            hint=f"Look at {out_dir / 'report.html'}. "
            + (
                try_first
                or "Then: more `shots`, a higher `lora.weight`, another `--seed`, better photos, or a lower "
                "`min_likeness`."
            ),
        )


class StoreError(StagesError):
    """The work folder cannot be used."""


class WorkFolderBusy(StoreError):
    """Another run is using the output folder.

    Attributes:
        pid: Process that holds it; None when its note could not be read.
    """

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"{folder} is in use by {who}",
            hint="Wait until it is done, stop it, or choose another folder with --out.",
        )


class DiskFull(StoreError):
    """There is no space left where the work folder lies."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no space is left on the disk of {folder}",
            hint="Make room and run the same command again: what was finished is kept and is not redone.",
        )


class ProvenanceError(StagesError):
    """A picture cannot be made again from its sidecar."""
