"""The finish moves colours measurably, keeps what the server wrote, and marks the picture."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdwebui_client import EncodedImage
from stages.lib.finish import FinishSettings, finish
from stages.lib.grade import apply_grade, warmth
from stages.lib.label import TRAINED_ALGORITHMIC_MEDIA, XMP_KEYWORD, add_text, xmp_packet

INFOTEXT = "a portrait\nSteps: 28, Sampler: DPM++ 2M, Seed: 7"


def _pixels(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (48, 32, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def _picture(mode: str = "RGB", *, text: bool = True) -> EncodedImage:
    chunks = PngInfo()
    if text:
        chunks.add_text("parameters", INFOTEXT)
        chunks.add_itxt("sandbox", "SANDBOX ✓")
    out = BytesIO()
    _pixels(mode).save(out, "PNG", pnginfo=chunks)
    return EncodedImage.from_bytes(out.getvalue())


def _warmth(picture: EncodedImage) -> float:
    return warmth(np.asarray(picture.open().convert("RGB")))


def test_cool_is_measurably_cooler_than_warm() -> None:
    plain, cool, warm = (
        finish(_picture(), FinishSettings(grade={"temperature": value})) for value in (0.0, -0.5, 0.5)
    )
    assert _warmth(cool) + 8 < _warmth(plain) < _warmth(warm) - 8


def test_the_finish_is_the_same_every_time() -> None:
    settings = FinishSettings(grade={"temperature": 0.4, "contrast": 0.2, "saturation": -0.3, "lift": 0.1})
    assert finish(_picture(), settings).data == finish(_picture(), settings).data


def test_what_the_server_wrote_stays() -> None:
    done = finish(_picture(), FinishSettings(grade={"temperature": 0.4}))
    assert done.text["parameters"] == INFOTEXT
    assert done.text["sandbox"] == "SANDBOX ✓"
    # Another reader sees the same.
    assert done.open().text["parameters"] == INFOTEXT  # type: ignore[attr-defined]


def test_the_mark_is_in_the_xmp_and_pillow_finds_it() -> None:
    done = finish(_picture(), FinishSettings(description="<Tom & Ann>"))
    assert TRAINED_ALGORITHMIC_MEDIA in done.text[XMP_KEYWORD]
    assert "&lt;Tom &amp; Ann&gt;" in done.text[XMP_KEYWORD]
    image = done.open()
    image.load()
    assert TRAINED_ALGORITHMIC_MEDIA in image.info["xmp"].decode()


def test_without_grade_and_mark_nothing_changes() -> None:
    picture = _picture()
    assert finish(picture, FinishSettings(mark_generated=False)).data == picture.data


def test_marking_alone_does_not_touch_the_pixels() -> None:
    done = finish(_picture(), FinishSettings())
    assert np.array_equal(np.asarray(done.open()), np.asarray(_picture().open()))


def test_a_picture_without_infotext_gets_the_reported_one() -> None:
    done = finish(_picture(text=False), FinishSettings(infotext=INFOTEXT))
    assert done.text["parameters"] == INFOTEXT


def test_the_pictures_own_infotext_wins() -> None:
    assert finish(_picture(), FinishSettings(infotext="another")).text["parameters"] == INFOTEXT


@pytest.mark.parametrize("mode", ["RGBA", "L", "P"])
def test_other_modes_become_rgb(mode: str) -> None:
    done = finish(_picture(mode), FinishSettings(grade={"temperature": 0.3}))
    assert done.open().mode == "RGB"


def test_a_jpeg_becomes_a_png() -> None:
    out = BytesIO()
    _pixels().save(out, "JPEG")
    done = finish(EncodedImage.from_bytes(out.getvalue()), FinishSettings(infotext=INFOTEXT))
    assert done.format == "PNG"
    assert done.text["parameters"] == INFOTEXT


def test_text_with_every_script_survives() -> None:
    text = "인물 사진, Steps: 28"
    done = add_text(_picture(text=False), {"parameters": text})
    assert done.text["parameters"] == text
    assert done.open().text["parameters"] == text  # type: ignore[attr-defined]


def test_text_is_not_added_to_a_jpeg() -> None:
    out = BytesIO()
    _pixels().save(out, "JPEG")
    with pytest.raises(ValueError, match="JPEG"):
        add_text(EncodedImage.from_bytes(out.getvalue()), {"a": "b"})


def test_the_xmp_packet_is_well_formed() -> None:
    from xml.etree import ElementTree

    body = xmp_packet("a < b").split("?>", 1)[1].rsplit("<?xpacket", 1)[0]
    assert ElementTree.fromstring(body).tag.endswith("xmpmeta")


_AMOUNT = st.floats(-1.0, 1.0)


@given(temperature=_AMOUNT, tint=_AMOUNT, contrast=_AMOUNT, saturation=_AMOUNT, lift=_AMOUNT)
def test_a_grade_never_leaves_the_range_or_turns_tones_over(
    temperature: float, tint: float, contrast: float, saturation: float, lift: float
) -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    grade = {"temperature": temperature, "tint": tint, "contrast": contrast, "lift": lift}
    graded = apply_grade(grey, grade).astype(int)
    assert (np.diff(graded, axis=1) >= 0).all()
    assert apply_grade(grey, {**grade, "saturation": saturation}).dtype == np.uint8


def test_grey_keeps_its_brightness_under_a_temperature() -> None:
    grey = np.full((4, 4, 3), 128, np.uint8)
    for value in (-1.0, 1.0):
        red, green, blue = apply_grade(grey, {"temperature": value})[0, 0].tolist()
        assert abs(0.2126 * red + 0.7152 * green + 0.0722 * blue - 128) < 4


def test_no_grade_is_the_same_array() -> None:
    grey = np.full((4, 4, 3), 128, np.uint8)
    assert apply_grade(grey, {"temperature": 0.5}, strength=0.0) is grey
    assert not np.array_equal(apply_grade(grey, {"temperature": 0.5}, strength=2.0), grey)
