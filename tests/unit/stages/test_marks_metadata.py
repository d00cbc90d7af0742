"""The mark in the metadata: what is there stays, twice is once, hostile XMP is not believed."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sdwebui_client import EncodedImage
from stages.lib.finish import FinishSettings, finish
from stages.lib.label import TRAINED_ALGORITHMIC_MEDIA, XMP_KEYWORD
from stages.marks import Mark, MarkError, inspect_bytes, mark_picture, read_mark
from stages.marks.jpeg import join, split
from stages.marks.xmp import OURS, parse, read_xmp

INFOTEXT = "a portrait, 사진\nSteps: 28, Sampler: DPM++ 2M, Seed: 7"
CAMERA = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


def _pixels() -> Image.Image:
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (60, 40, 3), dtype=np.uint8))


def png(**texts: str) -> bytes:
    chunks = PngInfo()
    for key, text in texts.items():
        chunks.add_itxt(key, text)
    out = BytesIO()
    _pixels().save(out, "PNG", pnginfo=chunks, dpi=(300, 300))
    return out.getvalue()


def jpeg(*, xmp: bytes | None = None, exif: Image.Exif | None = None) -> bytes:
    out = BytesIO()
    more = {name: value for name, value in (("xmp", xmp), ("exif", exif)) if value is not None}
    _pixels().save(out, "JPEG", quality=90, dpi=(300, 300), comment=b"hello", **more)
    return out.getvalue()


def packet(attributes: str = "", body: str = "") -> bytes:
    """A packet of another program: other prefixes, things we know nothing of."""
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about=""'
        ' xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmp:Rating="4"{attributes}>{body}</r:Description></r:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


@pytest.mark.parametrize("make", [png, jpeg])
def test_marking_says_generated_and_touches_no_pixel(make: object) -> None:
    data = make()  # type: ignore[operator]
    marked = mark_picture(data, visible=False, sandbox=True, description="<A & B>")
    assert read_mark(marked) == Mark(TRAINED_ALGORITHMIC_MEDIA, "<A & B>", None, True)
    before, after = Image.open(BytesIO(data)), Image.open(BytesIO(marked))
    assert np.array_equal(np.asarray(before), np.asarray(after))
    # Pillow reads the packet itself, by its own way.
    assert TRAINED_ALGORITHMIC_MEDIA.encode() in after.info["xmp"]
    assert tuple(map(round, after.info["dpi"])) == (300, 300)


@pytest.mark.parametrize("make", [png, jpeg])
@pytest.mark.parametrize("visible", [False, True])
def test_marking_twice_is_marking_once(make: object, visible: bool) -> None:
    data = make()  # type: ignore[operator]
    once = mark_picture(data, visible=visible, language="ko", description="A")
    assert mark_picture(once, visible=visible, language="ko", description="A") == once
    # What is drawn stays, and in its language.
    assert mark_picture(once, visible=False, language="en", description="B") == once


def test_a_visible_mark_can_follow_later() -> None:
    quiet = mark_picture(png(parameters=INFOTEXT), visible=False)
    loud = mark_picture(quiet, visible=True, language="en", sandbox=True)
    assert (read_mark(loud).visible, read_mark(loud).sandbox) == ("en", True)
    assert EncodedImage.from_bytes(loud).text["parameters"] == INFOTEXT


def test_text_chunks_and_density_stay_in_a_png_with_a_visible_mark() -> None:
    marked = EncodedImage.from_bytes(
        mark_picture(png(parameters=INFOTEXT, sandbox="true"), visible=True, language="ko")
    )
    assert marked.text["parameters"] == INFOTEXT
    assert inspect_bytes(marked.data).infotext
    assert inspect_bytes(marked.data).sandbox
    assert tuple(map(round, marked.open().info["dpi"])) == (300, 300)


def test_comment_exif_and_density_stay_in_a_jpeg_with_a_visible_mark() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a title"
    image = Image.open(BytesIO(mark_picture(jpeg(exif=exif), visible=True)))
    assert image.info["comment"] == b"hello"
    assert image.getexif()[0x010E] == "a title"
    assert tuple(map(round, image.info["dpi"])) == (300, 300)


def test_the_mark_of_the_finish_is_completed_not_repeated() -> None:
    done = finish(EncodedImage.from_bytes(png(parameters=INFOTEXT)), FinishSettings(description="first"))
    marked = EncodedImage.from_bytes(
        mark_picture(done.data, visible=False, sandbox=True, description="second")
    )
    assert read_mark(marked.data) == Mark(TRAINED_ALGORITHMIC_MEDIA, "first", None, True)
    assert marked.text[XMP_KEYWORD].count(TRAINED_ALGORITHMIC_MEDIA) == 1
    assert marked.data.count(XMP_KEYWORD.encode()) == 1


def test_what_another_program_wrote_stays() -> None:
    marked = mark_picture(jpeg(xmp=packet()), visible=False, sandbox=True, description="x")
    found = read_xmp(marked)
    assert found is not None
    assert 'xmp:Rating="4"' in found
    assert parse(found) == Mark(TRAINED_ALGORITHMIC_MEDIA, "x", None, True)


@pytest.mark.parametrize(
    ("attributes", "body"),
    [
        (f' ext:DigitalSourceType="{CAMERA}"', ""),
        ("", f"<ext:DigitalSourceType>{CAMERA}</ext:DigitalSourceType>"),
        ("", f'<ext:DigitalSourceType r:resource="{CAMERA}"/>'),
    ],
)
def test_a_generated_picture_no_longer_claims_a_camera(attributes: str, body: str) -> None:
    data = jpeg(xmp=packet(attributes, body))
    assert read_mark(data).source_type == CAMERA
    assert not inspect_bytes(data).generated
    marked = mark_picture(data, visible=False)
    assert read_mark(marked).source_type == TRAINED_ALGORITHMIC_MEDIA
    assert CAMERA.encode() not in marked


@pytest.mark.parametrize(
    "bad",
    [
        b"<not xml",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>',
        b"\xff\xfe\x00",
        b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
    ],
)
def test_an_unreadable_packet_is_not_believed_and_is_replaced(bad: bytes) -> None:
    data = jpeg(xmp=bad)
    assert read_mark(data) == Mark()
    assert read_mark(mark_picture(data, visible=False)).generated


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG", b"\xff\xd8\xff\xe1\x00"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(MarkError) as caught:
        mark_picture(data, visible=False)
    assert caught.value.code in ("not-a-picture", "damaged")


def test_webp_is_refused_with_what_to_do() -> None:
    out = BytesIO()
    _pixels().save(out, "WEBP")
    with pytest.raises(MarkError, match="WEBP") as caught:
        mark_picture(out.getvalue(), visible=False)
    assert "PNG" in caught.value.hint


def test_a_packet_too_long_for_a_jpeg_is_refused() -> None:
    with pytest.raises(MarkError) as caught:
        mark_picture(jpeg(), visible=False, description="x" * 70_000)
    assert caught.value.code == "too-long"
    assert read_mark(mark_picture(png(), visible=False, description="x" * 70_000)).generated


def test_infotext_of_a_jpeg_is_found() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + INFOTEXT.encode("utf-16-be")
    assert inspect_bytes(jpeg(exif=exif)).infotext
    assert not inspect_bytes(jpeg()).infotext


@settings(deadline=None)
@given(st.text(max_size=60))
@example("\x00\x1b[31m")
@example("\ud800\uffff\r\n")
def test_any_description_leaves_a_readable_mark(text: str) -> None:
    for data in (_PNG, _JPEG):
        marked = mark_picture(data, visible=False, description=text)
        assert read_mark(marked).generated
        kept = "".join(letter for letter in read_mark(marked).description if letter.isprintable())
        assert kept == "".join(letter for letter in text if letter.isprintable())
        assert mark_picture(marked, visible=False, description=text) == marked


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_broken_jpegs_raise_one_error_only(tail: bytes) -> None:
    data = b"\xff\xd8\xff" + tail
    try:
        segments, rest = split(data)
    except ValueError:
        return
    assert split(join(segments, rest)) == (segments, rest)


def test_our_namespace_is_nobodys_address() -> None:
    assert ".invalid/" in OURS


_PNG, _JPEG = png(), jpeg()
