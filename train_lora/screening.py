"""One photo at a time: decode it, find the one face in it, and judge whether it is good enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from faces import Embedding, Face, Quality, detect, embed, measure_quality

from .decoding import Refused, decode, read_bytes
from .limits import PhotoLimits

if TYPE_CHECKING:
    from PIL import Image

_SIDEWAYS_DEG = 50.0
"""A face tilted more than this is taken for a picture lying on its side, not for a tilted head."""


@dataclass(frozen=True, slots=True)
class Screened:
    """A photo that passed on its own; others may still rule it out."""

    path: Path
    sha256: str
    width: int
    height: int
    turned_deg: int
    face: Face
    embedding: Embedding
    quality: Quality
    picture_hash: int
    picture_size: tuple[int, int]
    """Of the upright working picture, pixels; the face is in its pixels."""
    code: str
    facts: Mapping[str, str | int]
    taken: datetime | None = None


def screen(path: Path, limits: PhotoLimits) -> Screened:
    """Check one photo.

    Raises:
        Refused: With the code and facts of the verdict.
        faces.ModelMissing: The face models are not installed.
    """
    decoded = decode(read_bytes(path, limits), limits, suffix=path.suffix)
    try:
        image, face, turned, background = find_the_face(decoded.image, limits)
        quality = measure_quality(image, face)
        _check_face(face, quality, image.size, limits)
    except Refused as refused:
        refused.facts |= {"_width": decoded.width, "_height": decoded.height, "_sha256": decoded.sha256}
        raise
    width, height = (
        (decoded.height, decoded.width) if turned in (90, 270) else (decoded.width, decoded.height)
    )
    return Screened(
        path=path,
        sha256=decoded.sha256,
        width=width,
        height=height,
        turned_deg=turned,
        face=face,
        embedding=embed(image, face),
        quality=quality,
        picture_hash=_picture_hash(image),
        picture_size=image.size,
        code=_accepted(quality, turned=turned != 0, background=background != 0),
        facts={},
        taken=decoded.taken,
    )


def _accepted(quality: Quality, *, turned: bool, background: bool) -> str:
    """The one thing worth saying about a good photo: what can be mended comes first."""
    if quality.mouth_covered:
        return "ok_mask"
    if quality.eyes_covered:
        return "ok_dark_glasses"
    return "ok_turned" if turned else "ok_background" if background else "ok"


def find_the_face(image: Image.Image, limits: PhotoLimits) -> tuple[Image.Image, Face, int, int]:
    """Find whose photo this is, turning a picture that lies on its side.

    Returns:
        The upright picture, its main face, by how many degrees counter-clockwise it was turned (0, 90,
        180, 270), and how many small faces stand in the background.

    Raises:
        Refused: No face, or several of similar size.
    """
    found = detect(image)
    if not found:
        raise Refused("no_face")
    turned = 0
    if abs(found[0].roll_deg) > _SIDEWAYS_DEG:
        turned = round(found[0].roll_deg / 90) * 90 % 360
        image = turn(image, turned)
        found = detect(image)
        if not found:
            raise Refused("no_face")
    main, others = found[0], found[1:]
    rivals = [face for face in others if face.height >= limits.rival_share * main.height]
    if rivals:
        raise Refused("several_faces", count=len(rivals) + 1)
    return image, main, turned, len(others)


def turn(image: Image.Image, degrees: int) -> Image.Image:
    """Turn a picture counter-clockwise by 0, 90, 180 or 270 degrees, without loss."""
    return image.rotate(degrees, expand=True) if degrees else image


def _check_face(face: Face, quality: Quality, size: tuple[int, int], limits: PhotoLimits) -> None:
    if face.height < limits.min_face_px:
        raise Refused("face_too_small", face_px=round(face.height), min_face_px=round(limits.min_face_px))
    if _edge_room(face, size) < limits.min_edge_room:
        raise Refused("face_cut_off")
    if quality.brightness < limits.min_brightness:
        raise Refused("too_dark")
    burnt = quality.clipped > limits.max_clipped and quality.brightness > 0.5
    if quality.brightness > limits.max_brightness or burnt:
        raise Refused("too_bright")
    if abs(quality.yaw) > limits.max_yaw_deg:
        raise Refused("turned_away", yaw=round(abs(quality.yaw)))
    if quality.sharpness < limits.min_sharpness:
        raise Refused("blurred")


def _edge_room(face: Face, size: tuple[int, int]) -> float:
    """Distance of the eyes, nose and mouth from the picture's edge, in `Face.span`; negative outside.

    The detector fits its box into the picture, so a box at the edge says little; eyes and mouth do not move.
    """
    nearest = min(min(x, y, size[0] - x, size[1] - y) for x, y in face.landmarks)
    return nearest / max(face.span, 1e-6)


def _picture_hash(image: Image.Image) -> int:
    """64-bit perceptual hash of the whole picture: equal for a copy that was resized or saved again."""
    import imagehash

    return int(str(imagehash.phash(image)), 16)
