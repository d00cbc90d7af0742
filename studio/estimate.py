"""How many minutes a job will take, before any GPU time is spent on it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .access import album_of
from .core import Studio
from .data import UNFINISHED, Album, Job, JobEvent, Photo, Worker
from .refusals import Language
from .wishes import Wishes
from .work.wished import preset_of

if TYPE_CHECKING:
    from stages.presets import Preset

KEPT = 40
"""Past jobs that are looked at; older ones ran on other machines or settings."""
ENOUGH = 3
"""Past jobs from which on the range is theirs."""
LIGHT_S = (5.0, 40.0)
"""Looking at photos and finishing pictures, seconds."""
_SANDBOX_S = (0.5, 6.0)
"""A picture, or the training, of the stand-in for a WebUI, seconds."""


@dataclass(frozen=True)
class Range:
    """Seconds."""

    low: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    @property
    def middle(self) -> float:
        """In between."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Estimate:
    """What a job would cost in time."""

    minutes_low: float
    """Working time; it would be a surprise to take less. Waiting is not in it."""
    minutes_high: float
    generations: int
    """Pictures the servers make, steps in between included; those for choosing a checkpoint left out."""
    trains: bool
    """Whether the face has to be learnt first."""
    waits_minutes: float
    """Until its turn comes, roughly."""
    why: dict[Language, str]
    """What the figures rest on."""


def estimate(studio: Studio, user_id: str, album_id: str, wishes: Wishes) -> Estimate:
    """Work out the minutes of a job, from past jobs of this studio where there are any.

    Raises:
        Refused: `not-found`, or the wishes name something that does not exist.
    """
    album = album_of(studio, user_id, album_id)
    preset = preset_of(studio, wishes)
    generations = _generations(preset, wishes.count)
    with studio.db.session() as db:
        trains = _trains(db, studio, album, preset)
        past_draw, past_train = _seconds_a_picture(db), _seconds(db, "training")
        waits = _waits(db, past_draw, past_train)
        photos = db.scalar(select(func.count()).where(Photo.album_id == album.id)) or 10
    draw = _of(past_draw, generations) or _guessed_draw(preset, generations, sandbox=studio.sandbox)
    training = Range(0.0, 0.0)
    if trains:
        training = _of(past_train, 1) or _guessed_training(preset, photos, sandbox=studio.sandbox)
    total = Range(*LIGHT_S) + draw + training
    known = len(past_draw) >= ENOUGH and (not trains or len(past_train) >= ENOUGH)
    return Estimate(
        round(total.low / 60, 1),
        round(total.high / 60, 1),
        generations,
        trains,
        round(waits / 60, 1),
        _why(len(past_draw), known=known),
    )


def draw_seconds(studio: Studio, job: Job) -> float | None:
    """How long a job draws, from past jobs; None when there are too few."""
    with studio.db.session() as db:
        past = _seconds_a_picture(db)
    found = _of(past, _generations(preset_of(studio, Wishes.model_validate(job.wishes)), job.wishes["count"]))
    return None if found is None else found.middle


def _generations(preset: Preset, count: int) -> int:
    """Jobs the servers get when nothing has to be tried twice."""
    from stages.lib.select import candidates_to_draw, plan_slots
    from stages.tone import planned_tones

    slots = plan_slots(preset.poses, planned_tones(preset), keep=preset.keep, count=count)
    drawn = sum(candidates_to_draw(slots, shots=preset.shots, keep=preset.keep).values())
    later = sum(stage is not None for stage in (preset.img2img, preset.upscale))
    return drawn + later * len(slots)


def _trains(db: Session, studio: Studio, album: Album, preset: Preset) -> bool:
    """Whether a model is trained. The exact answer needs the photos looked at; a model of the family that is
    there is taken for the right one, unless photos came after it."""
    if preset.identity == "ip_adapter":
        return False
    models = sorted((studio.layout.work(album.user_id, album.id) / "lora").glob(f"*-{preset.family}-*"))
    if not models:
        return True
    newest = db.scalar(select(func.max(Photo.created_at)).where(Photo.album_id == album.id)) or 0.0
    return newest > max(path.stat().st_mtime for path in models)


# ---- from past jobs


def _seconds(db: Session, stage: str) -> list[float]:
    """How long a stage took in past jobs, newest first."""
    rows = db.execute(
        select(JobEvent.started_at, JobEvent.ended_at)
        .where(JobEvent.stage == stage, JobEvent.outcome == "done", JobEvent.started_at.is_not(None))
        .order_by(JobEvent.ended_at.desc())
        .limit(KEPT)
    )
    return [float(ended - started) for started, ended in rows if started and ended and ended > started]


def _seconds_a_picture(db: Session) -> list[float]:
    """Seconds of drawing for each picture a server was paid for, in past jobs."""
    last = (
        select(Job.id, Job.generations, Job.finished_at)
        .where(Job.state == "done", Job.generations >= 2)
        .order_by(Job.finished_at.desc())
        .limit(KEPT)
        .subquery()
    )
    # Of the last jobs alone: the page asks every few seconds, and all events there ever were are many.
    rows = db.execute(
        select(func.sum(JobEvent.ended_at - JobEvent.started_at), last.c.generations)
        .join(last, JobEvent.job_id == last.c.id)
        .where(JobEvent.stage == "drawing", JobEvent.started_at.is_not(None), JobEvent.ended_at.is_not(None))
        .group_by(last.c.id, last.c.generations, last.c.finished_at)
        .order_by(last.c.finished_at.desc())
    )
    return [float(seconds) / pictures for seconds, pictures in rows if seconds]


def _of(past: list[float], times: int) -> Range | None:
    """The range of past jobs without the odd ones out; None when there are too few."""
    if len(past) < ENOUGH:
        return None
    ordered, cut = sorted(past), len(past) // 10
    kept = ordered[cut : len(ordered) - cut]
    return Range(kept[0] * 0.9 * times, kept[-1] * 1.1 * times)


def _waits(db: Session, past_draw: list[float], past_train: list[float]) -> float:
    """Seconds until a job that is handed in now is begun, roughly: what is unfinished, over the workers."""
    unfinished = list(db.scalars(select(Job).where(Job.state.in_(UNFINISHED))))
    workers = db.scalar(
        select(func.count()).where(Worker.state == "running", Worker.role.in_(("generate", "all")))
    )
    picture = median(past_draw) if past_draw else 10.0
    left = 0.0
    for job in unfinished:
        expected = job.time_left_s
        if expected is None:
            pictures = max(job.total_pictures - job.done_pictures, 0) or 4 * int(job.wishes.get("count", 4))
            training = median(past_train) if past_train and job.stage in ("photos", "training") else 0.0
            expected = pictures * picture + training
        left += expected
    return left / max(1, workers or 1)


# ---- without past jobs


def _guessed_draw(preset: Preset, generations: int, *, sandbox: bool) -> Range:
    """From the kind of pictures alone: between a fast and a slow GPU."""
    if sandbox:
        return Range(_SANDBOX_S[0] * generations, _SANDBOX_S[1] * generations)
    unit = 2.0 if preset.family == "sdxl" else 1.0
    return Range(3.0 * unit * generations, 25.0 * unit * generations)


def _guessed_training(preset: Preset, photos: int, *, sandbox: bool) -> Range:
    """The recipe's own forecast for a machine nobody has measured."""
    from stages.recipes.ahead import forecast_training

    return Range(*_SANDBOX_S) if sandbox else Range(*forecast_training(preset, photos))


def _why(jobs: int, *, known: bool) -> dict[Language, str]:
    if known:
        return {
            "en": f"From the last {jobs} jobs of this studio.",
            "ko": f"이 스튜디오의 최근 작업 {jobs}건을 바탕으로 계산했습니다.",
        }
    return {
        "en": "A rough guess: this studio has not done enough jobs yet to know better.",
        "ko": "아직 작업 기록이 적어 대략 계산한 시간입니다.",
    }
