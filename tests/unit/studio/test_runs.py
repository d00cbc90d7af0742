from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import BadInput
from studio.runs import WORK, check_out, claim, models_dirs, owner


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def claimed(out: Path, photos: Path) -> None:
    claim(out, photos, "alice")


def test_a_new_folder_is_claimed_and_known_again(tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "output" / "alice"
    check_out(out, photos)
    claimed(out, photos)
    check_out(out, photos)
    record = owner(out)
    assert record is not None
    assert (record["name"], record["photos"]) == ("alice", str(photos))


def test_claiming_again_keeps_when_it_was_made(tmp_path: Path, photos: Path) -> None:
    claimed(tmp_path / "out", photos)
    first = owner(tmp_path / "out")
    claim(tmp_path / "out", photos, "alice", publishes_in=[tmp_path])
    second = owner(tmp_path / "out")
    assert first is not None
    assert second is not None
    assert second["created"] == first["created"]
    assert models_dirs(second) == (str(tmp_path),)


def test_no_folder_a_lora_was_published_in_is_forgotten(tmp_path: Path, photos: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for places in ([one], [two], [], [one]):
        claim(tmp_path / "out", photos, "alice", publishes_in=places)
    record = owner(tmp_path / "out")
    assert record is not None
    assert models_dirs(record) == (str(one), str(two))


def test_the_one_place_of_an_older_record_counts() -> None:
    assert models_dirs({"models_dir": "/one", "models_dirs": ["/one", "/two", 3]}) == ("/one", "/two")


def test_a_folder_with_other_things_is_refused(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").touch()
    with pytest.raises(BadInput, match="other things"):
        check_out(tmp_path / "out", photos)


def test_an_empty_folder_is_fine(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "out").mkdir()
    check_out(tmp_path / "out", photos)


def test_a_file_is_refused(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(BadInput, match="is a file"):
        check_out(tmp_path / "out", photos)


def test_a_folder_that_contains_the_photos_is_refused(tmp_path: Path, photos: Path) -> None:
    for out in (photos, tmp_path):
        with pytest.raises(BadInput, match="contains the photos"):
            check_out(out, photos)


def test_output_below_the_photos_is_fine(photos: Path) -> None:
    check_out(photos / "output" / "alice", photos)


def test_two_people_do_not_share_a_folder(tmp_path: Path, photos: Path) -> None:
    claimed(tmp_path / "out", photos)
    other = tmp_path / "bob"
    other.mkdir()
    with pytest.raises(BadInput, match="other photos") as caught:
        check_out(tmp_path / "out", other)
    assert "--name" in caught.value.hint


def test_photos_that_were_moved_are_the_same_photos(tmp_path: Path, photos: Path) -> None:
    claimed(tmp_path / "out", photos)
    moved = photos.rename(tmp_path / "elsewhere")
    check_out(tmp_path / "out", moved)


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="Cannot write"):
        claimed(tmp_path / "file" / "out", photos)


def test_a_broken_record_is_no_record(tmp_path: Path, photos: Path) -> None:
    claimed(tmp_path / "out", photos)
    (tmp_path / "out" / WORK / "owner.json").write_text("[1, 2")
    assert owner(tmp_path / "out") is None


def test_nobody_else_looks_into_the_work_folder(tmp_path: Path, photos: Path) -> None:
    claim(tmp_path / "out", photos, "alice")
    assert (tmp_path / "out" / ".work").stat().st_mode & 0o077 == 0
