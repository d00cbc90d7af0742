"""Makes and looks at the pictures of one checkpoint at one weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Literal

from faces import Person, likeness_score, measure_quality
from sdwebui_client import EncodedImage, Progress, Txt2ImgRequest, WebUI
from train_lora import Dataset

from ..canonical import digest, draw_number, sha256_hex
from ..engine import Engine, Made, Outcome, StageCall
from ..lib.generation import Job, request_fields, run_job
from ..lib.score import MIN_SHARPNESS
from ..servers import ServerSet
from .choice import Trial, TrialPicture
from .looks import Look, look, nearest
from .params import ChooseParams
from .scoring import Seen, judge

STAGE, VERSION = "trial", 1
LOOK, LOOK_VERSION = "look", 1


@dataclass(frozen=True)
class Asked:
    """One picture of the fixed set, the same for every checkpoint."""

    index: int
    which: int
    """Number of the prompt: with more pictures than prompts some share one."""
    prompt: str
    seed: int


@dataclass(frozen=True)
class Model:
    """What the pictures are drawn with, besides the LoRA."""

    family: Literal["sd15", "sdxl"]
    checkpoint: str | None
    vae: str | None = None
    clip_skip: int = 1


@dataclass(frozen=True)
class Measure:
    """What the pictures are compared with."""

    person: Person
    person_sha256: str
    """Stands for the photos in keys."""
    dataset: Dataset

    @cached_property
    def training(self) -> tuple[tuple[str, Look], ...]:
        """The training pictures, looked at when the first one is needed."""
        from PIL import Image

        found = []
        for item in self.dataset.items:
            with Image.open(self.dataset.dir / item.image) as image:
                found.append((item.image, look(image, whose=False)))
        return tuple(found)


class Sitting:
    """The fixed set of pictures, made with whatever LoRA is given."""

    def __init__(
        self,
        engine: Engine,
        servers: ServerSet,
        params: ChooseParams,
        model: Model,
        measure: Measure,
        *,
        trigger: str,
        subject: str,
    ) -> None:
        self._engine, self._servers, self._params = engine, servers, params
        self._model, self._measure = model, measure
        self._looking = Lock()
        self._asked = tuple(
            Asked(
                index,
                index % len(params.prompts),
                params.prompts[index % len(params.prompts)].format(trigger=trigger, subject=subject),
                draw_number(params.seed, "trial", index),
            )
            for index in range(params.pictures)
        )

    def calls(self, lora_sha256: str, name: str, step: int, weight: float) -> tuple[StageCall, ...]:
        """The jobs of one trial. `name` follows from the file, so equal files give equal jobs."""
        return tuple(
            StageCall(
                STAGE,
                VERSION,
                f"step-{step}-weight-{weight:g}-{asked.index + 1}",
                self._values(asked, f"<lora:{name}:{weight:g}>"),
                {"lora": lora_sha256},
            )
            for asked in self._asked
        )

    def _values(self, asked: Asked, tag: str) -> dict[str, Any]:
        params, model = self._params, self._model
        width, height = params.size(model.family)
        return {
            "prompt": f"{asked.prompt} {tag}",
            "negative_prompt": params.negative_prompt,
            "seed": asked.seed,
            "steps": params.steps,
            "cfg_scale": params.guidance(model.family),
            "sampler_name": params.sampler_name,
            "scheduler": params.scheduler,
            "checkpoint": model.checkpoint,
            "vae": model.vae,
            "clip_skip": model.clip_skip,
            "width": width,
            "height": height,
        }

    def is_there(self, call: StageCall) -> bool:
        """Whether this picture was made before."""
        known = [identity for identity in self._servers.identities() if identity["model"] is not None]
        return any(self._engine.store.find(digest(call.material(identity))) for identity in known)

    def draw(self, call: StageCall, rename: Callable[[str], str]) -> Outcome:
        """Have a server make one picture, unless it is there.

        Args:
            call: One of `calls`.
            rename: Puts the name under which the LoRA was published into the prompt.
        """

        def generate(webui: WebUI, relay: Callable[[Progress], None]) -> Made:
            values = {**call.params, "prompt": rename(call.params["prompt"])}
            job = _job(values, webui)
            return run_job(webui, job, on_progress=relay, cancel=self._engine.cancel)

        return self._engine.generate(call, self._servers, generate)

    def look_at(self, drawn: Outcome) -> dict[str, Any]:
        """What is to be seen in a picture, as plain JSON."""
        call = StageCall(
            LOOK,
            LOOK_VERSION,
            drawn.call.shot,
            {"min_sharpness": MIN_SHARPNESS},
            {
                "image": drawn.sha256,
                "person": self._measure.person_sha256,
                "training": self._measure.dataset.manifest_sha256,
            },
        )
        return self._engine.local(call, lambda: Made(payload=self._seen(drawn.sha256))).payload

    def _seen(self, sha256: str) -> dict[str, Any]:
        image = EncodedImage(self._engine.store.get(sha256)).open().convert("RGB")
        found = look(image)
        with self._looking:
            training = self._measure.training
        repeats, share = nearest(found, training)
        seen: dict[str, Any] = {
            "distance": None,
            "likeness": 0.0,
            "sharpness": None,
            "print": f"{found.prints[0]:016x}",
            "embedding": None,
            "copying": share,
            "repeats": repeats,
            "pixels": sha256_hex(image.tobytes()),
        }
        if found.face is not None and found.embedding is not None:
            distance = self._measure.person.distance(found.embedding)
            seen |= {
                "distance": round(float(distance), 4),
                "likeness": round(float(likeness_score(distance)), 4),
                "sharpness": round(float(measure_quality(image, found.face).sharpness), 2),
                "embedding": [round(value, 5) for value in found.embedding],
            }
        return seen

    def trial(
        self, step: int, weight: float, drawn: Sequence[Outcome], seen: Sequence[Mapping[str, Any]]
    ) -> Trial:
        """Sum up one checkpoint at one weight."""
        verdict = judge([_as_seen(asked, payload) for asked, payload in zip(self._asked, seen, strict=True)])
        pictures = tuple(
            TrialPicture(
                sha256=outcome.sha256,
                seed=int(outcome.payload["seed"]),
                prompt=asked.prompt,
                likeness=payload["likeness"],
                distance=payload["distance"],
                copying=payload["copying"],
                flaw=_flaw(payload),
                repeats=payload["repeats"],
            )
            for asked, outcome, payload in zip(self._asked, drawn, seen, strict=True)
        )
        return Trial(
            step,
            weight,
            verdict.likeness,
            verdict.worst,
            verdict.variety,
            verdict.copying,
            verdict.score,
            pictures,
        )


def _flaw(seen: Mapping[str, Any]) -> str:
    if seen["sharpness"] is None:
        return "no face"
    return "blurred" if seen["sharpness"] < MIN_SHARPNESS else ""


def _as_seen(asked: Asked, seen: Mapping[str, Any]) -> Seen:
    return Seen(
        asked=asked.which,
        likeness=seen["likeness"],
        distance=seen["distance"],
        sharp=not _flaw(seen),
        print=int(seen["print"], 16),
        embedding=tuple(seen["embedding"]) if seen["embedding"] is not None else None,
        copying=seen["copying"],
    )


def _job(values: Mapping[str, Any], webui: WebUI) -> Job:
    request = Txt2ImgRequest(
        **request_fields(values, webui.capabilities()),
        width=values["width"],
        height=values["height"],
        batch_size=1,
        n_iter=1,
    )
    return Job("txt2img", request)
