from __future__ import annotations

from pathlib import Path

import pytest

from studio import consent
from studio.errors import BadInput


def never(text: str) -> bool:
    raise AssertionError(f"asked: {text}")


def test_given_on_the_command_line_nobody_is_asked(tmp_path: Path) -> None:
    assert "--consent" in consent.settle(tmp_path, given=True, ask=never, note=never)


def test_the_example_photos_need_no_consent() -> None:
    assert "public domain" in consent.settle(consent.EXAMPLE_PHOTOS, given=False, ask=never, note=never)


def test_somebody_there_is_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def yes(text: str) -> bool:
        asked.append(text)
        return True

    assert "when asked" in consent.settle(tmp_path, given=False, ask=yes, note=never)
    assert len(asked) == 1
    assert "permission" in asked[0]


def test_no_ends_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="permission"):
        consent.settle(tmp_path, given=False, ask=lambda _: False, note=never)


def test_nobody_there_is_told(tmp_path: Path) -> None:
    notes: list[str] = []
    kept = consent.settle(tmp_path, given=False, ask=None, note=notes.append)
    assert "nobody there" in kept
    assert "--consent" in notes[0]
