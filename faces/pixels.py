"""Pictures as arrays: one shape and one type for everything in this room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ._models import require
from .errors import PixelsRefused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    RGB: TypeAlias = NDArray[np.uint8]
    """Height x width x 3, 0..255, red first."""
    ImageLike: TypeAlias = Image.Image | NDArray[np.uint8]


def to_rgb(image: ImageLike) -> RGB:
    """A contiguous RGB array of a Pillow picture or of an array.

    Transparent pixels are laid on white. Arrays may be grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4).

    Raises:
        PixelsRefused: The picture has no pixels, or the array is not uint8 of one of those shapes.
    """
    np = require("numpy", "numpy")
    array: Any
    if hasattr(image, "mode") and hasattr(image, "convert"):
        array = np.asarray(_pillow_rgb(cast("Image.Image", image)))
    else:
        array = np.asarray(image)
        if array.dtype != np.uint8:
            raise PixelsRefused(f"Expected 8-bit pixels (uint8), got {array.dtype}.")
        if array.ndim == 2:
            array = np.repeat(array[:, :, None], 3, axis=2)
        if array.ndim != 3 or array.shape[2] not in (3, 4):
            raise PixelsRefused(f"Expected an array of shape (height, width, 3), got {array.shape}.")
        if array.shape[2] == 4:
            array = _on_white(array)
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise PixelsRefused("The picture has no pixels.")
    return cast("RGB", np.ascontiguousarray(array))


def _pillow_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        from PIL import Image as Pillow

        flat = Pillow.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
        return flat.convert("RGB")
    return image.convert("RGB")


def _on_white(array: Any) -> Any:
    alpha = array[:, :, 3:4].astype("uint16")
    blended = array[:, :, :3].astype("uint16") * alpha + 255 * (255 - alpha)
    return ((blended + 127) // 255).astype("uint8")
