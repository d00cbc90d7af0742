from __future__ import annotations

import contextlib
import io
import random
import struct
import sys
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from train_lora.decoding import Refused, decode, read_bytes
from train_lora.limits import PhotoLimits

LIMITS = PhotoLimits(min_side_px=1)


def corner_marked(size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Red left upper corner, blue right lower corner, on grey: every orientation looks different."""
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    pixels[:16, :16] = (255, 0, 0)
    pixels[-16:, -32:] = (0, 0, 255)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(out, format="HEIF", quality=90, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


def code_of(data: bytes, limits: PhotoLimits = LIMITS, suffix: str = "") -> str:
    with pytest.raises(Refused) as caught:
        decode(data, limits, suffix=suffix)
    return caught.value.code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_reads_the_formats_people_have(kind: str) -> None:
    decoded = decode(encoded(corner_marked(), kind), LIMITS)
    assert (decoded.format, decoded.width, decoded.height) == (kind, 96, 64)
    assert decoded.image.mode == "RGB"
    red, grey = decoded.image.getpixel((4, 4)), decoded.image.getpixel((60, 10))
    assert red[0] > 200 > 80 > red[1]
    assert all(abs(value - 128) < 12 for value in grey)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(corner_marked(), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    decoded = decode(data, LIMITS)
    assert (decoded.width, decoded.height) == expected.size == decoded.image.size
    assert np.array_equal(np.asarray(decoded.image), np.asarray(expected))


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (96, 64)), (6, (64, 96)), (3, (96, 64)), (8, (64, 96))]
)
def test_heic_is_turned_once(orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encoded(corner_marked(), "HEIF", exif=exif.tobytes()), LIMITS)
    assert decoded.image.size == size == (decoded.width, decoded.height)
    corners = {1: (4, 4), 3: (-4, -4), 6: (-4, 4), 8: (4, -4)}
    x, y = (value % side for value, side in zip(corners[orientation], size, strict=True))
    assert decoded.image.getpixel((x, y))[0] > 200


@pytest.mark.parametrize("value", [0, 9, 99])
def test_impossible_orientations_are_left_aside(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert decode(encoded(corner_marked(), "JPEG", exif=exif), LIMITS).width == 96


def test_no_metadata_travels_on() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    decoded = decode(encoded(corner_marked(), "JPEG", exif=exif, comment=b"at home"), LIMITS)
    assert not decoded.image.getexif()
    assert not decoded.image.info


def test_odd_pixel_kinds_become_rgb() -> None:
    grey16 = Image.fromarray(np.full((64, 96), 32768, np.uint16))
    assert decode(encoded(grey16, "PNG"), LIMITS).image.getpixel((5, 5)) == (128, 128, 128)
    clear = Image.new("RGBA", (96, 64), (10, 20, 30, 0))
    assert decode(encoded(clear, "PNG"), LIMITS).image.getpixel((5, 5)) == (255, 255, 255)
    cmyk = Image.new("CMYK", (96, 64), (0, 0, 0, 0))
    assert min(decode(encoded(cmyk, "JPEG"), LIMITS).image.getpixel((5, 5))) > 250
    palette = corner_marked().quantize(8)
    assert decode(encoded(palette, "PNG"), LIMITS).image.mode == "RGB"


def test_a_broken_colour_profile_does_not_stop_a_photo() -> None:
    decoded = decode(encoded(corner_marked(), "JPEG", icc_profile=b"not a profile"), LIMITS)
    assert decoded.image.getpixel((60, 10))[0] == pytest.approx(128, abs=6)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16"])
def test_large_photos_are_reduced_and_remember_their_size(mode: str) -> None:
    image = corner_marked((1000, 500))
    image = Image.fromarray(np.full((500, 1000), 9999, np.uint16)) if mode == "I;16" else image.convert(mode)
    for kind in ("JPEG", "PNG") if mode in ("RGB", "L") else ("PNG",):
        decoded = decode(encoded(image, kind), PhotoLimits(working_px=200, min_side_px=1))
        assert (decoded.width, decoded.height) == (1000, 500)
        assert decoded.image.size == (200, 100)
        assert decoded.image.mode == "RGB"


@pytest.mark.slow
def test_a_hundred_megapixels_from_a_camera_are_read(recwarn: pytest.WarningsRecorder) -> None:
    data = encoded(Image.new("L", (12_000, 8_700), 90), "JPEG")
    decoded = decode(data, PhotoLimits())
    assert decoded.width * decoded.height > 100_000_000
    assert max(decoded.image.size) == PhotoLimits().working_px
    assert not list(recwarn)


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(encoded(corner_marked(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_claiming(width: int, height: int, *, chunk: bytes) -> bytes:
    options: dict[str, object] = {b"VP8L": {"lossless": True}, b"VP8 ": {}, b"VP8X": {"exif": b"Exif"}}[chunk]
    data = bytearray(encoded(corner_marked(), "WEBP", **options))
    assert data[12:16] == chunk
    if chunk == b"VP8L":
        data[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    elif chunk == b"VP8 ":
        data[26:30] = struct.pack("<HH", width, height)
    else:
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


BOMBS = {
    "png": png_header(60_000, 60_000),
    "jpeg": jpeg_claiming(65_000, 65_000),
    "webp lossless": webp_claiming(16_000, 16_000, chunk=b"VP8L"),
    "webp": webp_claiming(16_000, 16_000, chunk=b"VP8 "),
    "webp extended": webp_claiming(16_000, 16_000, chunk=b"VP8X"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_by_their_header(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "load", never)
    monkeypatch.setattr(Image.Image, "convert", never)
    assert code_of(BOMBS[name]) == "too_many_pixels"


def test_limits_differ_for_what_can_be_read_reduced() -> None:
    limits = PhotoLimits(max_pixels=5000, max_jpeg_pixels=10_000, min_side_px=1)
    assert decode(encoded(corner_marked(), "JPEG"), limits).width == 96
    assert code_of(encoded(corner_marked(), "JPEG", progressive=True), limits) == "too_many_pixels"
    for kind in ("PNG", "WEBP", "HEIF"):
        assert code_of(encoded(corner_marked(), kind), limits) == "too_many_pixels"


def test_small_pictures_are_refused() -> None:
    assert code_of(encoded(corner_marked(), "PNG"), PhotoLimits()) == "picture_too_small"
    assert code_of(encoded(Image.new("RGB", (1, 1)), "PNG"), PhotoLimits()) == "picture_too_small"


@pytest.mark.parametrize(
    ("data", "suffix", "code"),
    [
        (b"hello, this is text", ".jpg", "not_an_image"),
        (b"\0" * 500, "", "not_an_image"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 40, ".jpg", "video"),
        (b"\0\0\0\x14ftypqt  " + b"\0" * 40, ".mov", "video"),
        (b"anything", ".AVI", "video"),
        (b"GIF89a" + b"\0" * 30, ".gif", "unsupported_format"),
        (b"BM" + b"\0" * 30, ".bmp", "unsupported_format"),
        (b"II*\0" + b"\0" * 30, ".cr2", "unsupported_format"),
        (b"\0\0\0\x1cftypavif" + b"\0" * 40, ".avif", "unsupported_format"),
        (b"\xff\xd8\xff", ".jpg", "damaged"),
        (b"\x89PNG\r\n\x1a\n", ".png", "damaged"),
        (b"RIFF\x24\0\0\0WEBP", ".webp", "damaged"),
        (b"\0\0\0\x1cftypheic" + b"\0" * 40, ".heic", "damaged"),
    ],
)
def test_other_things_are_named_for_what_they_are(data: bytes, suffix: str, code: str) -> None:
    assert code_of(data, suffix=suffix) == code


def test_a_wrong_ending_does_not_matter() -> None:
    assert decode(encoded(corner_marked(), "PNG"), LIMITS, suffix=".jpg").format == "PNG"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_cut_and_flipped_files_never_raise_anything_else(kind: str) -> None:
    rng = random.Random(kind)
    whole = encoded(Image.effect_noise((160, 120), 60).convert("RGB"), kind)
    for _ in range(60):
        data = bytearray(whole)
        if rng.random() < 0.5:
            data = data[: rng.randrange(len(data))]
        else:
            for _ in range(rng.randint(1, 12)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(Refused):
            assert decode(bytes(data), LIMITS).image.mode == "RGB"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_half_a_file_is_damaged(kind: str) -> None:
    whole = encoded(Image.effect_noise((160, 120), 60).convert("RGB"), kind)
    assert code_of(whole[: len(whole) // 2]) == "damaged"


def test_without_pillow_heif_only_heic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(corner_marked(), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert code_of(data) == "heic_support_missing"
    assert decode(encoded(corner_marked(), "JPEG"), LIMITS).width == 96


def test_reading_the_file_itself(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(path, limits=LIMITS) -> Refused:
        with pytest.raises(Refused) as caught:
            read_bytes(path, limits)
        return caught.value

    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "large.jpg").write_bytes(b"x" * 2_000_001)
    (tmp_path / "broken-link.jpg").symlink_to(tmp_path / "nowhere")
    assert refusal(tmp_path / "empty.jpg").code == "empty_file"
    assert refusal(tmp_path / "broken-link.jpg").code == "unreadable"
    assert (
        refusal(tmp_path / "large.jpg", PhotoLimits(max_file_bytes=1_000_000)).facts["limit_megabytes"] == 1
    )

    def denied(self) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", denied)
    assert refusal(tmp_path / "large.jpg").facts == {"why": "Permission denied"}
