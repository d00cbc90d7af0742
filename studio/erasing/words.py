"""What of a receipt is shown, and in words why something is left."""

from __future__ import annotations

from typing import Any

from ..data import Receipt
from ..refusals import Language

_LEFT: dict[str, dict[Language, str]] = {
    "job-running": {
        "en": "A job is still being stopped; the rest is deleted by itself in a few minutes.",
        "ko": "작업을 멈추는 중입니다. 나머지는 몇 분 안에 자동으로 삭제됩니다.",
    },
    "in-use": {
        "en": "The files are still in use; the rest is deleted by itself in a few minutes.",
        "ko": "파일을 아직 사용 중입니다. 나머지는 몇 분 안에 자동으로 삭제됩니다.",
    },
    "models-folder": {
        "en": "A picture server could not be reached: its copy of the model is deleted as soon as it is "
        "there again.",
        "ko": "그림 서버에 연결할 수 없었습니다. 다시 연결되면 그곳의 모델도 자동으로 삭제됩니다.",
    },
    "models-folder-given-up": {
        "en": "A picture server was out of reach for a week: the operator has to delete its copy of the "
        "model.",
        "ko": "일주일 동안 그림 서버에 연결할 수 없었습니다. 그곳의 모델은 운영자가 직접 삭제해야 합니다.",
    },
}


WORKING = ("target", "cleared")
"""What an unfinished receipt needs, and neither a finished one keeps nor anybody is shown."""


def shown(receipt: Receipt) -> dict[str, Any]:
    """The receipt's numbers, and why something is left."""
    return {name: value for name, value in receipt.content.items() if name not in WORKING}


def left_over(receipt: Receipt, language: Language) -> list[str]:
    """What is left, why, and what becomes of it; empty when nothing is."""
    return [_LEFT[code][language] for code in receipt.content.get("left", ()) if code in _LEFT]
