"""Formats, sheets, backdrops and words of ID photos: nothing here looks for a face."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.id_photos import ID_FORMATS, PAPERS, IdPhoto, IdPhotoError, print_sheet
from stages.id_photos.backdrop import Backdrop, measure_backdrop
from stages.id_photos.head import EYES_AT, FRAME, Head
from stages.id_photos.photo import encode
from stages.id_photos.pictures import render
from stages.id_photos.place import ENLARGED_MOST, Placing, place_head
from stages.id_photos.remarks import remarks
from stages.id_photos.sheet import GAP_MM, plan_sheet
from stages.lib.label import TRAINED_ALGORITHMIC_MEDIA
from stages.marks import Mark, inspect_bytes

PIXELS = {
    "kr-passport": (413, 531),
    "kr-id": (413, 531),
    "kr-license": (413, 531),
    "kr-3x4": (354, 472),
    "us-2x2": (600, 600),
    "employee-card": (354, 472),
    "student-card": (354, 472),
}
ON_4X6 = {(413, 531): 8, (354, 472): 9, (600, 600): 2}


def test_sizes_in_pixels_are_the_known_ones() -> None:
    assert {name: form.size_px() for name, form in ID_FORMATS.items()} == PIXELS
    assert ID_FORMATS["kr-passport"].size_px(600) == (827, 1063)


def test_official_figures() -> None:
    for name in ("kr-passport", "kr-id", "kr-license"):
        assert ID_FORMATS[name].head_mm == (32, 36)
    us = ID_FORMATS["us-2x2"]
    assert us.head_mm == (25, 35)
    assert us.eyes_from_bottom_mm == (28, 35)


@pytest.mark.parametrize("form", ID_FORMATS.values(), ids=lambda form: form.name)
def test_formats_are_whole(form: Any) -> None:
    assert set(form.title) == set(form.background) == {"ko", "en"}
    assert any("가" <= letter <= "힣" for letter in form.title["ko"])
    assert form.source
    assert form.head_mm[1] < form.height_mm
    assert (form.eyes_from_bottom_mm is None) != (form.top_mm is None)
    if form.official:
        assert "AI" in form.warning["ko"]
        assert "AI" in form.warning["en"]
    else:
        assert form.warning is None


# Sheets.


@pytest.mark.parametrize(("photo", "count"), ON_4X6.items())
def test_as_many_as_fit_a_sheet(photo: tuple[int, int], count: int) -> None:
    assert len(plan_sheet(photo, "4x6in", 300).places) == count


@given(st.tuples(st.integers(150, 900), st.integers(150, 900)), st.sampled_from(list(PAPERS)))
@settings(max_examples=60, deadline=None)
def test_photos_lie_apart_and_on_the_sheet(photo: tuple[int, int], paper: str) -> None:
    grid = plan_sheet(photo, paper, 300)
    gap = GAP_MM / 25.4 * 300 - 1
    for index, (x, y) in enumerate(grid.places):
        assert x > 20
        assert y > 20
        assert x + photo[0] < grid.sheet[0] - 20
        assert y + photo[1] < grid.sheet[1] - 20
        for other_x, other_y in grid.places[:index]:
            assert abs(other_x - x) >= photo[0] + gap or abs(other_y - y) >= photo[1] + gap


def test_papers_and_photos_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="4x6in"):
        plan_sheet((400, 500), "letter", 300)
    with pytest.raises(ValueError, match="does not fit"):
        plan_sheet((2000, 2000), "4x6in", 300)


def _photo(mark: Mark) -> IdPhoto:
    image = Image.new("RGB", (413, 531), (200, 60, 40))
    return IdPhoto(encode(image, 300, mark), 34, 24, 0, {"ko": (), "en": ()}, "kr-passport", 300, 33, mark)


def test_a_sheet_has_its_size_its_marks_and_untouched_photos() -> None:
    data = print_sheet(_photo(Mark(TRAINED_ALGORITHMIC_MEDIA, "made", None, True)))
    image = Image.open(BytesIO(data))
    assert (image.size, image.info["dpi"]) == ((1800, 1200), (300, 300))
    assert inspect_bytes(data).generated
    assert inspect_bytes(data).sandbox
    pixels = np.asarray(image).astype(int)
    outside = np.ones(pixels.shape[:2], bool)
    for x, y in plan_sheet((413, 531), "4x6in", 300).places:
        inner = pixels[y + 3 : y + 528, x + 3 : x + 410]
        assert np.abs(inner - (200, 60, 40)).max() < 12
        outside[y - 3 : y + 534, x - 3 : x + 416] = False
    grey = pixels.mean(axis=2)
    # Cut marks are there, and only few: the rest of the paper is white.
    assert 0.0003 < (outside & (grey < 180)).mean() < 0.003
    assert not inspect_bytes(print_sheet(_photo(Mark()))).generated


# Backdrops.


def _figure(paper: tuple[int, int, int], *, slope: float = 0.0, noise: float = 2.0) -> tuple[Any, Any, Any]:
    """A head and shoulders on paper; the frame, the person, and the head's box."""
    rng = np.random.default_rng(2)
    width, height = FRAME
    y, x = np.mgrid[0:height, 0:width]
    frame = np.array(paper, np.float64) + slope * (x[..., None] / width - 0.5)
    middle, eyes = EYES_AT
    head = ((x - middle) / 72) ** 2 + ((y - eyes) / 96) ** 2 <= 1
    body = (y > eyes + 115) & (np.abs(x - middle) < 110 + (y - eyes - 115) * 0.4)
    neck = (np.abs(x - middle) < 32) & (y > eyes) & (y <= eyes + 116)
    person = head | body | neck
    frame[person] = (150, 110, 90)
    frame = np.clip(frame + rng.normal(0, noise, frame.shape), 0, 255).astype(np.uint8)
    return frame, person, (middle - 42, eyes - 45, middle + 42, eyes + 85)


def _measured(frame: Any, box: Any) -> Backdrop:
    return measure_backdrop(frame, np.ones(FRAME[::-1], bool), head=box, chin_y=EYES_AT[1] + 95)


@pytest.mark.parametrize(
    ("paper", "slope", "white", "even"),
    [
        ((252, 252, 252), 0, True, True),
        ((215, 215, 215), 60, False, False),
        ((120, 150, 200), 0, False, True),
    ],
)
def test_a_person_is_told_from_plain_paper(
    paper: tuple[int, int, int], slope: float, white: bool, even: bool
) -> None:
    frame, person, box = _figure(paper, slope=slope)
    found = _measured(frame, box)
    both, either = (found.person & person).sum(), (found.person | person).sum()
    assert both / either > 0.97
    assert found.plain
    assert (found.white, found.even) == (white, even)
    top = int(np.flatnonzero(found.person.any(axis=1))[0])
    assert abs(top - (EYES_AT[1] - 96)) <= 2


def test_a_pattern_is_not_plain() -> None:
    frame, person, box = _figure((250, 250, 250))
    y, x = np.mgrid[0 : FRAME[1], 0 : FRAME[0]]
    frame[((x // 20 + y // 20) % 2 == 0) & ~person] = (60, 90, 160)
    assert not _measured(frame, box).plain


# Placing.

PLAIN = Backdrop(np.zeros(FRAME[::-1], bool), 0.5, 96, 1, 1)


def _head(**changes: Any) -> Head:
    usual = Head((1000.0, 900.0), 0.0, 260.0, 270.0, 260.0, True, False, PLAIN, ((0.2, 0, 20), (0, 0.2, 20)))
    return replace(usual, **changes)


@given(
    kind=st.sampled_from(list(ID_FORMATS)),
    chin=st.floats(220, 320),
    hair=st.floats(0.75, 1.1),
    roll=st.floats(-20, 20),
)
@settings(max_examples=150, deadline=None)
def test_places_keep_to_the_format(kind: str, chin: float, hair: float, roll: float) -> None:
    form = ID_FORMATS[kind]
    head = _head(chin_px=chin, hair_px=hair * chin, skull_px=min(hair, 1) * chin, roll_deg=roll)
    place = place_head(head, form, 300, (2000, 2600))
    assert form.head_mm[0] <= place.bare_mm <= place.head_mm + 1e-6 <= form.head_mm[1] + 0.01
    if form.eyes_from_bottom_mm:
        assert form.eyes_from_bottom_mm[0] <= place.eyes_mm <= form.eyes_from_bottom_mm[1]
    # The top of the hair and the chin are on the photo.
    assert place.eyes_mm + place.head_mm * hair / (1 + hair) < form.height_mm
    assert place.eyes_mm - place.head_mm / (1 + hair) > 0
    (a, b, c), (d, e, f) = place.matrix(head, form, 300)
    x, y = head.eyes
    width, height = form.size_px()
    assert a * x + b * y + c == pytest.approx(width / 2)
    assert (height - (d * x + e * y + f)) / 300 * 25.4 == pytest.approx(place.eyes_mm)


def test_hair_higher_than_allowed_gives_way_to_the_crown() -> None:
    place = place_head(_head(hair_px=380.0), ID_FORMATS["kr-passport"], 300, (2000, 2600))
    assert place.hair_is_high
    assert 32 <= place.bare_mm <= 36 < place.head_mm


def test_a_small_head_says_how_many_pixels_are_needed() -> None:
    head = _head(chin_px=120.0, hair_px=120.0, skull_px=120.0)
    with pytest.raises(IdPhotoError, match="240 pixels") as caught:
        place_head(head, ID_FORMATS["kr-passport"], 300, (2000, 2600))
    needed = int(caught.value.en.split("at least ")[1].split()[0])
    grown = needed / 240
    large = _head(chin_px=120 * grown, hair_px=120 * grown, skull_px=120 * grown)
    assert place_head(large, ID_FORMATS["kr-passport"], 300, (2000, 2600)).scale <= ENLARGED_MOST


def test_a_person_is_never_made_up() -> None:
    everywhere = replace(PLAIN, person=np.ones(FRAME[::-1], bool))
    with pytest.raises(IdPhotoError) as caught:
        place_head(
            _head(eyes=(300.0, 300.0), backdrop=everywhere), ID_FORMATS["kr-passport"], 300, (600, 600)
        )
    assert caught.value.code == "too-tight"


def test_pixels_land_where_the_matrix_says() -> None:
    pixels = np.full((900, 700, 3), 240, np.uint8)
    pixels[398:402, 298:302] = (255, 0, 0)
    image = np.asarray(render(pixels, ((0.5, 0, 20), (0, 0.5, 30)), (400, 500))).astype(int)
    y, x = np.argwhere(image[..., 0] - image[..., 1] > 60).mean(axis=0)
    # Middles of pixels: 299.5 is the middle of the square.
    assert (x, y) == (pytest.approx(20 + 299.5 * 0.5, abs=0.3), pytest.approx(30 + 399.5 * 0.5, abs=0.3))


# Words.


def _said(head: Head, kind: str, **place: Any) -> tuple[str, ...]:
    usual = Placing(1.0, 24.0, 34.0, 33.0, False)
    texts = remarks(head, replace(usual, **place), ID_FORMATS[kind])
    assert len(texts["ko"]) == len(texts["en"])
    for korean in texts["ko"]:
        assert any("가" <= letter <= "힣" for letter in korean)
    return texts["en"]


def test_what_is_said_of_a_photo() -> None:
    assert _said(_head(), "student-card") == ()
    assert len(_said(_head(), "kr-passport")) == 1
    dark = _head(backdrop=replace(PLAIN, lightness=60))
    assert "colour" in _said(dark, "kr-passport")[1]
    assert "colour" in _said(dark, "student-card")[0]
    assert "not plain" in _said(_head(backdrop=replace(PLAIN, spread=20)), "student-card")[0]
    assert "shadow" in _said(_head(backdrop=replace(PLAIN, gradient=25)), "us-2x2")[1]
    assert "estimated" in _said(_head(crown_seen=False), "kr-3x4")[0]
    assert "rises" in _said(_head(), "kr-3x4", hair_is_high=True)[0]
    assert "tilted" in _said(_head(roll_deg=-12), "kr-3x4")[0]
    cream = _head(backdrop=replace(PLAIN, lightness=86, chroma=8))
    assert len(_said(cream, "us-2x2")) == 1
    assert len(_said(cream, "kr-passport")) == 2


def test_the_page_in_the_documentation_has_every_format() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "id-photos-and-marks.md").read_text("utf-8")
    for name, form in ID_FORMATS.items():
        width, height = form.size_px()
        eyes = "{:g}–{:g}".format(*form.eyes_from_bottom_mm) if form.eyes_from_bottom_mm else ""
        row = (
            f"| `{name}` | {form.title['en']} | {form.width_mm:g} × {form.height_mm:g} | "
            f"{width} × {height} | {form.head_mm[0]:g}–{form.head_mm[1]:g} | {eyes} | "
            f"{form.background['en']} | {len(plan_sheet((width, height), '4x6in', 300).places)} |"
        )
        assert row in page
