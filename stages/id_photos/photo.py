"""Makes an ID photo of a portrait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..marks.xmp import Mark, read_mark, write_mark
from .errors import IdPhotoError
from .formats import ID_FORMATS, MM_PER_INCH, IdFormat
from .head import Head, measure_head
from .place import Placing, place_head
from .remarks import remarks

if TYPE_CHECKING:
    from PIL import Image

    from faces import Face
    from faces.pixels import RGB

YAW_MOST_DEG = 15.0
"""Head turned further to a side is refused; the estimate is good to about 10 degrees."""
TILT_MOST_DEG = 25.0
"""A head tilted further is refused: turned back, the shoulders would stand askew."""
OTHERS_MOST = 0.2
"""A second face with more than this share of the first one's area is another person, not a picture on the
wall."""
LEVEL_DEG, EYES_OFF_MM = 2.0, 1.2
"""How far the finished photo may be off what was planned."""


@dataclass(frozen=True, slots=True)
class IdPhoto:
    """One finished ID photo."""

    jpeg: bytes
    """sRGB, its density in the file, marked as generated where the portrait was."""
    head_mm: float
    """Chin to the top of the hair."""
    eyes_mm: float
    """Line through the eyes above the lower edge, measured in the finished photo."""
    tilt_deg: float
    """How far the head was tilted in the portrait and has been turned back; positive = the right eye was
    lower."""
    warnings: Mapping[str, tuple[str, ...]]
    """Language -> sentences the user has to see; the same number in both."""
    kind: str
    """The format's name."""
    dpi: int
    bare_head_mm: float
    """Chin to the crown without hair: an estimate, good to 5 % (`head`)."""
    mark: Mark
    """What the portrait said of how it came about, and the photo says too."""

    def encode_like(self, image: Image.Image) -> bytes:
        """Encode another picture the same way: density, colours and mark."""
        return encode(image, self.dpi, self.mark)


def make_id_photo(picture: bytes, kind: str, *, dpi: int = 300) -> IdPhoto:
    """Cut an ID photo out of a portrait: head size and eye line as the format asks, head upright.

    Where the portrait ends, a plain backdrop is continued; a person never is. The visible mark is not known
    of: cut
    the photo out of a portrait without one, and mark it afterwards (`stages.marks.mark_picture`).

    Args:
        picture: PNG, JPEG or WebP, at most 80 megapixels.
        kind: Name from `ID_FORMATS`.
        dpi: Pixels an inch, 72..1200.

    Raises:
        IdPhotoError: It cannot be done with this picture; says why, in both languages.
        faces.ModelMissing: The extra [faces] is not installed.
        ValueError: `dpi` is out of range.

    Example:
        >>> make_id_photo(Path("portrait.png").read_bytes(), "kr-passport").head_mm  # doctest: +SKIP
        34.0
    """
    from .pictures import open_picture, render

    if not 72 <= dpi <= 1200:
        raise ValueError(f"dpi must be from 72 to 1200, got {dpi}")
    form = ID_FORMATS.get(kind)
    if form is None:
        known = ", ".join(ID_FORMATS)
        raise IdPhotoError(
            "unknown-format",
            f"{kind}: 없는 규격입니다. ({known})",
            f"There is no format {kind!r}; known are {known}.",
        )
    pixels, said = open_picture(picture), read_mark(picture)
    face = _one_face(pixels)
    head = measure_head(pixels, face)
    _check(face, head)
    placing = place_head(head, form, dpi, (pixels.shape[1], pixels.shape[0]))
    image = render(pixels, placing.matrix(head, form, dpi), form.size_px(dpi))
    eyes_mm = _verified(image, placing, form, dpi)
    # The visible mark may have been cut away.
    mark = Mark(said.source_type, said.description, None, said.sandbox)
    return IdPhoto(
        jpeg=encode(image, dpi, mark),
        head_mm=round(placing.head_mm, 2),
        eyes_mm=round(eyes_mm, 2),
        tilt_deg=round(head.roll_deg, 1),
        warnings=remarks(head, placing, form),
        kind=kind,
        dpi=dpi,
        bare_head_mm=round(placing.bare_mm, 2),
        mark=mark,
    )


def encode(image: Image.Image, dpi: int, mark: Mark) -> bytes:
    """A JPEG with density, sRGB profile and, where the portrait was generated, the mark."""
    from .pictures import to_jpeg

    data = to_jpeg(image, dpi)
    return write_mark(data, mark) if mark.generated else data


def _one_face(pixels: RGB) -> Face:
    from faces import detect

    found = detect(pixels)
    if not found:
        raise IdPhotoError(
            "no-face",
            "얼굴을 찾을 수 없습니다. 얼굴이 정면으로 잘 보이는 사진을 선택하세요.",
            "No face was found. Choose a portrait that shows the face from the front.",
        )
    if len(found) > 1 and found[1].area > OTHERS_MOST * found[0].area:
        raise IdPhotoError(
            "several-faces",
            "얼굴이 두 개 이상 보입니다. 한 사람만 나온 사진을 선택하세요.",
            "More than one face is in the picture. Choose one with a single person.",
        )
    return found[0]


def _check(face: Face, head: Head) -> None:
    from faces import estimate_yaw

    if abs(estimate_yaw(face)) > YAW_MOST_DEG or abs(head.roll_deg) > TILT_MOST_DEG:
        raise IdPhotoError(
            "turned",
            "얼굴이 옆으로 돌아가 있거나 많이 기울어져 있습니다. 정면을 바라보는 사진을 선택하세요.",
            "The head is turned aside or tilted too far. Choose a portrait that looks straight into the "
            "camera.",
        )
    if head.cut_off:
        raise IdPhotoError(
            "cut-off",
            "머리 윗부분이 사진 밖으로 잘려 있습니다. 머리 위에 여백이 있는 사진을 선택하세요.",
            "The top of the head is cut off by the picture's edge. Choose a portrait with room above the "
            "head.",
        )


def _verified(image: Image.Image, placing: Placing, form: IdFormat, dpi: int) -> float:
    """Look for the face in the finished photo: is it where it was meant to be? The height of its eyes, mm."""
    from faces import detect, locate_eyes

    found = [locate_eyes(image, face) for face in detect(image)[:1]]
    px_mm = dpi / MM_PER_INCH
    if found:
        eyes_mm = (image.height - found[0].eye_center[1]) / px_mm
        aside = abs(found[0].eye_center[0] - image.width / 2) / px_mm
        off = math.hypot(eyes_mm - placing.eyes_mm, aside)
        rule = form.eyes_from_bottom_mm
        if (
            off <= EYES_OFF_MM
            and abs(found[0].roll_deg) <= LEVEL_DEG
            and (rule is None or rule[0] <= eyes_mm <= rule[1])
        ):
            return eyes_mm
    raise IdPhotoError(
        "not-verified",
        "완성된 사진에서 얼굴 위치를 다시 확인하지 못했습니다. 다른 사진을 선택하세요.",
        "The face could not be measured again in the finished photo. Choose another portrait.",
    )
