"""What a user has to be told of a finished ID photo, in both languages."""

from __future__ import annotations

from collections.abc import Mapping

from .formats import IdFormat
from .head import Head
from .place import Placing

TILT_WORTH_SAYING_DEG = 8.0
OFF_WHITE, OFF_WHITE_CHROMA = 82.0, 10.0
LIGHT = 70.0


def remarks(head: Head, placing: Placing, form: IdFormat) -> Mapping[str, tuple[str, ...]]:
    """Warnings by language; the official one first."""
    found = [*([form.warning] if form.warning else []), *_backdrop(head, form), *_head(head, placing)]
    return {language: tuple(texts[language] for texts in found) for language in ("ko", "en")}


def _backdrop(head: Head, form: IdFormat) -> list[Mapping[str, str]]:
    seen, wanted = head.backdrop, form.background
    if not seen.plain:
        return [
            {
                "ko": f"배경이 단색이 아닙니다. 이 규격에는 {wanted['ko']}이 필요합니다. 흰색 배경으로 "
                f"다시 만들어 보세요.",
                "en": f"The backdrop is not plain. This format wants it {wanted['en']}. Make the portrait "
                f"again with a "
                "white backdrop.",
            }
        ]
    fits = {
        "white": seen.white,
        "off-white": seen.lightness >= OFF_WHITE and seen.chroma <= OFF_WHITE_CHROMA,
        "light": seen.lightness >= LIGHT,
    }[form.backdrop]
    if not fits:
        return [
            {
                "ko": f"배경색이 규격과 다릅니다. 이 규격에는 {wanted['ko']}이 필요합니다.",
                "en": f"The backdrop has another colour than this format wants: {wanted['en']}.",
            }
        ]
    if not seen.even and form.backdrop != "light":
        return [
            {
                "ko": "배경의 밝기가 고르지 않습니다. 그림자가 있으면 거절될 수 있습니다.",
                "en": "The backdrop is not equally bright everywhere. A shadow can be a reason to refuse "
                "the photo.",
            }
        ]
    return []


def _head(head: Head, placing: Placing) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = []
    if not head.crown_seen:
        found.append(
            {
                "ko": "머리 윗부분과 배경을 구분하기 어려워 정수리 위치를 추정했습니다. 머리 크기를 자로 "
                "확인하세요.",
                "en": "The top of the head could not be told from the backdrop and was estimated. Check "
                "the size of the "
                "head with a ruler.",
            }
        )
    if placing.hair_is_high:
        found.append(
            {
                "ko": "머리카락이 높이 올라와 있어 머리카락을 포함한 길이는 규격보다 깁니다. 정수리를 "
                "기준으로 맞췄습니다.",
                "en": "The hair rises high: with it the head is longer than the format allows. The crown "
                "without hair was "
                "taken.",
            }
        )
    if abs(head.roll_deg) > TILT_WORTH_SAYING_DEG:
        found.append(
            {
                "ko": "기울어진 머리를 바로 세웠습니다. 어깨가 기울어 보일 수 있습니다.",
                "en": "The head was tilted and has been set upright. The shoulders may look askew.",
            }
        )
    return found
