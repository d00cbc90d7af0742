"""A resolved preset: every value of the profile recipe, checked.

`docs/presets.md` is made from the docstrings in here; keep unit, range, neutral value and effect in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self, cast

from pydantic import ConfigDict, Field, model_validator

from train_lora.training_settings import TrainSettings

from ..choosing.params import ChooseParams
from ._fields import UPSCALED_MAX_PX, Fraction, LoraWeight, Name, Names, PresetModel
from .stage_params import (
    STAGE_TYPES,
    FinishParams,
    Img2ImgParams,
    StageParams,
    Txt2ImgParams,
    UpscaleParams,
)

SCHEMA: Literal["sdwebui-preset/1"] = "sdwebui-preset/1"
TRAINING_SCHEMA: Literal["sdwebui-training/1"] = "sdwebui-training/1"
Family = Literal["sd15", "sdxl"]
Identity = Literal["lora", "ip_adapter", "both"]
AUTO, BOTH = "auto", "both"
"""Words `tone:` takes beside the names of tones."""
NonEmptyNames = Annotated[Names, Field(min_length=1)]


class LoraUse(PresetModel):
    """How strongly the person's LoRA is applied."""

    weight: LoraWeight = 0.8
    """Weight in the picture's prompt, -2 to 2. 0 = off, 1 = as trained; below 0.6 likeness fades, above 1 the
    photos show through."""
    face_weight: LoraWeight = 0.9
    """Weight in ADetailer's face prompt, -2 to 2. A little above `weight`: only the face is painted there."""
    chosen_weight: bool = True
    """Use the weight that was chosen by likeness when the LoRA was trained, where there is one, in place of
    `weight`; `face_weight` moves along."""


class IpAdapterUse(PresetModel):
    """The person by photos shown to ControlNet's IP-Adapter, where `identity:` is `ip_adapter` or `both`."""

    model: Name | None = None
    """IP-Adapter model as in the server's list, without the `[hash]`. null = the one that keeps a face best
    among those all servers have; FaceID ones only when there is no other face model."""
    module: Name | None = None
    """Preprocessor. null = the one the model was made with; needed for models this program does not know."""
    weight: Annotated[float, Field(gt=0.0, le=2.0)] = 0.9
    """Strength over all photos together, above 0 to 2. 1 = as trained; below 0.6 likeness fades, above 1.2
    the photo's light and background come along."""
    guidance_start: Fraction = 0.0
    """Fraction of the sampling steps after which it begins, 0–1. 0 = from the first step; 0.2 lets the pose
    settle first."""
    guidance_end: Fraction = 1.0
    """Fraction of the steps after which it stops, 0–1, above `guidance_start`. 1 = to the last step."""
    photos: Annotated[int, Field(ge=1, le=3)] = 1
    """How many of the best photos are shown to it, 1–3. Each takes a ControlNet unit, and a server has
    three unless set otherwise; the pose takes one of them."""
    lora_weight: LoraWeight = 0.6
    """Weight of the LoRA that belongs to a FaceID model, -2 to 2. No effect with other models."""

    @model_validator(mode="after")
    def _start_before_end(self) -> Self:
        if self.guidance_start >= self.guidance_end:
            raise ValueError(
                f"guidance_start ({self.guidance_start:g}) must be below guidance_end ({self.guidance_end:g})"
            )
        return self


class TrainParams(TrainSettings, PresetModel):
    """How the person's LoRA is trained."""

    preset: Name | None = None
    """Training preset the values come from that are not given here: `sd15-fast`, `sd15-best`, `sdxl`, or a
    path to a YAML file, beside this one. null = none, the defaults below."""
    trigger: Name | None = None
    """Words that stand for the person in prompts: a rare token and the class, such as `ohwx person`. null = a
    rare token picked by the person's name, and `subject`."""


class Preset(PresetModel):
    """Everything the profile recipe needs to know, from the training to the finish."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=True, serialize_by_alias=True)

    schema_version: Literal["sdwebui-preset/1"] = Field(default=SCHEMA, alias="schema")
    """Format and version of the file. A newer version is refused, not guessed at."""
    name: Name
    """Short name; the file's stem when left out."""
    title: Name
    """One line for people."""
    description: str = ""
    """What the preset is for and what to expect of it."""
    family: Family
    """Model family: `sd15` or `sdxl`. Decides which checkpoints, LoRAs and ControlNets fit."""
    checkpoint: Name | None = None
    """Checkpoint by title, model name or hash. null = the one the server has loaded."""
    vae: Name | None = None
    """VAE file by name. null = the checkpoint's own (or the server's setting)."""
    clip_skip: Annotated[int, Field(ge=1, le=12)] = 1
    """Which of CLIP's last layers is read, 1–12. 1 = the last (photo models), 2 for models grown from anime
    ones. SDXL ignores it."""
    identity: Identity = "lora"
    """How the pictures become the person. `lora` = a LoRA is trained (or named); `ip_adapter` = no training:
    the best photos are shown to ControlNet's IP-Adapter, quick and less like; `both` = the two together."""
    lora: LoraUse = LoraUse()
    """Weights of the person's LoRA."""
    ip_adapter: IpAdapterUse = IpAdapterUse()
    """The IP-Adapter, for `identity: ip_adapter` and `both`."""
    mix: Name | None = None
    """A LoRA mix of the prompt library (detail, skin, film look …). null = the person's LoRA alone."""
    subject: Name = "person"
    """What `{subject}` becomes: `person`, `woman`, `man` …"""
    outfit: Name = "suit_navy"
    """Clothes, by name from the prompt library."""
    backdrop: Name = "studio_gray"
    """Background, by name from the prompt library."""
    poses: NonEmptyNames = ("front",)
    """Poses, by name from the prompt library. Each is drawn `shots` times."""
    tones: NonEmptyNames = ("cool", "warm")
    """Tones, by name from the prompt library. Each kept candidate is finished once per tone."""
    tone: Name | None = None
    """One word in place of `tones`: `both` = cool and warm; `auto` = the one that suits the undertone of the
    skin in the photos, or both when that cannot be told; or the name of a tone. null = `tones` as listed."""
    shots: Annotated[int, Field(ge=1, le=64)] = 3
    """Candidates drawn per pose, 1–64. More = better likeness, longer."""
    keep: Annotated[int, Field(ge=1, le=64)] = 1
    """Best candidates per pose that go on, 1 up to `shots`."""
    min_likeness: Fraction = 0.5
    """Likeness a delivered portrait must reach, 0–1 calibrated. 0 = accept all, 0.5 = the border between same
    and other person."""
    train: TrainParams = TrainParams()
    """The LoRA training."""
    choose: ChooseParams = ChooseParams()
    """How the best of its checkpoints is chosen."""
    stages: dict[str, StageParams]
    """The stages in the order they run, each a block with its `type:`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.keep > self.shots:
            raise ValueError(f"keep: is {self.keep}, but only {self.shots} are drawn (shots)")
        order = [stage.type for stage in self.stages.values()]
        _check_stage_order(order)
        self._check_upscaled_size()
        return self

    def _check_upscaled_size(self) -> None:
        name, upscale = next(((n, s) for n, s in self.stages.items() if s.type == "upscale"), ("", None))
        if upscale is None:
            return
        side = max(self.txt2img.width, self.txt2img.height) * upscale.scale
        if side > UPSCALED_MAX_PX:
            raise ValueError(f"stages.{name}.scale: makes {side:g} px; at most {UPSCALED_MAX_PX} px")

    def stage(self, kind: str) -> StageParams | None:
        """The stage of this `type:`, or None when the preset leaves it out."""
        return next((stage for stage in self.stages.values() if stage.type == kind), None)

    @property
    def txt2img(self) -> Txt2ImgParams:
        """The stage that draws; every preset has one."""
        return cast(Txt2ImgParams, self.stage("txt2img"))

    @property
    def img2img(self) -> Img2ImgParams | None:
        """The tone stage, if the preset has one."""
        return cast("Img2ImgParams | None", self.stage("img2img"))

    @property
    def upscale(self) -> UpscaleParams | None:
        """The upscale stage, if the preset has one."""
        return cast("UpscaleParams | None", self.stage("upscale"))

    @property
    def finish(self) -> FinishParams | None:
        """The finish stage, if the preset has one."""
        return cast("FinishParams | None", self.stage("finish"))


class TrainingPreset(PresetModel):
    """A training and how its best checkpoint is chosen: what `train.preset` of a preset names."""

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=True, serialize_by_alias=True)

    schema_version: Literal["sdwebui-training/1"] = Field(default=TRAINING_SCHEMA, alias="schema")
    """Format and version of the file. A newer version is refused, not guessed at."""
    name: Name
    """Short name; the file's stem when left out."""
    title: Name
    """One line for people."""
    description: str = ""
    """What it is for, how long it takes and what to expect of it."""
    family: Family
    """Model family: `sd15` or `sdxl`. A preset of the other family cannot use it."""
    train: TrainParams
    """The LoRA training."""
    choose: ChooseParams = ChooseParams()
    """How the best of its checkpoints is chosen."""

    @model_validator(mode="after")
    def _stands_alone(self) -> Self:
        if self.train.preset is not None:
            raise ValueError("train.preset: a training preset names no other; use extends: for a parent")
        return self


def _check_stage_order(order: Sequence[str]) -> None:
    """Raise ValueError unless the stages are the recipe's,
    each at most once and in its order, beginning with txt2img."""
    known = list(STAGE_TYPES)
    if "txt2img" not in order:
        raise ValueError("stages: there is no stage of type txt2img, so nothing would be drawn")
    for kind in known:
        if order.count(kind) > 1:
            raise ValueError(
                f"stages: type {kind} appears {order.count(kind)} times; the recipe runs it once"
            )
    if order != sorted(order, key=known.index):
        raise ValueError(f"stages: the order is {', '.join(order)}; the recipe runs {', '.join(known)}")
