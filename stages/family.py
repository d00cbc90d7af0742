"""Whether checkpoint and LoRA belong to the preset's family, as far as a WebUI lets one know.

No route tells a checkpoint's family. A LoRA of kohya's sd-scripts carries it in `ss_base_model_version`:
"sd_v1", "sd_v2…" (recorded: get_loras) or "sdxl_base_v1-0" (library/sdxl_model_util.py@v0.10.1). Drawing with
the wrong one is no error for the server, which skips what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdwebui_client import Capabilities

from .presets import Preset

_TITLES = {"sd15": "SD 1.5", "sd2": "SD 2", "sdxl": "SDXL"}
_BASES = (("sdxl", "sdxl"), ("sd_v1", "sd15"), ("sd_v2", "sd2"))


def lora_family(metadata: Mapping[str, Any] | None) -> str | None:
    """ "sd15", "sd2" or "sdxl" from a LoRA's metadata; None when it does not say."""
    base = str((metadata or {}).get("ss_base_model_version") or "").casefold()
    return next((family for start, family in _BASES if base.startswith(start)), None)


def lora_problem(preset: Preset, name: str, metadata: Mapping[str, Any] | None) -> str | None:
    """Why this LoRA cannot serve the preset, or None."""
    family = lora_family(metadata)
    if family is None or family == preset.family:
        return None
    return (
        f"LoRA {name}: it was trained for {_TITLES[family]}, and the preset {preset.name} is for "
        f"{_TITLES[preset.family]}. Use a preset for {_TITLES[family]} (`presets list`), or another LoRA"
    )


def checkpoint_doubt(preset: Preset, caps: Capabilities) -> str | None:
    """A warning when the checkpoint's name speaks against the preset's family, or None.

    Only a doubt: authors mostly put "XL" into the names of SDXL models, but nobody has to.
    """
    name = preset.checkpoint or caps.loaded_checkpoint
    if name is None or ("xl" in name.casefold()) == (preset.family == "sdxl"):
        return None
    which = "named in the preset" if preset.checkpoint else "the WebUI has loaded"
    return (
        f"The checkpoint {which}, {name}, does not sound like {_TITLES[preset.family]}, which the preset "
        f"{preset.name} is made for. If it is not, name one with --set checkpoint=NAME, or take another "
        "preset."
    )
