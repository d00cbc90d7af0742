"""A studio with somebody in it, without a worker: rows as the services write them, pictures drawn."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

from studio.core import Studio
from studio.data import Album, Job, Photo, Portrait, User
from studio.wishes import Wishes

SIZE = (480, 600)
GOOD = {"code": "good", "reason": {"ko": "", "en": ""}, "advice": {"ko": "", "en": ""}, "face": None}
BAD = {
    "code": "blurred",
    "reason": {"ko": "사진이 흐립니다.", "en": "The photo is blurred."},
    "advice": {"ko": "흔들리지 않게 다시 찍어 주세요.", "en": "Take it again without moving."},
    "face": None,
}


@dataclass
class SpyJobs:
    """Stands in for `studio.jobs.Jobs` where no worker runs; remembers what was asked of it."""

    studio: Studio
    place: int | None = 2
    cancelled: list[str] = field(default_factory=list)

    def submit(
        self,
        user_id: str,
        album_id: str,
        wishes: Wishes,
        *,
        parent_id: str | None = None,
        priority: int = 100,
    ) -> Job:
        """A waiting job."""
        job = Job(
            user_id=user_id, album_id=album_id, parent_id=parent_id, wishes=wishes.model_dump(mode="json")
        )
        return add(self.studio, job)

    def cancel(self, job_id: str) -> None:
        """Remember it, and do it."""
        self.cancelled.append(job_id)
        with self.studio.db.session() as db:
            job = db.get(Job, job_id)
            assert job is not None
            job.state, job.finished_at = "cancelled", time.time()

    def position(self, job_id: str) -> int | None:
        """The same for all."""
        return self.place


def add(studio: Studio, row: Any) -> Any:
    """Write a row and give it back with its identifier."""
    with studio.db.session() as db:
        db.add(row)
    return row


def seed_user(studio: Studio, email: str = "jimin@example.org", **given: Any) -> User:
    """Somebody with a proved address and no password."""
    return add(studio, User(email=email, confirmed_at=time.time(), **given))


def seed_album(studio: Studio, user: User, *, photos: int = 5, bad: int = 1, **given: Any) -> Album:
    """An album with judged photos, the last ones not usable."""
    album: Album = add(studio, Album(user_id=user.id, **given))
    for number in range(photos):
        seed_photo(studio, album, number, accepted=number < photos - bad)
    return album


def seed_photo(studio: Studio, album: Album, number: int, *, accepted: bool | None = True) -> Photo:
    """One photo with its file and its small picture."""
    data = draw_face(number)
    photo: Photo = Photo(
        album_id=album.id, user_id=album.user_id, file="", shown_name=f"IMG_{number:04}.HEIC",
        sha256=hashlib.sha256(data).hexdigest(), width=SIZE[0], height=SIZE[1], size_bytes=len(data),
        accepted=accepted, verdict={} if accepted is None else GOOD if accepted else BAD,
    )  # fmt: skip
    with studio.db.session() as db:
        db.add(photo)
        db.flush()
        photo.file = f"{photo.id}.jpg"
    for folder in (studio.layout.photos, studio.layout.thumbs):
        _write(folder(album.user_id, album.id) / photo.file, data)
    return photo


def seed_job(studio: Studio, album: Album, *, portraits: int = 0, **given: Any) -> Job:
    """A job; with portraits it is done."""
    state: dict[str, Any] = (
        {"state": "done", "stage": "mail", "fraction": 1.0, "waiting": False} if portraits else {}
    )
    wishes = Wishes(poses=("front", "three_quarter_left")).model_dump(mode="json")
    job = add(studio, Job(user_id=album.user_id, album_id=album.id, **{"wishes": wishes, **state, **given}))
    for number in range(1, portraits + 1):
        seed_portrait(studio, job, number)
    return job  # type: ignore[no-any-return]


def seed_portrait(studio: Studio, job: Job, number: int) -> Portrait:
    """One delivered picture with its stages, in the job's folder."""
    folder, tone = studio.layout.job(job.user_id, job.id), ("cool", "warm")[number % 2]
    data = draw_face(number, tone=tone)
    file, draft = f"portraits/{number:02}-front-{tone}.png", f"stages/{number:02}-txt2img.jpg"
    _write(folder / file, data)
    _write(folder / f"thumbs/{number:02}.jpg", data)
    _write(folder / draft, draw_face(number, blur=5))
    _write(folder / draft.replace("txt2img", "upscale"), draw_face(number, blur=2))
    stages = [
        {"stage": "txt2img", "file": draft, "likeness": 0.87},
        {"stage": "upscale", "file": draft.replace("txt2img", "upscale"), "likeness": 0.91},
    ]
    pose = ("front", "three_quarter_left")[number % 2]
    return add(studio, Portrait(  # type: ignore[no-any-return]
        job_id=job.id, user_id=job.user_id, number=number, file=file, pose=pose, tone=tone, seed=number,
        likeness=0.9 + number / 100, width=SIZE[0], height=SIZE[1], sha256=hashlib.sha256(data).hexdigest(),
        stages=stages,
    ))  # fmt: skip


def seed_preview(studio: Studio, job: Job) -> None:
    """A preview of the picture in the making."""
    name = "preview-0001.jpg"
    _write(studio.layout.job(job.user_id, job.id) / name, draw_face(9, blur=8))
    with studio.db.session() as db:
        row = db.get(Job, job.id)
        assert row is not None
        row.preview = name


@cache
def draw_face(number: int, *, tone: str = "", blur: float = 0) -> bytes:
    """A JPEG that looks like a portrait from afar; another for each number."""
    width = SIZE[0]
    wall = {"cool": (206, 214, 224), "warm": (232, 220, 203)}.get(tone, (214, 209 - number % 5 * 4, 203))
    image = Image.new("RGB", SIZE, wall)
    draw = ImageDraw.Draw(image)
    middle = width // 2 + (number % 3 - 1) * 22
    draw.ellipse((middle - 118, 120, middle + 118, 420), fill=(58, 46, 42))
    draw.ellipse((middle - 210, 440, middle + 210, 900), fill=(44, 52, 72 + number % 4 * 14))
    draw.rectangle((middle - 42, 360, middle + 42, 480), fill=(208, 170, 148))
    draw.ellipse((middle - 92, 165, middle + 92, 410), fill=(226, 190, 168))
    draw.pieslice((middle - 104, 130, middle + 104, 330), 180, 360, fill=(58, 46, 42))
    for side in (-1, 1):
        eye = middle + side * 36
        draw.ellipse((eye - 11, 280, eye + 11, 292), fill=(48, 36, 33))
    draw.arc((middle - 30, 330, middle + 30, 366), 25, 155, fill=(164, 92, 86), width=6)
    image = image.filter(ImageFilter.GaussianBlur(1 + blur))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
