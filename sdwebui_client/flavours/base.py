"""What can differ between the WebUIs that speak A1111's API, stated once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..capabilities import Flavour

# Preprocessors that are one and the same under two names (A1111's internal and alias names, Forge's names).
MODULE_SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("softedge_pidinet", "pidinet"),
    ("normalbae", "normal_bae"),
    ("depth_midas", "depth"),
    ("t2ia_color_grid", "color"),
    ("seg_ofade20k", "oneformer_ade20k"),
)


class MapProof(Enum):
    """What a ControlNet map among the pictures of an answer says."""

    PROVES = "a map comes back for each unit that ran"
    DISPROVES = "a map comes back even for a unit that failed; none means that it failed"
    SILENT = "no map ever comes back"


@dataclass(frozen=True, slots=True)
class Signs:
    """What a server shows of itself before it has drawn anything."""

    title: str = ""
    """Title of its OpenAPI document."""
    version: str = ""
    """Version by /internal/sysinfo, in the spelling of `info.version`."""
    own_version: bool = False
    """GET /sdapi/v1/version says it is SD.Next."""
    sd_modules: bool = False
    """GET /sdapi/v1/sd-modules answers."""
    controlnet_version: bool = False
    """GET /controlnet/version answers."""
    controlnet_modules: tuple[str, ...] = ()
    """GET /controlnet/module_list."""


@dataclass(frozen=True, slots=True)
class FlavourRules:
    """How one WebUI differs.
    Every value is measured on a real server (docs: the API as it really behaves)."""

    flavour: Flavour
    title: str
    """Its name for people."""
    recognise: Callable[[Signs], bool]
    no_module: str
    """The ControlNet module that means "no preprocessor", in its spelling."""
    map_proof: MapProof
    module_synonyms: tuple[tuple[str, ...], ...] = MODULE_SYNONYMS
    control_mode_works: bool = True
    """False: ControlNet's control_mode is ignored."""
    adetailer_controlnet_works: bool = True
    """False: ADetailer's own ControlNet is ignored."""
    vae_setting: str = "sd_vae"
    """The override_settings key that changes the VAE."""
    hires_modules: bool = False
    """True: enable_hr fails with 500 unless hr_additional_modules is sent."""
    infotext_field_works: bool = True
    """False: the request field `infotext` fails with 500."""
