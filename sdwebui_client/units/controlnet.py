"""ControlNet: let a skeleton, edges, a tile or a face guide the drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from .. import _resolve as resolve
from .._expect import ControlNetRan, Expectation
from ..capabilities import Capabilities, ControlNetCaps, Flavour, Problem, absent
from ..flavours import rules_for
from ..images import EncodedImage
from .base import TXT2IMG, Closed, Context

Share = Annotated[float, Field(ge=0.0, le=1.0)]
ResizeMode = Literal["Just Resize", "Crop and Resize", "Resize and Fill"]
ControlMode = Literal["Balanced", "My prompt is more important", "ControlNet is more important"]
# Preprocessors whose result is no picture: whether a map comes back for them was not recorded.
NO_MAP = ("ip-adapter", "clip_vision", "revision", "reference", "instant_id", "ipadapter", "clip-")
INSTALL = "install the extension sd-webui-controlnet (Mikubill) and restart the WebUI"


def _is_xl(name: str) -> bool:
    """Whether a file name says SDXL; no route tells a model's family, and authors put it in the name."""
    return "xl" in name.casefold()


class ControlNet(Closed):
    """One ControlNet unit.

    Example:
        >>> unit = ControlNet(model="control_v11p_sd15_openpose", weight=0.9)
        >>> unit.module
        'none'
    """

    SCRIPT: ClassVar[str] = "ControlNet"

    image: EncodedImage | None = None
    """What guides: a ready map with module "none", else the picture to preprocess.
    None (img2img only) = the init image."""
    model: str = ""
    """Model, with or without its "[hash8]". Empty = the only one on the server whose name holds `kind`; where
    SD 1.5 and SDXL ones do, the one of the loaded checkpoint's family, told by "xl" in the names."""
    module: str = "none"
    """Preprocessor; "none" for a ready map. Spelling is adapted to the server."""
    kind: str = ""
    """What the model's name must hold when `model` is empty ("openpose", "tile" …)."""
    weight: float = Field(default=1.0, ge=0.0, le=2.0)
    """Strength, 0..2; 0 does nothing."""
    guidance_start: Share = 0.0
    """Share of the steps after which it begins."""
    guidance_end: Share = 1.0
    """Share of the steps after which it ends; not before `guidance_start`."""
    resize_mode: ResizeMode = "Crop and Resize"
    """How the map is brought to the picture's size."""
    control_mode: ControlMode = "Balanced"
    """What wins, prompt or map. Ignored by reForge, so anything but "Balanced" is refused there."""
    pixel_perfect: bool = False
    """Preprocess at the picture's own resolution."""
    processor_res: int | None = Field(default=None, ge=64, le=2048)
    """Resolution of the preprocessor, pixels; None = its default."""
    threshold_a: float | None = None
    """First parameter of the preprocessor (canny: low threshold 1..255); None = its default."""
    threshold_b: float | None = None
    """Second parameter of the preprocessor; None = its default."""
    save_detected_map: bool = True
    """Have the map returned: on A1111 the only proof that the unit ran."""
    mask: EncodedImage | None = None
    """Effective area, A1111 only."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.guidance_start > self.guidance_end:
            raise ValueError(
                f"guidance_start {self.guidance_start} is after guidance_end {self.guidance_end}"
            )
        return self

    @property
    def script_name(self) -> str:
        """The always-on script."""
        return self.SCRIPT

    @classmethod
    def openpose(cls, image: Any, *, model: str | None = None, module: str = "none", **fields: Any) -> Self:
        """Return a unit for a ready OpenPose skeleton (or a photo, with module="openpose_full")."""
        return cls(image=image, model=model or "", kind="openpose", module=module, **fields)

    @classmethod
    def tile(
        cls, image: Any = None, *, model: str | None = None, module: str = "tile_resample", **fields: Any
    ) -> Self:
        """Return a unit that keeps the picture's structure while details are drawn anew; None = the init
        image."""
        return cls(image=image, model=model or "", kind="tile", module=module, **fields)

    @classmethod
    def canny(cls, image: Any, *, model: str | None = None, module: str = "canny", **fields: Any) -> Self:
        """Return a unit that keeps the edges of a picture."""
        return cls(image=image, model=model or "", kind="canny", module=module, **fields)

    @classmethod
    def depth(
        cls, image: Any, *, model: str | None = None, module: str = "depth_midas", **fields: Any
    ) -> Self:
        """Return a unit that keeps the depth of a picture."""
        return cls(image=image, model=model or "", kind="depth", module=module, **fields)

    @classmethod
    def ip_adapter(
        cls, image: Any, *, model: str | None = None, module: str | None = None, **fields: Any
    ) -> Self:
        """Return a unit that draws in the likeness or style of a picture.

        Args:
            image: The picture.
            model: IP-Adapter model; None = the only one on the server.
            module: Its preprocessor; None = "ip-adapter-auto", which Forge and reForge do not
                have: name theirs there.
            fields: Further fields of the unit.
        """
        return cls(
            image=image, model=model or "", kind="ip-adapter", module=module or "ip-adapter-auto", **fields
        )

    def resolve_model(self, caps: Capabilities, *, what: str = "ControlNet model") -> str | Problem:
        """Return the listed name of the model, or the problem with it.

        With `kind` alone, models of the loaded checkpoint's family are preferred where several fit.
        """
        cn = caps.controlnet or ControlNetCaps((), (), 0)
        name = self.model or self.kind
        found = resolve.controlnet_model(cn, name, what=what)
        if isinstance(found, Problem) and not self.model and len(found.near) > 1 and caps.loaded_checkpoint:
            family = [item for item in found.near if _is_xl(item) == _is_xl(caps.loaded_checkpoint)]
            if len(family) == 1:
                return family[0]
        if isinstance(found, Problem) and not self.model and self.kind and not found.near:
            return Problem(
                what, f'no model whose name holds "{self.kind}" is there', cn.models[:3], found.fix
            )
        return found

    def render(self, caps: Capabilities) -> dict[str, Any]:
        """Return the unit with names in the server's spelling; pictures stay encoded for the transport.

        `enabled` is always sent: left out it means off on A1111 and on on Forge and reForge.
        """
        cn = caps.controlnet or ControlNetCaps((), (), 0)
        model, module = self.resolve_model(caps), resolve.controlnet_module(caps, cn, self.module)
        unit: dict[str, Any] = {
            "enabled": True,
            "module": self.module if isinstance(module, Problem) else module,
            "model": self.model if isinstance(model, Problem) else model,
            "weight": self.weight,
            "resize_mode": self.resize_mode,
            "control_mode": self.control_mode,
            "pixel_perfect": self.pixel_perfect,
            "guidance_start": self.guidance_start,
            "guidance_end": self.guidance_end,
        }
        if self.image is not None:
            unit["image"] = self.image
        if self.mask is not None:
            unit["mask"] = self.mask
        for name in ("processor_res", "threshold_a", "threshold_b"):
            if (value := getattr(self, name)) is not None:
                unit[name] = value
        if not self.save_detected_map:
            unit["save_detected_map"] = False
        return unit

    def problems(self, caps: Capabilities, *, context: Context = TXT2IMG, index: int = 0) -> list[Problem]:
        """Return what the server lacks for this unit."""
        where = f"ControlNet[{index}]"
        cn = caps.controlnet
        if cn is None or "controlnet" not in caps.scripts(context.endpoint):
            return [absent(caps, "ControlNet", fix=INSTALL)]
        found: list[Any] = [
            self.resolve_model(caps, what=f"{where} model"),
            resolve.controlnet_module(caps, cn, self.module, what=f"{where} module"),
        ]
        if self.image is None and context.endpoint == "txt2img":
            fix = "give it a picture; only img2img falls back to the init image"
            found.append(Problem(f"{where} image", "there is none, so ControlNet would do nothing", fix=fix))
        if self.weight == 0:
            found.append(Problem(f"{where} weight", "0 does nothing", fix="leave the unit out"))
        rules = rules_for(caps.flavour)
        if self.control_mode != "Balanced" and not rules.control_mode_works:
            found.append(Problem(f"{where} control_mode", f"{rules.title} ignores it", ("Balanced",)))
        if self.mask is not None and caps.flavour is not Flavour.A1111:
            found.append(Problem(f"{where} mask", f"not known to work on {rules.title}", fix="leave it out"))
        return [item for item in found if isinstance(item, Problem)]

    @property
    def brings_map(self) -> bool:
        """Whether a map must come back when the unit ran (outside the tile upscale)."""
        return self.save_detected_map and not any(part in self.module.casefold() for part in NO_MAP)

    def expectations(
        self, caps: Capabilities, *, context: Context, index: int, peers: Sequence[Any]
    ) -> list[Expectation]:
        """Return what the answer must show: a detected map, where this flavour's maps mean anything."""
        model = self.resolve_model(caps)
        # The tile upscale never returns maps (recorded: p09, p09b).
        maps = 0 if context.upscaling or not self.brings_map else sum(peer.brings_map for peer in peers)
        name = self.model if isinstance(model, Problem) else model
        return [ControlNetRan(index, name, rules_for(caps.flavour).map_proof, maps)]

    @classmethod
    def script_args(cls, units: Sequence[Any], caps: Capabilities) -> list[Any]:
        """Return one dictionary a unit."""
        return [unit.render(caps) for unit in units]

    @classmethod
    def group_problems(cls, units: Sequence[Any], caps: Capabilities, *, context: Context) -> list[Problem]:
        """Return what is wrong with the units together: the server drops those beyond its slots."""
        del context
        slots = caps.controlnet.max_units if caps.controlnet else 0
        if not caps.controlnet or len(units) <= slots:
            return []
        fix = f"use at most {slots}, or raise the number of units in the server's settings and restart it"
        return [
            Problem(
                "ControlNet units", f"{len(units)} asked for, the server drops all after {slots}", fix=fix
            )
        ]
