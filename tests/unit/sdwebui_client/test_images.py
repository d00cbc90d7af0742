"""Pictures stay encoded; headers and text are read without decoding pixels."""

from __future__ import annotations

import base64
import contextlib
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin
from pydantic import BaseModel

from sdwebui_client import EncodedImage, ImageError
from sdwebui_client._headers import MAX_TEXT_BYTES, PNG_SIGNATURE
from tests.recorded import recordings


def encoded(kind: str, size: tuple[int, int] = (33, 21), mode: str = "RGB", **options: Any) -> bytes:
    out = BytesIO()
    Image.new(mode, size, 7).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


SIZES = st.tuples(st.integers(1, 300), st.integers(1, 300))
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True, "exif": b"Exif\0\0" + b"\xff" * 40}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),
]


@settings(max_examples=25, deadline=None)
@given(size=SIZES, kind=st.sampled_from(KINDS))
def test_the_header_states_the_size(size: tuple[int, int], kind: tuple[str, dict[str, Any]]) -> None:
    picture = EncodedImage.from_bytes(encoded(kind[0], size, **kind[1]))
    assert picture.size == size == picture.open().size
    assert picture.format == kind[0] == picture.open().format


@given(cut=st.integers(0, 60), kind=st.sampled_from(KINDS))
def test_a_cut_off_header_is_an_error_or_the_size(cut: int, kind: tuple[str, dict[str, Any]]) -> None:
    data = encoded(kind[0], **kind[1])
    with contextlib.suppress(ImageError):
        assert EncodedImage(data[:cut]).size == (33, 21)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_picture_or_an_error(data: bytes) -> None:
    for start in (b"", PNG_SIGNATURE, b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"):
        picture = EncodedImage(start + data)
        for read in (lambda p: p.size, lambda p: p.format, lambda p: p.text, repr):
            try:
                read(picture)
            except ImageError:
                continue


@given(st.binary(max_size=2000))
def test_base64_comes_back(data: bytes) -> None:
    picture = EncodedImage(PNG_SIGNATURE + data)
    assert EncodedImage.from_base64(picture.to_base64()) == picture
    assert EncodedImage.from_base64(memoryview(picture.to_base64().encode())) == picture
    assert EncodedImage.from_base64("data:image/png;base64," + picture.to_base64()) == picture
    assert EncodedImage.from_base64(base64.encodebytes(picture.data).decode()) == picture


@given(st.text(max_size=80))
def test_any_text_is_base64_of_a_picture_or_an_error(text: str) -> None:
    with pytest.raises(ImageError):
        EncodedImage.from_base64(text)


@pytest.mark.parametrize("text", ["", "iVBORw0K*Ggo=", "iVBORw0KGgo", "data:image/png,abc", "aGVsbG8="])
def test_what_is_no_base64_of_a_picture(text: str) -> None:
    with pytest.raises(ImageError):
        EncodedImage.from_base64(text)


def test_base64_is_not_shown_in_the_error() -> None:
    with pytest.raises(ImageError) as caught:
        EncodedImage.from_base64("A" * 400 + "*")
    assert "AAAA" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79),
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=200),
        max_size=4,
    ),
    packed=st.booleans(),
)
def test_text_chunks_are_read_as_pillow_writes_them(texts: dict[str, str], packed: bool) -> None:
    notes = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        notes.add_text(key, value, zip=packed)
    out = BytesIO()
    Image.new("L", (1, 1)).save(out, "PNG", pnginfo=notes)
    assert EncodedImage(out.getvalue()).text == texts


def test_international_text() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("parameters", "초상화, Steps: 2", zip=True)
    out = BytesIO()
    Image.new("L", (1, 1)).save(out, "PNG", pnginfo=notes)
    assert EncodedImage(out.getvalue()).text == {"parameters": "초상화, Steps: 2"}


def test_a_decompression_bomb_in_a_text_chunk() -> None:
    bomb = zlib.compress(b"a" * (MAX_TEXT_BYTES + 1))
    data = PNG_SIGNATURE + chunk(b"zTXt", b"parameters\0\0" + bomb)
    with pytest.raises(ImageError, match="more than"):
        _ = EncodedImage(data).text


@pytest.mark.parametrize(
    "content",
    [
        (b"tEXt", b"no separator"),
        (b"zTXt", b"key\0\0not zlib"),
        (b"iTXt", b"key\0"),
        (b"iTXt", b"key\0\0\0en"),
    ],
)
def test_damaged_text_chunks(content: tuple[bytes, bytes]) -> None:
    with pytest.raises(ImageError):
        _ = EncodedImage(PNG_SIGNATURE + chunk(*content)).text


def test_a_recorded_picture() -> None:
    case = recordings("a1111")["full/p01_txt2img_plain"]
    picture = EncodedImage.from_base64(case.body["images"][0])
    assert picture.size == (256, 256)
    assert picture.text["parameters"] == case.info["infotexts"][0]
    assert repr(picture) == f"EncodedImage(PNG, 256x256, {len(picture.data)} bytes)"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr", "HSV", "I;16"])
def test_from_pillow(mode: str) -> None:
    picture = EncodedImage.from_pil(Image.new(mode, (5, 4)))
    assert (picture.format, picture.size) == ("PNG", (5, 4))


def test_pixels_survive() -> None:
    image = Image.effect_noise((40, 30), 80)
    assert EncodedImage.from_pil(image).open().tobytes() == image.tobytes()


def test_saving_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = EncodedImage(encoded("PNG"))
    target = tmp_path / "new" / "portrait.png"
    assert picture.save(target) == target
    assert target.read_bytes() == picture.data

    def fails(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:5])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(OSError, match="disk full"):
        EncodedImage(encoded("JPEG")).save(target)
    assert target.read_bytes() == picture.data
    assert [path.name for path in target.parent.iterdir()] == ["portrait.png"]


def test_from_path(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ImageError, match=r"a\.txt"):
        EncodedImage.from_path(tmp_path / "a.txt")
    path = EncodedImage(encoded("WEBP")).save(tmp_path / "a.webp")
    assert EncodedImage.from_path(str(path)).format == "WEBP"


def test_equal_by_bytes_and_hashable() -> None:
    one, two = EncodedImage(encoded("PNG")), EncodedImage(encoded("PNG"))
    assert one == two
    assert len({one, two}) == 1
    assert len(one.sha256) == 64


def test_in_pydantic_models() -> None:
    class Holder(BaseModel):
        picture: EncodedImage

    data = encoded("PNG")
    picture = EncodedImage(data)
    assert Holder(picture=picture).picture is picture
    for form in (data, picture.to_base64(), Image.new("L", (2, 2))):
        assert Holder.model_validate({"picture": form}).picture.format == "PNG"
    assert Holder(picture=picture).model_dump() == {"picture": picture.to_base64()}
    assert Holder.model_validate_json(Holder(picture=picture).model_dump_json()).picture == picture
    assert Holder.model_json_schema()["properties"]["picture"]["contentEncoding"] == "base64"
    with pytest.raises(ValueError, match="picture"):
        Holder.model_validate({"picture": 5})
