"""Accepted photos become training data: upright, face-centred pictures with captions.

Everything is written into a temporary folder that is renamed when it is complete,
so a dataset is whole or not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faces import crop_upright

from ._files import sha256_file
from .captions import DEFAULT_TEMPLATE, caption
from .errors import TrainError
from .photo_set import Photo, PhotoSet

if TYPE_CHECKING:
    from PIL import Image

MANIFEST = "manifest.json"
SCHEMA = "dataset/1"
_SPAN_SHARE = 0.18
"""Distance between the eyes as a share of the picture: head and shoulders with room above the hair."""
_SPAN_CLOSE = 0.22
"""The same for a close-up."""
_TILT_DEG = 20.0
_EYES_AT = (0.5, 0.42)


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """One training picture."""

    image: str
    """File name inside the dataset."""
    caption: str
    sha256: str
    """Of the picture's file."""
    source_sha256: str
    """Of the photo it was cut from. The photo's name is not kept: it may say more than its owner wants."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of training pictures and captions."""

    dir: Path
    items: tuple[DatasetItem, ...]
    manifest_sha256: str
    """Identity of the whole: equal for the same photos and settings."""
    trigger: str
    size: int
    """Side of the pictures, pixels."""
    source: tuple[Photo, ...] = ()
    """The photos it was made of; empty when it was read back from disk."""


def build_dataset(
    photos: PhotoSet | Sequence[Photo],
    out_dir: Path,
    *,
    trigger: str,
    caption_template: str = DEFAULT_TEMPLATE,
    size: int = 512,
) -> Dataset:
    """Cut the photos to training pictures and write them with captions and a manifest.

    An `out_dir` that already holds exactly this dataset is left as it is; one that holds another is
    replaced. Anything else standing there is never touched.

    Args:
        photos: What `load_photos` accepted.
        out_dir: The folder to make.
        trigger: Words that will call the person up.
        caption_template: See `captions.caption`.
        size: Side of the square pictures, pixels.

    Raises:
        RecipeError: The template or trigger cannot be used.
        TrainError: No photos, or `out_dir` holds something that is no dataset.
        PhotosError: A photo changed since it was checked.
    """
    accepted = photos.accepted if isinstance(photos, PhotoSet) else tuple(photos)
    if not accepted:
        raise TrainError("There are no photos to make a dataset of.")
    out_dir = Path(out_dir)
    _refuse_foreign(out_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", suffix=".part", dir=out_dir.parent))
    try:
        items = tuple(
            _write_item(photo, building, number, trigger, caption_template, size)
            for number, photo in enumerate(accepted, start=1)
        )
        manifest = _manifest_bytes(items, trigger=trigger, size=size)
        (building / MANIFEST).write_bytes(manifest)
        _put_in_place(building, out_dir, manifest)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Dataset(out_dir, items, hashlib.sha256(manifest).hexdigest(), trigger, size, accepted)


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset back and check that every picture is the one that was written.

    Raises:
        TrainError: No dataset, or a file is missing or changed.
    """
    folder = Path(folder)
    try:
        manifest = (folder / MANIFEST).read_bytes()
        content = json.loads(manifest)
        if content["schema"] != SCHEMA:
            raise TrainError(
                f"{folder} is a dataset of schema {content['schema']!r}; this version reads {SCHEMA!r}."
            )
        items = tuple(DatasetItem(**item) for item in content["items"])
        for item in items:
            if sha256_file(folder / item.image) != item.sha256:
                raise TrainError(
                    f"{folder / item.image} has changed since the dataset was made.", "Build it again."
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{folder} is not a complete dataset ({error}).", "Build it again.") from error
    return Dataset(folder, items, hashlib.sha256(manifest).hexdigest(), content["trigger"], content["size"])


def _write_item(
    photo: Photo, folder: Path, number: int, trigger: str, template: str, size: int
) -> DatasetItem:
    square, framing = _square(photo, size)
    out = io.BytesIO()
    square.save(out, "PNG", compress_level=1)
    blob = out.getvalue()
    stem = f"{number:03d}"
    text = caption(template, trigger=trigger, index=number, framing=framing)
    (folder / f"{stem}.png").write_bytes(blob)
    (folder / f"{stem}.txt").write_text(text + "\n", encoding="utf-8")
    return DatasetItem(f"{stem}.png", text, hashlib.sha256(blob).hexdigest(), photo.sha256)


def _square(photo: Photo, size: int) -> tuple[Image.Image, str]:
    """A square around the face, and how much it shows.

    Head and shoulders where the photo holds them, else as much as it holds: the square is moved and shrunk
    rather than filled up with edges. A head tilted by more than `_TILT_DEG` is set upright; a lesser tilt
    stays, as variety.
    """
    from PIL import Image

    image, face = photo.open(), photo.face
    if abs(face.roll_deg) > _TILT_DEG:
        at = (_EYES_AT[0] * size, _EYES_AT[1] * size)
        pixels = crop_upright(image, face, size=(size, size), eyes_at=at, span_px=_SPAN_CLOSE * size)
        return Image.fromarray(pixels), "close-up"
    side = min(face.span / _SPAN_SHARE, *image.size)
    x, y = face.eye_center
    left = min(max(0.0, x - _EYES_AT[0] * side), image.width - side)
    top = min(max(0.0, y - _EYES_AT[1] * side), image.height - side)
    square = image.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
    return square, "close-up" if face.span / side > _SPAN_CLOSE else "head and shoulders"


def _manifest_bytes(items: Sequence[DatasetItem], *, trigger: str, size: int) -> bytes:
    content = {
        "schema": SCHEMA,
        "trigger": trigger,
        "size": size,
        "items": [
            {"image": i.image, "caption": i.caption, "sha256": i.sha256, "source_sha256": i.source_sha256}
            for i in items
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _refuse_foreign(out_dir: Path) -> None:
    if not out_dir.exists():
        return
    if not out_dir.is_dir() or (any(out_dir.iterdir()) and not (out_dir / MANIFEST).is_file()):
        raise TrainError(
            f"{out_dir} already exists and is no dataset.", "Name another folder, or move it away."
        )


def _put_in_place(building: Path, out_dir: Path, manifest: bytes) -> None:
    if (out_dir / MANIFEST).is_file() and (out_dir / MANIFEST).read_bytes() == manifest:
        try:
            read_dataset(out_dir)
        except TrainError:
            pass  # damaged: replaced below
        else:
            return
    building.chmod(0o755)
    # Moved away whole, not deleted in place: killed half-way, no half dataset is left under the name.
    old = building.with_suffix(".old")
    if out_dir.exists():
        out_dir.replace(old)
    building.replace(out_dir)
    shutil.rmtree(old, ignore_errors=True)
