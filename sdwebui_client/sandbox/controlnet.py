"""ControlNet: runs the preprocessors that need no weights, and reports units as each flavour does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from . import ip_adapter
from .catalogue import Catalogue
from .errors import ApiError, Crash
from .pictures import decode_base64, to_rgb
from .render import Control, Picture
from .render.scene import ControlKind
from .skeleton import portrait
from .units import ControlUnit, Rejected, read_a1111, read_forge

PLAIN = {
    "none",
    "None",
    "tile_resample",
    "tile_colorfix",
    "tile_colorfix+sharp",
    "inpaint_only",
    "reference_only",
}
"""Preprocessors that hand the picture on (or work inside the sampler)."""
MISSING_WEIGHTS = ("URLError", "<urlopen error [Errno -2] Name or service not known>")
"""What a preprocessor fails with whose weights cannot be downloaded (A1111; Forge's and reForge's is a
ConnectionError)."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What ControlNet did to a request."""

    entries: dict[str, str]
    """`ControlNet N` -> text, for `extra_generation_params`: written whether or not it ran."""
    controls: tuple[Control, ...] = ()
    """The units that really ran."""
    maps: tuple[Picture, ...] = ()
    """Detected maps to append."""


def apply(
    catalogue: Catalogue,
    args: tuple[Any, ...],
    size: tuple[int, int],
    init: Picture | None,
    *,
    real_pose: bool,
) -> Applied:
    """Run the units of a request.

    Args:
        catalogue: models and preprocessors.
        args: the script's arguments.
        size: width and height of the picture.
        init: the init image, which a unit without a picture takes.
        real_pose: the pose detector works (see `preprocess`).

    Raises:
        Crash: A1111 only, a unit that does not validate.
    """
    if catalogue.flavour == "a1111":
        return _apply_a1111(catalogue, args, size, init, real_pose)
    return _apply_forge(catalogue, args, size, init, real_pose)


def _apply_a1111(
    catalogue: Catalogue, args: tuple[Any, ...], size: tuple[int, int], init: Picture | None, real_pose: bool
) -> Applied:
    modules = catalogue.answer("/controlnet/module_list")
    units = [unit for unit in (read_a1111(arg, modules) for arg in args) if unit is not None and unit.enabled]
    entries = {f"ControlNet {index}": unit.text_a1111() for index, unit in enumerate(units)}
    controls, maps = [], []
    for unit in units:
        model = find_model(catalogue, unit.model)
        picture = _picture(unit, init)
        seen = None if picture is None else _try(unit, picture, size, real_pose, model or "")
        if model is None or seen is None:
            # One unit that fails takes the whole extension down for this picture (recorded:
            # e07*, p05k, p18k).
            return Applied(entries)
        controls.append(Control(kind_of(model), seen, unit.weight))
        if unit.save_detected_map and not ip_adapter.is_ip_adapter(model):
            maps.append(seen)
    return Applied(entries, tuple(controls), tuple(maps))


def _apply_forge(
    catalogue: Catalogue, args: tuple[Any, ...], size: tuple[int, int], init: Picture | None, real_pose: bool
) -> Applied:
    """Forge and reForge: every exception is swallowed, names must be exact, reForge never shows a map."""
    modules = catalogue.answer("/controlnet/module_list")["module_list"]
    models = catalogue.answer("/controlnet/model_list")["model_list"]
    controls, maps = [], []
    units = [read_forge(arg, strict_resize=catalogue.flavour == "reforge") for arg in args]
    enabled = [unit for unit in units if unit is not None and unit.enabled]
    try:
        pictures = [_picture(unit, init) for unit in enabled]
    except Rejected:
        # A picture that cannot be read ends the whole script
        # before anything is written (recorded: e07d, e07m).
        return Applied({})
    reforge = catalogue.flavour == "reforge"
    entries = {f"ControlNet {i}": unit.text_forge(parsed=reforge) for i, unit in enumerate(enabled)}
    for unit, picture in zip(enabled, pictures, strict=True):
        usable = (
            picture is not None and unit.module in modules and unit.resize_mode in unit.known_resize_modes
        )
        seen = _try(unit, picture, size, real_pose, unit.model) if usable and picture is not None else None
        if seen is None:
            break  # an exception ends the loop; what ran before it stays (recorded: p05h, pf05i3)
        if unit.model in models and unit.model != "None":
            controls.append(Control(kind_of(unit.model), seen, min(unit.weight, 2.0)))
        makes_map = not ip_adapter.is_ip_adapter(unit.model)
        if unit.save_detected_map and makes_map and catalogue.flavour == "forge":
            maps.append(seen)
    return Applied(entries, tuple(controls), tuple(maps))


def find_model(catalogue: Catalogue, name: str) -> str | None:
    """Find a model as A1111's extension does: any case, a part of the name is enough, no hash needed."""
    listed: list[str] = catalogue.answer("/controlnet/model_list")["model_list"]
    if not name or name == "None":
        return None
    if name in listed:
        return name
    stems = {item.partition(" [")[0].lower(): item for item in listed}
    lowered = name.lower()
    if lowered in stems:
        return stems[lowered]
    matching = sorted((stem for stem in stems if lowered in stem), key=len)
    return stems[matching[0]] if matching else None


def kind_of(model: str) -> ControlKind:
    """What a model steers, told from its name."""
    kinds: tuple[Literal["openpose", "canny", "tile"], ...] = ("openpose", "canny", "tile")
    if ip_adapter.is_ip_adapter(model):
        return "ip_adapter"
    return next((kind for kind in kinds if kind in model.lower()), "other")


def _picture(unit: ControlUnit, init: Picture | None) -> Picture | None:
    if unit.image is None:
        return init
    try:
        return to_rgb(decode_base64(unit.image))
    except ApiError as error:
        if unit.forge:
            raise Rejected(str(error)) from error
        return None


def _try(
    unit: ControlUnit, picture: Picture, size: tuple[int, int], real_pose: bool, model: str
) -> Picture | None:
    """What the unit sees; None when it fails."""
    if ip_adapter.is_ip_adapter(model) or ip_adapter.is_module(unit.module):
        return picture if ip_adapter.runs(unit.module, model) else None
    resolution = unit.processor_res if unit.processor_res > 0 else 512
    try:
        seen = preprocess(
            unit.module, picture, resolution, unit.threshold_a, unit.threshold_b, real_pose=real_pose
        )
    except (Crash, ApiError):
        return None
    return fit(seen, *size)


def preprocess(
    module: str, picture: Picture, resolution: int, low: float, high: float, *, real_pose: bool
) -> Picture:
    """Run a preprocessor.

    Args:
        module: its name.
        picture: RGB.
        resolution: the shorter side of the result, pixels.
        low: first threshold; negative: the preprocessor's own.
        high: second threshold.
        real_pose: answer openpose with the stand-in skeleton; otherwise its weights are missing, as recorded.

    Raises:
        Crash: its weights cannot be had.
    """
    if module in PLAIN:
        return _scaled(picture, resolution)
    if module.startswith("invert"):
        return np.asarray(255 - _scaled(picture, resolution), dtype=np.uint8)
    if module == "canny":
        grey = cv2.cvtColor(_scaled(picture, resolution), cv2.COLOR_RGB2GRAY)
        edges = cv2.Canny(grey, 100 if low < 0 else low, 200 if high < 0 else high)
        return np.asarray(cv2.cvtColor(edges, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    if module == "threshold":
        grey = cv2.cvtColor(_scaled(picture, resolution), cv2.COLOR_RGB2GRAY)
        _, binary = cv2.threshold(grey, 127 if low < 0 else low, 255, cv2.THRESH_BINARY)
        return np.asarray(cv2.cvtColor(binary, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    if module == "blur_gaussian":
        sigma = 9.0 if low <= 0 else min(low, 64.0)
        return np.asarray(cv2.GaussianBlur(_scaled(picture, resolution), (0, 0), sigma), dtype=np.uint8)
    if module == "mediapipe_face":
        return np.zeros_like(_scaled(picture, resolution))  # nothing found: a black map (recorded: p18i)
    if real_pose and "openpose" in module:
        return portrait(*_scaled(picture, resolution).shape[1::-1])
    raise Crash(*MISSING_WEIGHTS)


def _scaled(picture: Picture, resolution: int) -> Picture:
    """Bring the shorter side to a resolution, both sides to multiples of 64, as the annotators do."""
    height, width = picture.shape[:2]
    factor = min(max(resolution, 64), 2048) / min(height, width)
    size = (max(64, round(width * factor / 64) * 64), max(64, round(height * factor / 64) * 64))
    if size == (width, height):
        return picture
    method = cv2.INTER_LANCZOS4 if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)


def fit(picture: Picture, width: int, height: int) -> Picture:
    """Crop and resize to a size, keeping the proportions and the middle."""
    rows, columns = picture.shape[:2]
    if (columns, rows) == (width, height):
        return picture
    factor = max(width / columns, height / rows)
    inner = (max(1, round(width / factor)), max(1, round(height / factor)))
    left, top = (columns - inner[0]) // 2, (rows - inner[1]) // 2
    image = Image.fromarray(picture[top : top + inner[1], left : left + inner[0]])
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), dtype=np.uint8)
