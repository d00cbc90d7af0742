"""The steps of a job on the sandbox: what each leaves, and what a second time or a retouch makes again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdwebui_client import Cancelled, CancelToken, EncodedImage, WebUI
from sdwebui_client.sandbox import SandboxServer
from stages.errors import WorkFolderBusy
from stages.events import Event, StageDone
from stages.lock import FolderLock
from stages.marks import inspect_bytes
from studio.data import Job, Portrait
from studio.erasure import erase_account, erase_model, erase_photos, erase_portraits
from studio.refusals import Refused
from studio.wishes import Wishes
from studio.work import (
    JobFailed,
    Reporter,
    check_photos,
    deliver_portraits,
    draw_portraits,
    explain_failure,
    needs_training,
    train_model,
    worth_waiting,
)
from tests.pipeline._recipe import generations, sandbox
from tests.pipeline._studio import GENERATIONS, TINY, TINY_JOB, NoJobs, Place
from train_lora import TrainerAsked, TrainError
from train_lora import photos as looking

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(server: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A studio of this module."""
    return Place.make(tmp_path_factory.mktemp("studio"), server.url, server.settings.models_dir)


@pytest.fixture(scope="module")
def first(place: Place) -> Job:
    """A whole job; the others of the module find what it made."""
    return place.do(place.job())


def test_a_job_delivers_marked_portraits_with_their_stages(place: Place, first: Job) -> None:
    portraits, folder = place.portraits(first), place.folder(first)
    assert [row.file for row in portraits] == [
        "portraits/01-front-cool.png",
        "portraits/02-front-warm.png",
    ]
    for row in portraits:
        data = (folder / row.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row.sha256
        assert EncodedImage(data).size == (row.width, row.height)
        told = inspect_bytes(data)
        assert told.generated
        assert told.sandbox
        assert told.visible_mark == "ko"
        assert [entry["stage"] for entry in row.stages] == ["txt2img", "img2img", "upscale", "finish"]
        for entry in row.stages:
            stage = folder / entry["file"]
            assert inspect_bytes(stage.read_bytes()).generated
            assert entry["likeness"] > 0.5
            assert max(EncodedImage(stage.read_bytes()).size) <= 1024
        thumb = (folder / f"thumbs/{row.number:02d}.jpg").read_bytes()
        assert max(EncodedImage(thumb).size) <= 480
    assert (folder / "report.html").is_file()
    assert not (folder / "raw").exists()
    assert not list(folder.glob("preview-*"))


def test_the_row_says_what_it_cost(place: Place, first: Job) -> None:
    assert first.generations == GENERATIONS
    assert first.total_pictures == first.done_pictures == GENERATIONS
    assert first.fraction > 0.95
    assert first.stage == "delivery"
    assert first.keep_until is not None
    (entry,) = place.stats.to_json()["servers"].values()
    assert entry["busy_s"] > 0


def test_nothing_of_the_person_is_in_the_name_of_the_model(place: Place, first: Job) -> None:
    (lora,) = (place.models_dir / "Lora").glob(f"*{place.album.id[:12]}*")
    assert lora.name.startswith(f"studio-{place.album.id[:12]}-sd15-")
    assert ".jpg" not in first.note


def test_every_step_may_be_repeated(place: Place, first: Job) -> None:
    made = generations_of(place)
    with place.studio.db.session() as db:
        db.get_one(Portrait, place.portraits(first)[0].id).favourite = True
    before = {row.number: (row.id, row.sha256) for row in place.portraits(first)}
    place.do(first)
    assert generations_of(place) == made
    assert {row.number: (row.id, row.sha256) for row in place.portraits(first)} == before
    assert place.portraits(first)[0].favourite
    with WebUI(place.url) as webui:
        again = deliver_portraits(place.context(first, webui))
    assert again["portraits"] == 2


def test_a_delivery_that_was_killed_is_finished(
    place: Place, first: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = place.job(TINY_JOB.model_copy(update={"tone": "cool", "count": 1}))

    def killed(*_args: Any) -> None:
        raise KeyboardInterrupt

    with WebUI(place.url) as webui:
        draw_portraits(place.context(job, webui))
    with monkeypatch.context() as patch:
        patch.setattr("studio.work.deliver._save", killed)
        with pytest.raises(KeyboardInterrupt):
            deliver_portraits(place.context(job))
    assert place.portraits(job) == []
    (place.folder(job) / "stages" / "07-1-txt2img.jpg").write_bytes(b"of an earlier attempt")
    assert deliver_portraits(place.context(job))["portraits"] == 1
    (row,) = place.portraits(job)
    assert row.sha256 == place.portraits(first)[0].sha256
    assert len(list((place.folder(job) / "stages").iterdir())) == 4
    assert not (place.folder(job) / "raw").exists()


def test_a_retouch_makes_only_what_changes(place: Place, first: Job) -> None:
    made = generations_of(place)
    job = place.do(place.job(TINY_JOB.model_copy(update={"tone": "warm", "count": 1}), parent_id=first.id))
    assert generations_of(place) == made
    assert job.generations == 0
    old, new = place.portraits(first)[1], place.portraits(job)[0]
    assert (new.tone, new.seed) == ("warm", old.seed)
    assert new.sha256 == old.sha256
    # Another backdrop is another picture from the first stroke on: 2 drawn, 1 toned, 1 enlarged.
    changed = TINY_JOB.model_copy(update={"tone": "warm", "count": 1, "backdrop": "studio_white"})
    job = place.do(place.job(changed, parent_id=first.id))
    assert job.generations == 4
    assert generations_of(place) == made + 4
    # And a second tone of what is there: the drawn pictures are kept.
    more = changed.model_copy(update={"tone": "both", "count": 2})
    assert place.do(place.job(more, parent_id=job.id)).generations == 2


def test_a_photo_is_looked_at_once(place: Place, first: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: Any) -> Any:
        raise AssertionError("a photo was looked at again")

    monkeypatch.setattr(looking, "screen", never)
    answer = check_photos(place.context(place.job()))
    assert answer == {"accepted": 4, "refused": 0}
    assert not needs_training(place.context(first))


def test_the_trainer_needs_no_server_and_the_server_no_trainer(
    server: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = Place.make(tmp_path / "studio", server.url, server.settings.models_dir)
    job = apart.job(TINY_JOB.model_copy(update={"count": 1, "tone": "cool"}))
    only_trains = apart.context(job, trainer=TrainerAsked(name="sandbox"))
    check_photos(only_trains)
    assert needs_training(only_trains)
    assert train_model(only_trains)["trained"]
    assert apart.read(job).fraction == pytest.approx(0.5)
    assert not needs_training(only_trains)
    assert not train_model(only_trains)["trained"]
    # Whoever draws has no trainer at all.
    monkeypatch.setattr("train_lora.backends.BACKENDS", {})
    with WebUI(server.url) as webui:
        entered: list[str] = []

        @contextmanager
        def turn() -> Iterator[None]:
            entered.append("in")
            assert (apart.work / "screened").is_dir()
            assert not (apart.folder(job) / "raw" / "run.json").exists()
            yield
            entered.append("out")
            assert not (apart.folder(job) / "raw" / "run.json").exists()

        assert draw_portraits(apart.context(job, webui, turn=turn()))["portraits"] == 1
        assert entered == ["in", "out"]
        shown = json.loads((apart.folder(job) / "raw" / "run.json").read_text())
        assert shown["lora"]["trainer"].startswith("sandbox")


def test_without_the_training_drawing_says_so(server: SandboxServer, tmp_path: Path) -> None:
    apart = Place.make(tmp_path / "studio", server.url, server.settings.models_dir)
    with WebUI(server.url) as webui, pytest.raises(TrainError, match="no finished training") as raised:
        draw_portraits(apart.context(apart.job(), webui))
    known = explain_failure(raised.value)
    assert known is not None
    assert known.code == "training"


class StopsAfterOne(Reporter):
    """Cancels the job when its first picture is paid."""

    def __init__(self, place: Place, job: Job, cancel: CancelToken) -> None:
        super().__init__(place.studio, job.id)
        self.cancel = cancel

    def __call__(self, event: Event) -> None:
        """As a Reporter."""
        super().__call__(event)
        if isinstance(event, StageDone) and event.generation:
            self.cancel.cancel()


def test_a_cancel_ends_the_drawing_and_keeps_what_is_done(tmp_path: Path) -> None:
    with sandbox(tmp_path / "models") as server, WebUI(server.url) as webui:
        apart = Place.make(tmp_path / "studio", server.url, tmp_path / "models")
        job, cancel = apart.job(), CancelToken()
        context = apart.context(job, webui, cancel=cancel)
        train_model(context)
        context.report = StopsAfterOne(apart, job, cancel)
        with pytest.raises(Cancelled):
            draw_portraits(context)
        assert 1 <= generations(server) < GENERATIONS
        assert apart.read(job).generations >= 1
        reached = apart.read(job).fraction
        assert 0.5 < reached < 0.97
        draw_portraits(apart.context(job, webui))
        assert generations(server) <= GENERATIONS + 1  # one was interrupted, and is drawn again
        assert apart.read(job).fraction > reached


def test_a_folder_in_use_is_worth_waiting_for(place: Place, first: Job) -> None:
    with (
        WebUI(place.url) as webui,
        FolderLock(place.work / "lock"),
        pytest.raises(WorkFolderBusy) as raised,
    ):
        draw_portraits(place.context(first, webui))
    assert worth_waiting(raised.value)


def test_a_deleted_job_is_not_worked_on(place: Place) -> None:
    job = place.job()
    with place.studio.db.session() as db:
        db.delete(db.get_one(Job, job.id))
    with pytest.raises(JobFailed) as raised:
        check_photos(place.context(job))
    assert raised.value.code == "gone"


def test_a_preset_that_trains_with_a_webui_is_refused(place: Place) -> None:
    text = TINY.replace("train: {", "train: {captions: interrogate, ")
    (place.studio.layout.root / "presets" / "asks.yaml").write_text(text, encoding="utf-8")
    job = place.job(TINY_JOB.model_copy(update={"preset": "asks"}))
    with pytest.raises(Exception, match="needs a WebUI") as raised:
        needs_training(place.context(job))
    known = explain_failure(raised.value)
    assert known is not None
    assert known.code == "step"


def test_everything_goes_when_it_is_deleted(server: SandboxServer, tmp_path: Path) -> None:
    apart = Place.make(tmp_path / "studio", server.url, server.settings.models_dir)
    studio, user, album = apart.studio, apart.album.user_id, apart.album.id
    one = apart.do(apart.job(TINY_JOB.model_copy(update={"count": 1, "tone": "cool"})))
    other = apart.do(apart.job(TINY_JOB.model_copy(update={"count": 1, "tone": "warm"})))
    mine = {name: (apart.folder(job) / name) for job in (one, other) for name in ("portraits", "stages")}
    loras = list((apart.models_dir / "Lora").glob(f"*{album[:12]}*"))
    assert loras
    assert all(path.is_dir() for path in mine.values())

    made = generations(server)
    assert erase_portraits(studio, user, one.id, jobs=NoJobs()).content["portraits"] == 1
    assert not apart.folder(one).exists()
    assert apart.portraits(other)
    # What the other job shares is still there: it is delivered again without a single generation.
    apart.do(other)
    assert generations(server) == made

    receipt = erase_model(studio, user, album, jobs=NoJobs())
    assert receipt.content["models"] == len(loras)
    assert not any(path.exists() for path in loras)
    assert needs_training(apart.context(other))

    receipt = erase_photos(studio, user, album, jobs=NoJobs())
    assert receipt.content["photos"] == 4
    left = [path for path in studio.layout.album(user, album).rglob("*") if path.suffix in (".jpg", ".png")]
    assert left == []
    with pytest.raises(Exception, match="photos") as raised:
        check_photos(apart.context(other))
    known = explain_failure(raised.value)
    assert known is not None
    assert known.code == "too-few-photos"

    receipt = erase_account(studio, user, jobs=NoJobs())
    assert receipt.state == "done"
    assert not studio.layout.user(user).exists()


def generations_of(place: Place) -> int:
    """Pictures its sandbox has made."""
    with WebUI(place.url) as webui:
        return int(webui.sandbox_info()["generations"])


def test_wishes_that_no_longer_exist_are_refused(place: Place) -> None:
    job = place.job(Wishes(preset="tiny", poses=("front",), outfit="no-such-outfit"))
    with pytest.raises(Refused) as raised:
        check_photos(place.context(job))
    assert explain_failure(raised.value).code == "unknown-wish"  # type: ignore[union-attr]
