"""Presets: the YAML files a user tunes, read, merged, checked and written back.

    from stages.presets import load_preset
    preset = load_preset("studio-sd15", sets=["stages.upscale.scale=2"])
    preset.txt2img.width

Errors: `PresetError`, whose text names file, line, path, reason and near match.
"""

from __future__ import annotations

from ._load import dump_preset, list_presets, load_preset
from ._summary import PresetSummary
from .errors import PresetError, PresetProblem
from .model import (
    AUTO,
    BOTH,
    SCHEMA,
    TRAINING_SCHEMA,
    IpAdapterUse,
    LoraUse,
    Preset,
    TrainingPreset,
    TrainParams,
)
from .schema import preset_file_schema, preset_schema, training_file_schema
from .stage_params import FinishParams, Img2ImgParams, StageParams, Txt2ImgParams, UpscaleParams
from .training import (
    is_training_preset,
    list_training_presets,
    load_training_preset,
)
from .units import ADetailerParams, ADetailerUnitParams, ControlNetParams

__all__ = [
    "AUTO",
    "BOTH",
    "SCHEMA",
    "TRAINING_SCHEMA",
    "ADetailerParams",
    "ADetailerUnitParams",
    "ControlNetParams",
    "FinishParams",
    "Img2ImgParams",
    "IpAdapterUse",
    "LoraUse",
    "Preset",
    "PresetError",
    "PresetProblem",
    "PresetSummary",
    "StageParams",
    "TrainParams",
    "TrainingPreset",
    "Txt2ImgParams",
    "UpscaleParams",
    "dump_preset",
    "is_training_preset",
    "list_presets",
    "list_training_presets",
    "load_preset",
    "load_training_preset",
    "preset_file_schema",
    "preset_schema",
    "training_file_schema",
]
