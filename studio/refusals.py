"""What a service says no to, in both languages; pages show it, the API sends it.

StudioError
└── Refused          a code, a sentence and what to do, in Korean and English, and an HTTP status
"""

from __future__ import annotations

from typing import Any, Literal

from .errors import ExitCode, StudioError

Language = Literal["ko", "en"]


class Refused(StudioError):
    """Something a user asked for that is not done, and why.

    Args:
        code: Stable, for programs: "quota-jobs", "not-found" …
        en: One sentence, English.
        ko: The same in Korean.
        hint_en: What to do now; "" when nothing can be done.
        hint_ko: The same in Korean.
        status: The HTTP status of the API's answer.
        retry_after_s: When it is worth trying again; sent as Retry-After.
    """

    exit_code = ExitCode.BAD_INPUT
    title = "That cannot be done as asked"

    def __init__(
        self,
        code: str,
        *,
        en: str,
        ko: str,
        hint_en: str = "",
        hint_ko: str = "",
        status: int = 400,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(en, hint=hint_en)
        self.code, self.status, self.retry_after_s = code, status, retry_after_s
        self.texts: dict[Language, str] = {"en": en, "ko": ko}
        self.hints: dict[Language, str] = {"en": hint_en, "ko": hint_ko}

    def to_json(self) -> dict[str, Any]:
        """As the API sends it and a failed job keeps it."""
        return {"code": self.code, "message": dict(self.texts), "hint": dict(self.hints)}


def not_found() -> Refused:
    """The same for what is not there and for what is somebody else's: nobody learns which."""
    return Refused("not-found", en="There is nothing here.", ko="찾을 수 없습니다.", status=404)
