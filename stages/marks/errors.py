"""What can go wrong with marks.

StagesError
└── MarkError      a code and a sentence: "not-a-picture", "signed-already", "certificate", "too-long", …
"""

from __future__ import annotations

from ..errors import StagesError


class MarkError(StagesError):
    """A picture cannot be marked, or a certificate cannot sign.

    Args:
        code: Stable, for programs: "not-a-picture", "damaged", "too-long", "signed-already", "certificate",
            "extra-missing", "sign".
        message: What happened.
        hint: What to do now.
    """

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
