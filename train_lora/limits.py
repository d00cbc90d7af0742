"""What counts as a usable photo: every threshold in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """Thresholds of the photo check. The defaults were set on the example photos and their spoiled copies."""

    min_photos: int = 4
    """Accepted photos below which the folder is not usable."""

    max_photos: int = 100
    """Files looked at; the rest is refused."""

    max_file_bytes: int = 200_000_000
    """Largest file that is read, bytes."""

    max_pixels: int = 64_000_000
    """Largest PNG, WebP or HEIC, pixels: they are decoded whole (64 million take 192 MB)."""

    max_jpeg_pixels: int = 210_000_000
    """Largest JPEG, pixels (phones reach 200 million); above `working_px` it is decoded at a half, quarter
    or eighth. For a progressive one `max_pixels` counts."""

    working_px: int = 3072
    """Longest side of the picture that is worked with, pixels; larger photos are reduced to it."""

    min_side_px: int = 256
    """Shortest side a picture may have, pixels."""

    min_face_px: float = 96.0
    """Lowest face, hairline to chin, pixels of the working picture."""

    rival_share: float = 0.45
    """A second face this tall, as a share of the first one's height, makes it unclear whose photo it is;
    smaller ones are background."""

    min_sharpness: float = 15.0
    """`faces.Quality.sharpness` below which a face is blurred."""

    min_brightness: float = 0.13
    """Mean grey below which a face is too dark, 0..1."""

    max_brightness: float = 0.8
    """Mean grey above which a face is overexposed, 0..1."""

    max_clipped: float = 0.5
    """Share of pure black or white in a bright face above which it is overexposed, 0..1."""

    max_yaw_deg: float = 50.0
    """Turn of the head above which a photo is not used, degrees."""

    min_edge_room: float = 0.2
    """Room between eyes, nose or mouth and the picture's edge
    below which the face is cut off, in eye distances."""

    near_duplicate_bits: int = 6
    """Differing bits (of 64) of the perceptual hash up to which two pictures are the same one."""

    same_person: float = 0.6
    """Embedding distance below which two faces are one person (dlib's threshold)."""

    doubtful_person: float = 0.5
    """Median distance to the person's other photos from which one is accepted with a word of doubt: between
    it and `same_person` lie side views and other years as well as brothers and sisters."""

    doubtful_ratio: float = 1.4
    """How much farther from the others than these from each other a doubtful photo is, at least."""
