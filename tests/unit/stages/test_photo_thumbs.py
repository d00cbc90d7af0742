"""Small photos for reports: a report never fails over a picture in it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from stages.photo_thumbs import photo_jpegs, small_photo
from tests.pipeline._recipe import copy_photos
from train_lora import PhotoSet, load_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    folder = copy_photos(tmp_path_factory.mktemp("thumbs") / "photos")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    Image.new("RGB", (400, 300), "green").save(folder / "meadow.png")
    return load_photos(folder)


def test_all_that_can_be_shown_are_small_upright_jpegs(photos: PhotoSet) -> None:
    shown = photo_jpegs(photos, 200)
    assert len(shown) == 5  # four people and a meadow; the broken file cannot be shown
    assert "broken.jpg" not in shown
    for data in shown.values():
        picture = Image.open(BytesIO(data))
        assert picture.format == "JPEG"
        assert max(picture.size) <= 200
        assert not picture.getexif()


def test_a_photo_that_is_gone_by_now_is_left_out(photos: PhotoSet, tmp_path: Path) -> None:
    verdict = next(verdict for verdict in photos.photos if verdict.accepted)
    file = photos.folder / verdict.file
    kept = file.rename(tmp_path / "kept")
    assert small_photo(photos, verdict, 100) is None
    kept.rename(file)
    picture = small_photo(photos, verdict, 100)
    assert picture is not None
    assert max(picture.size) == 100
