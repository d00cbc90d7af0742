"""How pictures become the person: by a LoRA, by photos shown to ControlNet's IP-Adapter, or by both.

An IP-Adapter needs no training: a crop of the best photo goes along with each request. It is less like than a
LoRA of the person, so it makes the first pictures, not the last ones.

Nothing in an answer tells whether an IP-Adapter ran: no map comes back, and with a wrong pair of model and
preprocessor, missing weights or a missing package the server draws on without it (HTTP 200). So the pair is
looked up before, and `prove_ip_adapter` draws one small picture with it and one without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sdwebui_client import Capabilities, ControlNet, EncodedImage, Flavour, Problem
from sdwebui_client.units.controlnet import INSTALL
from sdwebui_client.units.ip_adapter import (
    IP_ADAPTERS,
    Encoder,
    IpAdapter,
    encoder_module,
    find_ip_adapter,
    listed_ip_adapters,
)

from .presets import IpAdapterUse, Preset

if TYPE_CHECKING:
    from train_lora import Photo, PhotoSet

FACE = "face-"
"""Beginning of the names of the crops among a stage's pictures."""
CROP_PX = 512
_EYES_AT = (256.0, 225.0)
_SPAN_PX = 118.0
"""Distance between the eyes in the crop: the face fills 60 % of its height. CLIP looks at 224 px, so a larger
face means more of it seen; insightface needs some room around it."""
WHAT = "IP-Adapter"
_FOLDER = "models/ControlNet"


@dataclass(frozen=True)
class AdapterChoice:
    """The IP-Adapter of a run: the same on every server."""

    model: str
    encoder: Encoder | None
    """What its preprocessor makes; None when the preset names the preprocessor."""
    module: str | None
    """The preprocessor the preset names."""
    lora: str | None = None
    """The LoRA that belongs to it."""
    face_id: bool = False
    """Whether it is for non-commercial use only and needs insightface on the server."""

    def module_on(self, caps: Capabilities) -> str:
        """The preprocessor by this server's name; empty when it has none."""
        return self.module or (encoder_module(caps, self.encoder) if self.encoder else None) or ""

    def to_json(self) -> dict[str, Any]:
        """As in run.json."""
        return asdict(self)


def uses_lora(preset: Preset) -> bool:
    """Whether a LoRA of the person is needed."""
    return preset.identity != "ip_adapter"


def uses_photos(preset: Preset) -> bool:
    """Whether photos are shown to an IP-Adapter."""
    return preset.identity != "lora"


def choose_ip_adapter(
    caps: Capabilities, family: str, use: IpAdapterUse | None = None
) -> AdapterChoice | Problem:
    """The IP-Adapter to use on one server.

    Args:
        caps: The server.
        family: "sd15" or "sdxl".
        use: The preset's block; None = its defaults.

    Returns:
        The choice, or what is missing and where to put it.
    """
    return shared_ip_adapter([caps], family, use)


def shared_ip_adapter(
    caps_list: Sequence[Capabilities], family: str, use: IpAdapterUse | None = None
) -> AdapterChoice | Problem:
    """The first IP-Adapter, in the order of `IP_ADAPTERS`, that every server can run; else that any can.

    Portraits of one run should not differ by the server that drew them, so one without it is left out. When
    none has any, the problem is the first server's.
    """
    use = use or IpAdapterUse()
    wanted = _candidates(family, use)
    if isinstance(wanted, Problem):
        return wanted
    for enough in (all, any):
        for choice in wanted:
            if enough(adapter_problem(caps, choice) is None for caps in caps_list):
                return choice
    missing = adapter_problem(caps_list[0], wanted[0]) if use.model is not None else None
    return missing or _nothing_there(caps_list[0], family)


def adapter_problem(caps: Capabilities, choice: AdapterChoice) -> Problem | None:
    """Why a server cannot run an IP-Adapter, or None."""
    if (problem := _no_controlnet(caps)) is not None:
        return problem
    if choice.model not in listed_ip_adapters(caps):
        known = find_ip_adapter(choice.model)
        source = f" from {known.source} on Hugging Face" if known else ""
        return Problem(
            WHAT,
            f'the model "{choice.model}" is not there',
            fix=f"download {choice.model}{source}, put it into {_FOLDER} and refresh",
        )
    if not choice.module_on(caps):
        return Problem(WHAT, f'no preprocessor is there for "{choice.model}"', fix="update ControlNet")
    if choice.lora is not None and choice.lora not in caps.lora_names():
        return Problem(
            WHAT,
            f'"{choice.model}" needs its LoRA "{choice.lora}", which is not there',
            fix="download it from h94/IP-Adapter-FaceID on Hugging Face and put it into models/Lora",
        )
    return None


def _candidates(family: str, use: IpAdapterUse) -> list[AdapterChoice] | Problem:
    if use.model is None:
        return [_choice(known, use) for known in IP_ADAPTERS if known.family == family]
    known = find_ip_adapter(use.model)
    if known is None:
        if use.module is None:
            fix = "name the preprocessor it was made with as ip_adapter.module, or leave ip_adapter.model out"
            return Problem(WHAT, f'which preprocessor "{use.model}" was made with is not known', fix=fix)
        return [AdapterChoice(use.model, None, use.module)]
    if known.family != family:
        return Problem(
            WHAT,
            f'"{known.model}" is for {known.family}, the preset for {family}',
            fix="leave ip_adapter.model out and the one that fits is taken",
        )
    return [_choice(known, use)]


def _choice(known: IpAdapter, use: IpAdapterUse) -> AdapterChoice:
    lora = known.lora if use.lora_weight else None
    return AdapterChoice(known.model, known.encoder, use.module, lora, known.face_id)


def _no_controlnet(caps: Capabilities) -> Problem | None:
    if caps.flavour is Flavour.SDNEXT:
        return Problem(
            WHAT, "SD.Next runs it in its own way, which is not used here", fix="ask for identity: lora there"
        )
    if caps.controlnet is None:
        return Problem(WHAT, "it belongs to ControlNet, which is not there", fix=INSTALL)
    return None


def _nothing_there(caps: Capabilities, family: str) -> Problem:
    if (problem := _no_controlnet(caps)) is not None:
        return problem
    best = next(known for known in IP_ADAPTERS if known.family == family)
    fix = f"download {best.model} from {best.source} on Hugging Face, put it into {_FOLDER} and refresh"
    there = listed_ip_adapters(caps)
    others = f" (there are {', '.join(there[:4])})" if there else ""
    return Problem(WHAT, f"no model for {family} that can be used is there{others}", fix=fix)


# ---- what goes into a request


def adapter_params(preset: Preset, choice: AdapterChoice | None) -> dict[str, Any]:
    """`{"ip_adapter": …}` for a stage's parameters; empty where none is used, so that earlier keys stay."""
    if choice is None:
        return {}
    use = preset.ip_adapter
    return {
        "ip_adapter": {
            "model": choice.model,
            "encoder": choice.encoder,
            "module": choice.module,
            "weight": round(use.weight / use.photos, 4),
            "guidance_start": use.guidance_start,
            "guidance_end": use.guidance_end,
        }
    }


def adapter_units(
    params: Mapping[str, Any], pictures: Mapping[str, EncodedImage], caps: Capabilities
) -> tuple[ControlNet, ...]:
    """One ControlNet unit for each crop among a stage's pictures, if its parameters ask for them."""
    values = params.get("ip_adapter")
    if values is None:
        return ()
    choice = AdapterChoice(values["model"], values["encoder"], values["module"])
    return tuple(
        ControlNet(
            image=pictures[name],
            model=choice.model,
            module=choice.module_on(caps),
            weight=values["weight"],
            guidance_start=values["guidance_start"],
            guidance_end=values["guidance_end"],
            # It makes none; asked for, Forge would append a picture that is no map.
            save_detected_map=False,
        )
        for name in sorted(pictures)
        if name.startswith(FACE)
    )


def adapter_loras(preset: Preset, choice: AdapterChoice | Problem | None) -> tuple[tuple[str, float], ...]:
    """(name, weight) of the LoRA that belongs to a FaceID model; ControlNet does not load it by itself
    (Mikubill/sd-webui-controlnet issue 2768)."""
    if not isinstance(choice, AdapterChoice) or choice.lora is None:
        return ()
    return ((choice.lora, preset.ip_adapter.lora_weight),)


def face_names(preset: Preset) -> tuple[str, ...]:
    """Names of the crops among a stage's pictures; empty where none is used."""
    return tuple(f"{FACE}{n}" for n in range(1, preset.ip_adapter.photos + 1)) if uses_photos(preset) else ()


def face_crops(photos: PhotoSet, preset: Preset) -> dict[str, EncodedImage]:
    """The best photos' faces, upright, by name; empty where none is used.

    Raises:
        PhotosError: A photo changed since it was checked.
    """
    from PIL import Image

    from faces import crop_upright

    best = sorted(photos.accepted, key=lambda photo: (-round(_fitness(photo), 6), photo.sha256))
    return {
        name: EncodedImage.from_pil(
            Image.fromarray(
                crop_upright(
                    photo.open(), photo.face, size=(CROP_PX, CROP_PX), eyes_at=_EYES_AT, span_px=_SPAN_PX
                )
            )
        )
        for name, photo in zip(face_names(preset), best, strict=False)
    }


def _fitness(photo: Photo) -> float:
    """How good a photo is to be shown: its quality less the share of the crop that it does not hold."""
    scale = photo.face.span / _SPAN_PX
    left, top = (at - eye * scale for at, eye in zip(photo.face.eye_center, _EYES_AT, strict=True))
    side = CROP_PX * scale
    reduced = min(1.0, photo.limits.working_px / max(photo.width, photo.height))
    wide = min(left + side, photo.width * reduced) - max(left, 0.0)
    high = min(top + side, photo.height * reduced) - max(top, 0.0)
    return photo.quality.overall - (1.0 - max(wide, 0.0) * max(high, 0.0) / side**2)
