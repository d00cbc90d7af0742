"""SIGKILL at ten random moments: nothing is lost, nothing finished is made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.kill_test import kill_test
from tests.pipeline._recipe import SMALL, copy_photos


@pytest.mark.long
def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    photos = copy_photos(tmp_path / "photos")
    report = kill_test(photos, tmp_path, kills=10, sets=(*SMALL, "shots=4"), seed=1, seconds_per_step=0.12)
    assert report.kills >= 8, report
    assert report.equal, report
    assert report.redone <= report.kills, report
    assert report.planned == 8
