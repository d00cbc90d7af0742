"""What was found on a photo is kept by the photo's bytes, and by all its verdict hangs on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from faces import Face, Quality
from train_lora import screened_folder
from train_lora.decoding import Refused
from train_lora.limits import PhotoLimits
from train_lora.screened_folder import ScreenedFolder
from train_lora.screening import Screened

LIMITS = PhotoLimits()


class Looks:
    """Stands in for the search for faces; counts."""

    def __init__(self, *, refuses: Refused | None = None, taken: datetime | None = None) -> None:
        self.refuses, self.taken, self.times = refuses, taken, 0

    def __call__(self, path: Path, _limits: PhotoLimits) -> Screened:
        """Find a face, or refuse."""
        self.times += 1
        if self.refuses is not None:
            raise self.refuses
        face = Face(
            (0.1, 0.2, 30.5, 40.25), ((1.0, 2.0), (3.0, 2.0), (2.0, 3.0), (1.0, 4.0), (3.0, 4.0)), 0.99
        )
        quality = Quality(40.1, 0.5, 0.2, 0.01, 40.0, 3.0, 1.0, eyes_covered=True)
        found = Screened(
            path, "ab" * 32, 100, 200, 90, face, (0.1, 1 / 3), quality, 2**63 + 1, (100, 200), "ok", {"n": 1}
        )
        return replace(found, taken=self.taken)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A file; nobody decodes it here."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"pixels")
    return path


@pytest.fixture
def known(tmp_path: Path) -> ScreenedFolder:
    """An empty folder."""
    return ScreenedFolder(tmp_path / "known")


def test_the_same_file_is_looked_at_once_and_comes_back_whole(photo: Path, known: ScreenedFolder) -> None:
    looks = Looks()
    first = known.screened(photo, LIMITS, looks)
    again = known.screened(photo, LIMITS, looks)
    assert looks.times == 1
    assert again == first
    moved = Path(shutil.copy(photo, photo.with_name("b.jpg")))
    assert known.screened(moved, LIMITS, looks) == replace(first, path=moved)
    assert looks.times == 1


def test_a_verdict_is_remembered_as_well(photo: Path, known: ScreenedFolder) -> None:
    looks = Looks(refuses=Refused("blurred", _sha256="ab", _width=3, _height=4))
    for _ in range(2):
        with pytest.raises(Refused) as raised:
            known.screened(photo, LIMITS, looks)
        assert raised.value.code == "blurred"
        assert raised.value.facts == {"_sha256": "ab", "_width": 3, "_height": 4}
    assert looks.times == 1


@pytest.mark.parametrize("looks", [Looks(refuses=Refused("damaged")), Looks(taken=datetime(2024, 5, 1))])
def test_what_may_change_or_is_private_is_not_kept(
    photo: Path, known: ScreenedFolder, looks: Looks, tmp_path: Path
) -> None:
    for _ in range(2):
        try:
            assert known.screened(photo, LIMITS, looks).taken is not None
        except Refused:
            assert looks.refuses is not None
    assert looks.times == 2
    assert not (tmp_path / "known").exists()


def _other_bytes(photo: Path, _patch: pytest.MonkeyPatch) -> PhotoLimits:
    photo.write_bytes(b"other pixels")
    return LIMITS


def _other_limits(_photo: Path, _patch: pytest.MonkeyPatch) -> PhotoLimits:
    return replace(LIMITS, min_sharpness=99.0)


def _other_detector(_photo: Path, patch: pytest.MonkeyPatch) -> PhotoLimits:
    patch.setattr(screened_folder, "detector_identity", lambda: "yolo 1234")
    return LIMITS


def _other_version(_photo: Path, patch: pytest.MonkeyPatch) -> PhotoLimits:
    patch.setattr(screened_folder, "VERSION", 99)
    return LIMITS


@pytest.mark.parametrize("change", [_other_bytes, _other_limits, _other_detector, _other_version])
def test_whatever_the_verdict_hangs_on_makes_it_look_again(
    photo: Path,
    known: ScreenedFolder,
    change: Callable[[Path, pytest.MonkeyPatch], PhotoLimits],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks()
    known.screened(photo, LIMITS, looks)
    known.screened(photo, change(photo, monkeypatch), looks)
    assert looks.times == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"face": 3}', b"\xff\xfe"])
def test_a_damaged_note_is_made_anew(
    photo: Path, known: ScreenedFolder, damage: bytes, tmp_path: Path
) -> None:
    looks = Looks()
    first = known.screened(photo, LIMITS, looks)
    (note,) = (tmp_path / "known").iterdir()
    note.write_bytes(damage)
    assert known.screened(photo, LIMITS, looks) == first
    assert looks.times == 2
    assert known.screened(photo, LIMITS, looks) == first
    assert looks.times == 2


def test_a_file_that_is_gone_is_refused(tmp_path: Path, known: ScreenedFolder) -> None:
    with pytest.raises(Refused) as raised:
        known.screened(tmp_path / "gone.jpg", LIMITS, Looks())
    assert raised.value.code == "unreadable"
