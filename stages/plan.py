"""The whole run worked out beforehand: portraits, requests, numbers, and everything a server lacks. Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prompt_library import render_skeleton
from sdwebui_client import Capabilities, CapabilityMissing, EncodedImage, InvalidRequest, Problem
from sdwebui_client._prepare import prepare
from sdwebui_client.capabilities import LoraInfo

from .canonical import draw_number
from .errors import StagesError
from .family import lora_problem
from .identity import CROP_PX, AdapterChoice, adapter_problem, choose_ip_adapter, face_names
from .lib import img2img, txt2img, upscale
from .lib.generation import Job
from .lib.select import Slot, candidates_to_draw
from .lora import lora_metadata
from .presets import Preset
from .provenance import summarise_request
from .texts import FROM_PHOTO, Texts


@dataclass(frozen=True)
class PlannedRequest:
    """One request as it would be sent, pictures summarised."""

    stage: str
    shot: str
    path: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Blueprint:
    """What is needed to work out requests."""

    preset: Preset
    texts: Texts
    slots: tuple[Slot, ...]
    upscaler: str
    seed: int
    adapter: AdapterChoice | Problem | None = None
    """The IP-Adapter, or why there is none; None where none is asked for."""

    @property
    def chosen_adapter(self) -> AdapterChoice | None:
        """The IP-Adapter, if there is one."""
        return self.adapter if isinstance(self.adapter, AdapterChoice) else None

    @property
    def poses(self) -> tuple[str, ...]:
        """Poses in the order they are drawn."""
        return tuple(dict.fromkeys(slot.pose for slot in self.slots))

    @property
    def tones(self) -> tuple[str, ...]:
        """Tones in the order they are made."""
        return tuple(dict.fromkeys(slot.tone for slot in self.slots))

    @property
    def draws(self) -> dict[str, int]:
        """Candidates per pose."""
        return candidates_to_draw(self.slots, shots=self.preset.shots, keep=self.preset.keep)

    def generations(self) -> dict[str, int]:
        """Jobs per stage if nothing has to be tried twice."""
        numbers = {txt2img.STAGE: sum(self.draws.values())}
        for stage in (self.preset.img2img, self.preset.upscale):
            if stage is not None:
                numbers[stage.type] = len(self.slots)
        return numbers

    def skeletons(self) -> dict[str, EncodedImage]:
        """What ControlNet is given for each pose of the library; empty when the preset uses none."""
        stage = self.preset.txt2img
        if stage.controlnet is None:
            return {}
        poses = {name: self.texts.pose(name) for name in self.poses}
        return {
            name: EncodedImage.from_bytes(render_skeleton(pose, stage.width, stage.height))
            for name, pose in poses.items()
            if pose is not None
        }


@dataclass(frozen=True)
class Check:
    """What a server would get, and what it lacks for it."""

    requests: tuple[PlannedRequest, ...]
    problems: tuple[str, ...] = field(default=())


def with_lora(caps: Capabilities, name: str) -> Capabilities:
    """The server as it will be when a LoRA has been published on it."""
    if name in caps.lora_names():
        return caps
    return replace(caps, loras=(*caps.loras, LoraInfo(name=name)))


def check_server(blueprint: Blueprint, caps: Capabilities, *, lora_will_come: bool) -> Check:
    """Work out one request of each kind for a server, and everything it lacks.

    Args:
        blueprint: The run.
        caps: The server.
        lora_will_come: Whether the person's LoRA will be published before anything is drawn.
    """
    name = blueprint.texts.lora_name
    requests: list[PlannedRequest] = []
    problems: dict[str, None] = dict.fromkeys(_adapter_problems(blueprint, caps))
    if name is not None:
        wrong = lora_problem(blueprint.preset, name, lora_metadata(caps, name))
        problems |= {wrong: None} if wrong else {}
        caps = with_lora(caps, name) if lora_will_come else caps
    for stage, shot, make in _jobs(blueprint, caps):
        try:
            job = make()
            prepared = prepare(job.endpoint, job.request, job.units, job.script, caps)
        except CapabilityMissing as error:
            problems |= dict.fromkeys(str(problem) for problem in error.problems)
        except InvalidRequest as error:
            problems[f"{stage}: {error.message}"] = None
        except StagesError as error:
            problems[f"{stage}: {error.message}"] = None
        else:
            requests.append(PlannedRequest(stage, shot, prepared.path, summarise_request(prepared.payload)))
    return Check(tuple(requests), tuple(problems))


def _adapter_problems(blueprint: Blueprint, caps: Capabilities) -> list[str]:
    """Why this server cannot run the IP-Adapter the plan asks for."""
    if blueprint.adapter is None:
        return []
    if isinstance(blueprint.adapter, AdapterChoice):
        problem = adapter_problem(caps, blueprint.adapter)
        return [str(problem)] if problem else []
    # No server can: each says what itself lacks.
    own = choose_ip_adapter(caps, blueprint.preset.family, blueprint.preset.ip_adapter)
    return [str(own if isinstance(own, Problem) else blueprint.adapter)]


def _jobs(blueprint: Blueprint, caps: Capabilities) -> Iterator[tuple[str, str, Any]]:
    """(stage, shot, how to make its job): each pose once in txt2img, each tone once in the later stages."""
    preset, texts = blueprint.preset, blueprint.texts
    size = (preset.txt2img.width, preset.txt2img.height)
    skeletons = blueprint.skeletons()
    adapter = blueprint.chosen_adapter
    faces = {name: stand_in((CROP_PX, CROP_PX)) for name in face_names(preset)}
    for pose in blueprint.poses:
        seed = draw_number(blueprint.seed, pose, 0)
        values = txt2img.params(preset, texts, pose=pose, seed=seed, adapter=adapter)
        pictures = {"skeleton": skeletons.get(pose) or stand_in(size), **faces}
        yield txt2img.STAGE, f"{pose}-1", _maker(txt2img.job, values, pictures, caps)
    pose = blueprint.poses[0]
    first = draw_number(blueprint.seed, pose, 0)
    pictures = {"image": stand_in(size)}
    for tone in blueprint.tones:
        if preset.img2img is not None:
            seed = draw_number(first, img2img.STAGE, tone)
            values = img2img.params(
                preset, preset.img2img, texts, pose=pose, tone=tone, seed=seed, adapter=adapter
            )
            yield (
                img2img.STAGE,
                f"{pose}-1-{tone}",
                _maker(img2img.job, values, {**pictures, **faces}, caps),
            )
        if preset.upscale is not None:
            seed = draw_number(first, upscale.STAGE, tone)
            values = upscale.params(
                preset,
                preset.upscale,
                texts,
                pose=pose,
                tone=tone,
                seed=seed,
                upscaler=blueprint.upscaler,
            )
            yield upscale.STAGE, f"{pose}-1-{tone}", _maker(upscale.job, values, pictures, caps)


def _maker(
    make: Any, values: Mapping[str, Any], pictures: Mapping[str, EncodedImage], caps: Capabilities
) -> Any:
    def job() -> Job:
        made: Job = make(values, pictures, caps)
        return made

    return job


def stand_in(size: tuple[int, int]) -> EncodedImage:
    """A PNG that is only a header:
    enough where nobody decodes the picture, as when a request is worked out."""
    header = b"IHDR" + struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return EncodedImage(b"\x89PNG\r\n\x1a\n" + chunk)


def poses_of(preset: Preset, *, from_photo: bool) -> Sequence[str]:
    """The poses of a run: the preset's, or the one read off a photo."""
    return (FROM_PHOTO,) if from_photo else preset.poses
