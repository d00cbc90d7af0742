"""Looks whether an IP-Adapter has any effect on a server, before a run is built on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sdwebui_client import EncodedImage

from .engine import Engine, Made, StageCall
from .errors import StageError
from .identity import WHAT, AdapterChoice
from .lib import txt2img
from .lib.generation import run_job
from .servers import Probed, server_identity

if TYPE_CHECKING:
    from .plan import Blueprint

STAGE = "ip-adapter"
VERSION = 1
_SHOT = "person"
_SIDE_PX = 256
_STEPS = 4
SAME = 1.0
"""Mean difference of two pictures (of 255) up to which they count as one. A GPU that does not compute the
same twice is taken to stay below 1, and an IP-Adapter of any use to change more. Not measured on a GPU."""


def prove_ip_adapter(
    engine: Engine,
    probed: Probed,
    blueprint: Blueprint,
    choice: AdapterChoice,
    faces: Mapping[str, EncodedImage],
) -> None:
    """Draw one small picture with the IP-Adapter and one without, and see that they differ.

    Found in the store when the same was seen before.

    Args:
        engine: Keeps what was found.
        probed: The server.
        blueprint: The run.
        choice: The IP-Adapter.
        faces: What it is shown, by name.

    Raises:
        StageError: They are the same: the server drew on without it.
        WebUIError: The server.
    """
    params = _params(blueprint, choice)
    inputs = {name: picture.sha256 for name, picture in faces.items()}
    identity = server_identity(probed.caps, blueprint.preset.checkpoint)
    call = StageCall(STAGE, VERSION, _SHOT, {**params, "of_server": {**identity, "url": probed.url}}, inputs)

    def make() -> Made:
        drawn = []
        for values in (params, {name: value for name, value in params.items() if name != "ip_adapter"}):
            job = txt2img.job(values, faces, probed.caps)
            drawn.append(run_job(probed.webui, job, cancel=engine.cancel).outputs["image"])
        difference = mean_difference(*drawn)
        if difference <= SAME:
            raise StageError(_told(probed, choice), hint=_hint(choice))
        return Made(payload={"difference": round(difference, 2)})

    engine.local(call, make)


def _params(blueprint: Blueprint, choice: AdapterChoice) -> dict[str, Any]:
    """A candidate's parameters, small and quick, with no other unit that could hide or cause a difference."""
    # LoRAs change a picture by themselves, and one of the person hides what the photos add.
    texts = replace(blueprint.texts, lora_name=None, adapter_loras=())
    params = txt2img.params(blueprint.preset, texts, pose=blueprint.poses[0], seed=1, adapter=choice)
    return {
        **params,
        "width": _SIDE_PX,
        "height": _SIDE_PX,
        "steps": _STEPS,
        "controlnet": None,
        "adetailer": [],
    }


def mean_difference(one: bytes, other: bytes) -> float:
    """Mean difference of two pictures' pixels, 0..255; 255 when their sizes differ."""
    from PIL import ImageChops, ImageStat

    first, second = (EncodedImage(data).open().convert("RGB") for data in (one, other))
    if first.size != second.size:
        return 255.0
    return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


def _told(probed: Probed, choice: AdapterChoice) -> str:
    what = f"{WHAT} {choice.model} has no effect on {probed.url}"
    return f"{what}: a picture drawn with it is the same as one without"


def _hint(choice: AdapterChoice) -> str:
    where = "The WebUI's log says why ControlNet gave it up. "
    if choice.face_id:
        return where + (
            "FaceID needs the package insightface in the WebUI's own environment; or name a model without "
            "it, such as --set ip_adapter.model=ip-adapter-plus-face_sd15."
        )
    return where + (
        "Usual are a model of the other family than the loaded checkpoint, and CLIP weights that could not "
        "be downloaded."
    )
