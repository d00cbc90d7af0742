"""Makes single shots: a candidate with its score, and a candidate finished in a tone with its score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from faces import BOUNDARY, Person, detector_identity
from sdwebui_client import Capabilities, EncodedImage, Progress, WebUI

from .canonical import draw_number
from .engine import Engine, Made, Outcome, StageCall
from .events import ShotRejected, ShotScored
from .identity import AdapterChoice
from .lib import finish as finishing
from .lib import img2img, score, txt2img, upscale
from .lib.generation import Job, Pictures, run_job
from .lib.score import Score
from .lib.select import reason_against_candidate, reason_against_portrait
from .presets import Preset
from .servers import ServerSet
from .texts import Texts

JobMaker = Callable[[Mapping[str, Any], Pictures, Capabilities], Job]


@dataclass(frozen=True)
class Candidate:
    """A first picture of a pose."""

    shot: str
    pose: str
    index: int
    """Counted from 0 within the pose, in the order of drawing."""
    seed: int
    drawn: Outcome
    score: Score
    refused: str | None
    """Why it may not go on; None when it may."""


@dataclass(frozen=True)
class Finished:
    """A candidate in a tone, enlarged and graded."""

    shot: str
    pose: str
    tone: str
    candidate: Candidate
    steps: tuple[Outcome, ...]
    """From txt2img to the last stage of the preset."""
    score: Score
    refused: str | None
    """Why it is not delivered; None when it may be."""

    @property
    def sha256(self) -> str:
        """Of the picture."""
        return self.steps[-1].sha256


@dataclass(frozen=True)
class Subject:
    """Whom the pictures are of."""

    person: Person
    person_sha256: str
    """Stands for the photos in the keys of scores."""
    loras: Mapping[str, str]
    """LoRA name -> what identifies its file."""


@dataclass(frozen=True)
class Shooter:
    """Everything that stays the same from shot to shot."""

    engine: Engine
    servers: ServerSet
    preset: Preset
    texts: Texts
    subject: Subject
    skeletons: Mapping[str, EncodedImage]
    """Pose -> what ControlNet is given; empty when the preset uses none."""
    upscaler: str
    seed: int
    """The run's; each shot's follows from it."""
    adapter: AdapterChoice | None = None
    """The IP-Adapter, where the person comes from photos."""
    faces: Mapping[str, EncodedImage] = field(default_factory=dict)
    """What it is shown, by name."""

    def draw(self, pose: str, index: int) -> Candidate:
        """Draw and score one candidate."""
        shot = f"{pose}-{index + 1}"
        seed = draw_number(self.seed, pose, index)
        pictures = {"skeleton": self.skeletons[pose]} if pose in self.skeletons else {}
        pictures |= self.faces
        params = txt2img.params(self.preset, self.texts, pose=pose, seed=seed, adapter=self.adapter)
        drawn = self._generate(shot, txt2img.STAGE, txt2img.VERSION, params, pictures, txt2img.job)
        found = self._score(shot, txt2img.STAGE, drawn.sha256)
        refused = reason_against_candidate(found, min_likeness=self.preset.min_likeness)
        if refused is not None:
            self.engine.emit(ShotRejected(shot, refused))
        return Candidate(shot, pose, index, seed, drawn, found, refused)

    def finish(self, candidate: Candidate, tone: str) -> Finished:
        """Take a candidate through the rest of the preset's stages in one tone, and score the result."""
        shot = f"{candidate.shot}-{tone}"
        steps = [candidate.drawn]
        for make in (self._tone, self._upscale, self._finish):
            step = make(shot, candidate, tone, steps[-1])
            if step is not None:
                steps.append(step)
        found = self._score(shot, "portrait", steps[-1].sha256)
        refused = reason_against_portrait(found, min_likeness=self.preset.min_likeness)
        if refused is not None:
            self.engine.emit(ShotRejected(shot, refused))
        return Finished(shot, candidate.pose, tone, candidate, tuple(steps), found, refused)

    def _tone(self, shot: str, candidate: Candidate, tone: str, before: Outcome) -> Outcome | None:
        stage = self.preset.img2img
        if stage is None:
            return None
        seed = draw_number(candidate.seed, img2img.STAGE, tone)
        params = img2img.params(
            self.preset,
            stage,
            self.texts,
            pose=candidate.pose,
            tone=tone,
            seed=seed,
            adapter=self.adapter,
        )
        pictures = {"image": self.picture(before.sha256), **self.faces}
        return self._generate(shot, img2img.STAGE, img2img.VERSION, params, pictures, img2img.job)

    def _upscale(self, shot: str, candidate: Candidate, tone: str, before: Outcome) -> Outcome | None:
        stage = self.preset.upscale
        if stage is None:
            return None
        seed = draw_number(candidate.seed, upscale.STAGE, tone)
        params = upscale.params(
            self.preset,
            stage,
            self.texts,
            pose=candidate.pose,
            tone=tone,
            seed=seed,
            upscaler=self.upscaler,
        )
        pictures = {"image": self.picture(before.sha256)}
        return self._generate(shot, upscale.STAGE, upscale.VERSION, params, pictures, upscale.job)

    def _finish(self, shot: str, _candidate: Candidate, tone: str, before: Outcome) -> Outcome | None:
        stage = self.preset.finish
        if stage is None:
            return None
        grade = self.texts.library.tones[tone].grade.model_dump() if stage.grade else {}
        settings = finishing.FinishSettings(
            grade=grade,
            strength=stage.grade_strength,
            mark_generated=stage.mark_generated,
            description=self._description(before),
            infotext=before.payload["infotext"],
        )
        call = StageCall(
            finishing.STAGE, finishing.VERSION, shot, settings.to_params(), {"image": before.sha256}
        )

        def make() -> Made:
            picture = finishing.finish(self.picture(before.sha256), settings)
            width, height = picture.size
            return Made({"image": picture.data}, {"width": width, "height": height})

        return self.engine.local(call, make)

    def _description(self, before: Outcome) -> str:
        if before.payload["server"]["sandbox"]:
            return "SANDBOX: a stand-in put together from photos, not drawn by a model"
        return "A generated portrait"

    def picture(self, sha256: str) -> EncodedImage:
        """A picture of the store, still encoded."""
        return EncodedImage(self.engine.store.get(sha256))

    def _generate(
        self,
        shot: str,
        stage: str,
        version: int,
        params: Mapping[str, Any],
        pictures: Pictures,
        make_job: JobMaker,
    ) -> Outcome:
        inputs = {name: picture.sha256 for name, picture in pictures.items()}
        inputs |= {f"lora:{name}": identity for name, identity in self.subject.loras.items()}
        call = StageCall(stage, version, shot, params, inputs)

        def generate(webui: WebUI, relay: Callable[[Progress], None]) -> Made:
            job = make_job(params, pictures, webui.capabilities())
            return run_job(webui, job, on_progress=relay, cancel=self.engine.cancel)

        return self.engine.generate(call, self.servers, generate)

    def _score(self, shot: str, stage: str, sha256: str) -> Score:
        call = StageCall(
            score.STAGE,
            score.VERSION,
            shot,
            _score_params(),
            {"image": sha256, "person": self.subject.person_sha256},
        )

        def make() -> Made:
            return Made(payload=score.score_picture(self.picture(sha256), self.subject.person).to_payload())

        found = Score.from_payload(self.engine.local(call, make).payload)
        self.engine.emit(ShotScored(shot, stage, found.likeness, found.distance))
        return found


def _score_params() -> dict[str, Any]:
    """What a score hangs on beside the pictures. The usual detector is not named: earlier keys stay."""
    params: dict[str, Any] = {"boundary": BOUNDARY}
    detector = detector_identity()
    return params if detector == "centerface" else {**params, "detector": detector}
