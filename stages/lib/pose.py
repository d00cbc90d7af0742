"""A pose read off a photo by the server's own detector."""

from __future__ import annotations

from pathlib import Path

from sdwebui_client import EncodedImage, WebUI

from ..canonical import sha256_hex
from ..engine import Engine, Made, StageCall
from ..errors import StageError
from ..servers import ServerSet
from ..texts import FROM_PHOTO
from ._optional import require

STAGE = "pose"
VERSION = 1
MODULE = "openpose_full"
_LONGEST_PX = 1536


def skeleton_from_photo(
    engine: Engine, servers: ServerSet, photo: Path, *, size: tuple[int, int]
) -> EncodedImage:
    """The skeleton of the person in a photo.

    Args:
        engine: Keeps the result.
        servers: One of them does it.
        photo: JPEG, PNG or WebP.
        size: Width and height the skeleton is for, pixels; the detector works at the shorter one.

    Raises:
        StageError: The file is no picture, or the detector found nobody in it.
        WebUIError: The server has no such detector.
    """
    try:
        data = photo.read_bytes()
        picture = _upright(data)
    except (OSError, ValueError) as error:
        # Pillow names the buffer it was given ("<_io.BytesIO object at …>"), which tells nobody anything.
        why = error.strerror if isinstance(error, OSError) and error.strerror else "this is no picture"
        raise StageError(
            f"--pose-from {photo}: {why}", hint="Name a JPEG, PNG or WebP photo of one person."
        ) from error
    params = {"module": MODULE, "resolution_px": min(size)}
    call = StageCall(STAGE, VERSION, FROM_PHOTO, params, {"photo": sha256_hex(data)})

    def detect(webui: WebUI, _relay: object) -> Made:
        found = webui.controlnet_detect(
            controlnet_module=MODULE,
            controlnet_input_images=[picture],
            controlnet_processor_res=params["resolution_px"],
        )
        if not found.images:
            raise StageError(f"{webui.url} gave back no skeleton for {photo.name}")
        return Made({"image": found.images[0].data})

    outcome = engine.generate(call, servers, detect)
    skeleton = EncodedImage(engine.store.get(outcome.sha256))
    if _is_black(skeleton):
        raise StageError(
            f"no person was found in {photo.name}",
            hint="Take a photo that shows one person from the waist up, or leave --pose-from out.",
        )
    return skeleton


def _upright(data: bytes) -> EncodedImage:
    """The photo without metadata, upright and no larger than a detector can use."""
    image_module, ops = require("PIL.Image", "pillow"), require("PIL.ImageOps", "pillow")
    from io import BytesIO

    with image_module.open(BytesIO(data)) as opened:
        upright = ops.exif_transpose(opened).convert("RGB")
    upright.thumbnail((_LONGEST_PX, _LONGEST_PX))
    return EncodedImage.from_pil(upright)


def _is_black(picture: EncodedImage) -> bool:
    histogram = picture.open().convert("L").histogram()
    return not any(histogram[16:])
