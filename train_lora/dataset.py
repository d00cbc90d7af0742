"""Accepted photos become training data: upright, face-centred pictures with captions.

    DIR/001.png, 001.txt, …     training pictures and their captions, one after the other
    DIR/reg/001.png, 001.txt    regularisation pictures, where there are any
    DIR/manifest.json           what all of them are, with hashes

Everything is written into a temporary folder that is renamed when it is complete, so a dataset is whole or
not there.
"""

from __future__ import annotations

import hashlib
import io
import math
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ._manifest import NAME as MANIFEST
from ._manifest import manifest_bytes, put_in_place, read_manifest, refuse_foreign
from .captions import DEFAULT_TEMPLATE, Captioner, caption, clean_description
from .crops import Crop, Kind, cut, plan_crop, plan_half_body
from .errors import TrainError
from .hold_out import hold_out
from .photo_set import Photo, PhotoSet

if TYPE_CHECKING:
    from PIL import Image

REGULARISATION_DIR = "reg"


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
    width: int
    """Pixels, a multiple of 64."""
    height: int
    kind: Kind = "face"
    """What it shows: "face" (head and shoulders) or "half-body"."""


@dataclass(frozen=True, slots=True)
class RegularisationImage:
    """A picture of somebody else, so that not everybody becomes the person who is trained."""

    png: bytes = field(repr=False)
    caption: str
    """What it shows, without the trigger: "photo of a woman"."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of training pictures and captions."""

    dir: Path
    items: tuple[DatasetItem, ...]
    manifest_sha256: str
    """Identity of the whole: equal for the same photos and settings."""
    trigger: str
    size: int
    """Side of a square training picture, pixels; other shapes have about as many."""
    source: tuple[Photo, ...] = ()
    """The photos it was made of; empty when it was read back from disk."""
    held_out: tuple[Photo, ...] = ()
    """Photos that are not in it, to judge checkpoints by; empty when it was read back from disk."""
    held_out_why: str = ""
    """Why none or fewer photos than asked for were held out, as a sentence; "" when all were."""
    regularisation: tuple[str, ...] = ()
    """File names inside the dataset: "reg/001.png", …"""
    family: str = "sd15"
    """Model family it is meant for."""


def build_dataset(
    photos: PhotoSet | Sequence[Photo],
    out_dir: Path,
    *,
    trigger: str,
    caption_template: str = DEFAULT_TEMPLATE,
    size: int = 512,
    half_body_share: float = 0.0,
    max_upscale: float = 2.0,
    held_out: int = 0,
    captioner: Captioner | None = None,
    regularisation: Sequence[RegularisationImage] = (),
    family: Literal["sd15", "sdxl"] = "sd15",
) -> Dataset:
    """Cut the photos to training pictures and write them with captions and a manifest.

    An `out_dir` that already holds exactly this dataset is left as it is; one that holds another is
    replaced. Anything else standing there is never touched.

    Args:
        photos: What `load_photos` accepted.
        out_dir: The folder to make.
        trigger: Words that will call the person up.
        caption_template: See `captions.caption`.
        size: Side of a square training picture, pixels, a multiple of 64; see `crops` for other shapes.
        half_body_share: Share of the photos that get a half-body picture too, 0..1, the best photos first;
            fewer where not so many hold that much.
        max_upscale: How much a photo may be enlarged, 1 or more; see `crops`.
        held_out: How many photos to keep out; see `hold_out.hold_out` for the limits.
        captioner: Describes each picture (PNG bytes); its words, cleaned, follow the template's. Its errors
            are passed on.
        regularisation: Pictures of other people, written to "reg".
        family: Model family it is meant for; stands in the manifest.

    Raises:
        RecipeError: The template or trigger cannot be used.
        TrainError: No photos, `out_dir` holds something that is no dataset, the disk is full, a
            regularisation picture is none, or the captioner described nothing.
        PhotosError: A photo changed since it was checked.
        ValueError: An impossible size, share or `max_upscale`.
    """
    accepted = photos.accepted if isinstance(photos, PhotoSet) else tuple(photos)
    if not accepted:
        raise TrainError("There are no photos to make a dataset of.")
    out_dir = Path(out_dir)
    caption(caption_template, trigger=trigger, index=1, framing="")  # before anything is drawn or asked
    parts = hold_out(accepted, held_out)
    plans = _plan(parts.training, size, max_upscale, half_body_share)
    refuse_foreign(out_dir)
    try:
        with _building(out_dir) as building:
            writer = _Writer(building, trigger, caption_template, captioner)
            items = tuple(item for photo, crops in plans for item in writer.write(photo, crops))
            others = tuple(writer.write_other(image, n) for n, image in enumerate(regularisation, start=1))
            manifest = manifest_bytes(
                {
                    "trigger": trigger,
                    "size": size,
                    "family": family,
                    "items": [asdict(item) for item in items],
                    "regularisation": list(others),
                }
            )
            (building / MANIFEST).write_bytes(manifest)
            put_in_place(building, out_dir, manifest)
    except OSError as error:
        raise TrainError(
            f"The dataset cannot be written to {out_dir}: {error.strerror or error}.",
            "Check permissions and free space.",
        ) from error
    return Dataset(
        dir=out_dir,
        items=items,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        trigger=trigger,
        size=size,
        source=parts.training,
        held_out=parts.held_out,
        held_out_why=parts.why,
        regularisation=tuple(other["image"] for other in others),
        family=family,
    )


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset back and check that every file is the one that was written.

    Raises:
        TrainError: No dataset, or a file is missing or changed.
    """
    folder = Path(folder)
    content, manifest = read_manifest(folder)
    try:
        return Dataset(
            dir=folder,
            items=tuple(DatasetItem(**item) for item in content["items"]),
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
            trigger=content["trigger"],
            size=content["size"],
            regularisation=tuple(other["image"] for other in content["regularisation"]),
            family=content["family"],
        )
    except (KeyError, TypeError) as error:
        raise TrainError(f"{folder} is not a complete dataset ({error}).", "Build it again.") from error


def _plan(
    photos: Sequence[Photo], size: int, max_upscale: float, half_body_share: float
) -> list[tuple[Photo, tuple[Crop, ...]]]:
    """What is cut from each photo: a face picture, and from some a half-body picture too."""
    if not 0.0 <= half_body_share <= 1.0:
        raise ValueError(f"half_body_share is 0 to 1, got {half_body_share}")
    wanted = math.floor(half_body_share * len(photos) + 0.5)
    bodies: dict[str, Crop] = {}
    for photo in sorted(photos, key=lambda photo: (-round(photo.quality.overall, 6), photo.sha256)):
        if len(bodies) == wanted:
            break
        body = plan_half_body(photo.picture_size, photo.face, resolution=size, max_upscale=max_upscale)
        if body is not None:
            bodies[photo.sha256] = body
    plans: list[tuple[Photo, tuple[Crop, ...]]] = []
    for photo in photos:
        face = plan_crop(photo.picture_size, photo.face, resolution=size, max_upscale=max_upscale)
        body = bodies.get(photo.sha256)
        plans.append((photo, (face,) if body is None else (face, body)))
    return plans


@dataclass
class _Writer:
    """Writes pictures and captions, numbered from 1."""

    folder: Path
    trigger: str
    template: str
    captioner: Captioner | None
    number: int = 0

    def write(self, photo: Photo, crops: Sequence[Crop]) -> Iterator[DatasetItem]:
        """Cut a photo and write what was cut."""
        image = photo.open()
        for crop in crops:
            self.number += 1
            blob = _png(cut(image, photo.face, crop))
            described = clean_description(self.captioner(blob)) if self.captioner is not None else ""
            text = caption(
                self.template,
                trigger=self.trigger,
                index=self.number,
                framing=crop.framing,
                description=described,
            )
            name = f"{self.number:03d}.png"
            _write_pair(self.folder / name, blob, text)
            sha256 = hashlib.sha256(blob).hexdigest()
            yield DatasetItem(name, text, sha256, photo.sha256, *crop.size, crop.kind)

    def write_other(self, other: RegularisationImage, number: int) -> dict[str, str]:
        """Write a regularisation picture; returns its entry of the manifest."""
        from PIL import Image, UnidentifiedImageError

        text = " ".join(other.caption.split())
        if not text or self.trigger.casefold() in text.casefold():
            raise TrainError(
                f"The caption {other.caption!r} cannot stand under a regularisation picture.",
                "Name the class, and not the person: photo of a woman.",
            )
        try:
            with Image.open(io.BytesIO(other.png)) as opened:
                blob = _png(opened.convert("RGB"))
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise TrainError(f"Regularisation picture {number} is no picture ({error}).") from error
        name = f"{REGULARISATION_DIR}/{number:03d}.png"
        (self.folder / REGULARISATION_DIR).mkdir(exist_ok=True)
        _write_pair(self.folder / name, blob, text)
        return {"image": name, "caption": text, "sha256": hashlib.sha256(blob).hexdigest()}


def _write_pair(path: Path, blob: bytes, text: str) -> None:
    path.write_bytes(blob)
    path.with_suffix(".txt").write_text(text + "\n", encoding="utf-8")


def _png(image: Image.Image) -> bytes:
    """The pixels alone: what a WebUI writes beside them (prompts, seeds) is not for the trainer."""
    image.info.clear()
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


@contextmanager
def _building(out_dir: Path) -> Iterator[Path]:
    """A temporary folder beside the wished one; gone afterwards unless it was renamed."""
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", suffix=".part", dir=out_dir.parent))
    try:
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)
