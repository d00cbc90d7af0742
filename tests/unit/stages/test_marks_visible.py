"""The visible mark: small, in a corner, never on a face, readable on light and on dark."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faces import detect
from stages.marks import mark_picture
from stages.marks.visible import SHARE, TEXTS, Box, Language, draw_mark, render
from studio.consent import EXAMPLE_PHOTOS


def _shared(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("grey", [0, 60, 128, 200, 255])
def test_words_stand_out_on_any_ground(language: Language, grey: int) -> None:
    image = Image.new("RGB", (768, 1152), (grey, grey, grey))
    place = draw_mark(image, language, [])
    seen = np.asarray(image.crop(place.box).convert("L"), np.float64)
    plate, ink = np.percentile(seen, 30), np.percentile(seen, 99.5)
    # WCAG 2.2, 1.4.3: 4.5 to 1 for text.
    light, dark = (((value / 255) ** 2.2 + 0.05) for value in (ink, plate))
    assert light / dark > 4.5


@given(
    width=st.integers(40, 3000),
    height=st.integers(40, 3000),
    language=st.sampled_from(list(TEXTS)),
)
@settings(max_examples=40, deadline=None)
def test_it_is_small_and_inside(width: int, height: int, language: Language) -> None:
    image = Image.new("RGB", (width, height), "white")
    place = draw_mark(image, language, [])
    assert place.left >= 0
    assert place.top >= 0
    assert place.box[2] <= width
    assert place.box[3] <= height
    if min(width, height) >= 500:
        assert place.height == pytest.approx(SHARE * min(width, height), abs=1)
        assert place.width * place.height < 0.02 * width * height


@given(st.lists(st.tuples(st.floats(0, 0.7), st.floats(0, 0.7), st.floats(0.1, 0.3)), min_size=1, max_size=2))
@settings(max_examples=60, deadline=None)
def test_it_keeps_off_faces(faces: list[tuple[float, float, float]]) -> None:
    boxes: list[Box] = [(800 * x, 800 * y, 800 * (x + s), 800 * (y + s)) for x, y, s in faces]
    place = draw_mark(Image.new("RGB", (800, 800), "white"), "en", boxes)
    assert not any(_shared(place.box, box) for box in boxes)


def test_a_face_in_the_corner_moves_it() -> None:
    image = Image.new("RGB", (800, 800), "white")
    assert draw_mark(image.copy(), "ko", []).left > 400
    assert draw_mark(image.copy(), "ko", [(600, 600, 800, 800)]).left < 400


def test_where_faces_are_everywhere_it_is_still_drawn() -> None:
    image = Image.new("RGB", (400, 400), "white")
    draw_mark(image, "ko", [(0, 0, 400, 400)])
    assert np.asarray(image).min() < 200


def test_words_have_their_own_shape_and_size() -> None:
    small, large = render(16, "ko"), render(64, "ko")
    assert small.height == 16
    assert large.width == pytest.approx(4 * small.width, rel=0.05)
    assert render(64, "en").width > large.width
    # Strokes reach over the whole height of a letter: nothing is cut.
    ink = np.asarray(large.convert("RGBA"))[..., 0] > 200
    rows = np.flatnonzero(ink.any(axis=1))
    assert 0.5 < (rows[-1] - rows[0]) / 64 < 0.8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_pixels_away_from_the_mark_stay(mode: str) -> None:
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)).convert(mode)
    out = BytesIO()
    image.save(out, "PNG")
    marked = Image.open(BytesIO(mark_picture(out.getvalue(), visible=True)))
    before, after = (np.asarray(picture.convert("RGB"))[:250, :200] for picture in (image, marked))
    assert np.array_equal(before, after)
    assert not np.array_equal(np.asarray(image.convert("RGB")), np.asarray(marked.convert("RGB")))


def test_on_a_photo_it_lies_beside_the_face() -> None:
    photo = Image.open(EXAMPLE_PHOTOS / "05-close.jpg").convert("RGB")
    place = draw_mark(photo.copy(), "ko", [face.box for face in detect(photo)])
    assert not any(_shared(place.box, face.box) for face in detect(photo))
