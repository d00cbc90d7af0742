"""What the sandbox is asked to draw, free of HTTP:
the server builds a `Scene`, `render` turns it into pixels.

Pictures are ``uint8`` arrays of shape (height, width, 3) in RGB order throughout this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""RGB picture, shape (height, width, 3), 0..255."""
Plane: TypeAlias = npt.NDArray[np.uint8]
"""One channel, shape (height, width), 0..255."""

SceneKind: TypeAlias = Literal["txt2img", "img2img", "upscale"]
ControlKind: TypeAlias = Literal["openpose", "canny", "tile", "ip_adapter", "other"]
DetailTarget: TypeAlias = Literal["face", "hand", "other"]


class RenderError(Exception):
    """A scene that cannot be drawn: what is wrong with it stands in the message."""


@dataclass(frozen=True, slots=True)
class ActiveLora:
    """A LoRA the prompt names and the sandbox found."""

    path: Path
    """The safetensors file. One that is no sandbox LoRA (a style LoRA, say)
    changes nothing in the picture."""
    weight: float = 1.0
    """The weight of its tag, usually 0..1.5; 0 leaves the person out."""


@dataclass(frozen=True, eq=False, slots=True)
class Control:
    """A ControlNet unit that ran, with the map it saw after its preprocessor."""

    kind: ControlKind
    image: Picture
    """The control map: for `openpose` the skeleton on black, for `ip_adapter` the photo as it was sent."""
    weight: float = 1.0
    """0..2, neutral 1."""


@dataclass(frozen=True, slots=True)
class Detailer:
    """An ADetailer unit that ran: its target redrawn at full resolution."""

    target: DetailTarget
    denoising_strength: float = 0.4
    """0..1: how strongly the region is redrawn."""
    loras: tuple[ActiveLora, ...] = ()
    """LoRA tags of the unit's own prompt; a unit without a prompt inherits the scene's."""


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """One picture to draw. Equal scenes give equal bytes; a batch is one scene a picture, seeds counting up.

    `kind` "upscale" is img2img through Ultimate SD Upscale (or extras):
    `width` and `height` are then the target size.
    """

    kind: SceneKind
    width: int
    """Pixels of the result, 16 or more."""
    height: int
    """Pixels of the result, 16 or more."""
    seed: int
    """The resolved seed (never -1)."""
    prompt: str = ""
    negative_prompt: str = ""
    loras: tuple[ActiveLora, ...] = ()
    controls: tuple[Control, ...] = ()
    details: tuple[Detailer, ...] = ()
    init_image: Picture | None = None
    """Needed by img2img and upscale."""
    mask: Plane | None = None
    """Inpainting: only where it is bright may the picture change. Any size; scaled to the picture."""
    denoising_strength: float = 0.75
    """0..1, of img2img and upscale."""
    steps: int = 20
    """Sampling steps, 1 or more: very few leave the picture soft, as an unfinished diffusion is."""
    marked: bool = True
    """Say SANDBOX in the corner. Off only for parts that are put into a marked picture later."""

    def control(self, kind: ControlKind) -> Control | None:
        """Return the first control of a kind whose weight is above zero, or None."""
        return next((unit for unit in self.controls if unit.kind == kind and unit.weight > 0), None)

    def detailer(self, target: DetailTarget) -> Detailer | None:
        """Return the first detailer of a target, or None."""
        return next((unit for unit in self.details if unit.target == target), None)
