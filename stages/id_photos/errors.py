"""Why a picture cannot become an ID photo.

StagesError
└── IdPhotoError     a code, and what is wrong and what to do in Korean and English
"""

from __future__ import annotations

from ..errors import StagesError


class IdPhotoError(StagesError):
    """No ID photo can be made of this picture.

    Args:
        code: Stable, for programs: "no-face", "several-faces", "turned", "too-small", "cut-off", "too-tight",
            "unknown-format", "not-a-picture", "too-many-pixels", "covered".
        ko: What is wrong and what to do, Korean.
        en: The same in English.
    """

    def __init__(self, code: str, ko: str, en: str) -> None:
        super().__init__(en)
        self.code, self.ko, self.en = code, ko, en

    @property
    def texts(self) -> dict[str, str]:
        """Both languages, as a page wants them."""
        return {"ko": self.ko, "en": self.en}
