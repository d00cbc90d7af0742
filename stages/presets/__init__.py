"""Presets: the YAML files a user tunes, read, merged, checked and written back.

    from stages.presets import load_preset
    preset = load_preset("studio-sd15", sets=["stages.upscale.scale=2"])
    preset.txt2img.width

Errors: `PresetError`, whose text names file, line, path, reason and near match.
"""

from __future__ import annotations

from .errors import PresetError, PresetProblem
from .model import SCHEMA, LoraUse, Preset, TrainParams
from .stage_params import FinishParams, Img2ImgParams, StageParams, Txt2ImgParams, UpscaleParams
from .units import ADetailerParams, ADetailerUnitParams, ControlNetParams

__all__ = [
    "SCHEMA",
    "ADetailerParams",
    "ADetailerUnitParams",
    "ControlNetParams",
    "FinishParams",
    "Img2ImgParams",
    "LoraUse",
    "Preset",
    "PresetError",
    "PresetProblem",
    "StageParams",
    "TrainParams",
    "Txt2ImgParams",
    "UpscaleParams",
]
