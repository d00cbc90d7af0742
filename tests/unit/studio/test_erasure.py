"""Deleting for good: everything goes, nothing of others does, and an interruption changes nothing of it."""

from __future__ import annotations

import json
import os
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from stages.lock import FolderLock
from stages.store import Store
from studio import erasure, runs
from studio.core import Studio
from studio.data import Album, ApiToken, Base, Job, JobEvent, Mail, Photo, Portrait, Receipt, User
from studio.erasing import files as erasing_files
from studio.erasing.store import unneeded
from studio.erasure import (
    erase_account,
    erase_album,
    erase_job,
    erase_model,
    erase_photos,
    erase_portraits,
    finish_erasures,
    left_over,
    shown,
)
from studio.refusals import Refused
from studio.web.receipts import receipt_lines
from studio.work.used import UsedPictures, used_by
from tests.stubs.studios import make_studio, make_user


@dataclass
class SlowJobs:
    """Stands in for `studio.jobs.Jobs`; jobs stop when they are asked to, or never."""

    studio: Studio
    stops: bool = True
    cancelled: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def cancel(self, job_id: str) -> None:
        """Remember it, and do it."""
        self.cancelled.append(job_id)
        if self.stops:
            with self.studio.db.session() as db:
                db.get_one(Job, job_id).state = "cancelled"

    def forget(self, job_id: str) -> None:
        """Remember it."""
        self.forgotten.append(job_id)


@dataclass
class Scene:
    """Somebody with an album, two jobs that share a picture, and a published model."""

    studio: Studio
    jobs: SlowJobs
    models_dir: Path
    user: str
    album: str
    one: str
    other: str
    shared: str
    """SHA-256 of a picture both jobs used."""
    only_one: str
    lora: Path

    @property
    def work(self) -> Path:
        """The album's work folder."""
        return self.studio.layout.work(self.user, self.album)

    @property
    def store(self) -> Store:
        """Read only."""
        return Store(self.work / "store", sweep=False)

    def count(self, table: type[Base]) -> int:
        """Rows of a table."""
        with self.studio.db.session() as db:
            return db.scalar(select(func.count()).select_from(table)) or 0

    def row(self, table: type[Any], row_id: str) -> Any:
        """One row, or None."""
        with self.studio.db.session() as db:
            return db.get(table, row_id)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A WebUI's."""
    folder = tmp_path / "webui" / "models"
    (folder / "Lora").mkdir(parents=True)
    return folder


@pytest.fixture
def scene(tmp_path: Path, models_dir: Path) -> Scene:
    """As two jobs leave it."""
    return make_scene(make_studio(tmp_path / "data"), models_dir)


def make_scene(studio: Studio, models_dir: Path, email: str = "kim@example.org") -> Scene:
    """Somebody's album in a studio."""
    user = make_user(studio, email, confirmed_at=1.0)
    with studio.db.session() as db:
        album = Album(user_id=user.id, consent_at=1.0, consent_version="1")
        db.add(album)
        db.flush()
        jobs = [Job(user_id=user.id, album_id=album.id, state="done") for _ in range(2)]
        db.add_all(jobs)
        db.flush()
        for job in jobs:
            db.add(JobEvent(job_id=job.id, stage="drawing", queued_at=1.0))
            db.add(_portrait(job))
            _write(
                studio.layout.job(user.id, job.id), "portraits/01-front-cool.png", "report.html", "run.json"
            )
        for number in range(3):
            db.add(_photo(studio, album, number))
    scene = Scene(
        studio, SlowJobs(studio), models_dir, user.id, album.id, jobs[0].id, jobs[1].id, "", "", Path()
    )
    _fill_work(scene)
    return scene


def _fill_work(scene: Scene) -> None:
    work = scene.work
    _write(
        work, "dataset/001.png", "screened/ab.json", "ahead/note.json", "training/x/cache.npz", "seed.json"
    )
    store = Store(work / "store")
    one, shared, other = (_record(store, name) for name in ("one", "shared", "other"))
    store.save({"stage": "score", "inputs": {"image": one}}, outputs={}, payload={}, seconds=0.0)
    picture = store.put(b"a crop of a photo")
    store.save(
        {"stage": "train", "inputs": {}},
        outputs={"lora": b"weights"},
        payload={"picture": picture},
        seconds=0.0,
    )
    for job, pictures in ((scene.one, (one, shared)), (scene.other, (other, shared))):
        _write(work, f"used/{job}")
        (work / "used" / job).write_text("".join(f"{sha}\n" for sha in pictures), encoding="ascii")
    scene.only_one, scene.shared = one, shared
    name = f"studio-{scene.album[:12]}-sd15-12345678"
    lora = work / "lora" / f"{name}.safetensors"
    lora.parent.mkdir()
    lora.write_bytes(b"a LoRA of " + scene.album.encode())
    (work / "trained").mkdir()
    os.link(lora, work / "trained" / "12345678.safetensors")
    scene.lora = scene.models_dir / "Lora" / lora.name
    scene.lora.write_bytes(lora.read_bytes())
    runs.claim_work(work, work, name, publishes_in=[scene.models_dir])


def _record(store: Store, name: str) -> str:
    record = store.save(
        {"stage": "txt2img", "inputs": {}, "params": {"name": name}},
        outputs={"image": name.encode()},
        payload={},
        seconds=0.0,
    )
    return record.outputs["image"]


def _photo(studio: Studio, album: Album, number: int) -> Photo:
    file = f"{number:020x}.jpg"
    _write(studio.layout.photos(album.user_id, album.id), file)
    _write(studio.layout.thumbs(album.user_id, album.id), file)
    return Photo(
        album_id=album.id,
        user_id=album.user_id,
        file=file,
        sha256=f"{number:064x}",
        width=1,
        height=1,
        size_bytes=1,
    )


def _portrait(job: Job) -> Portrait:
    return Portrait(
        job_id=job.id, user_id=job.user_id, number=1, file="portraits/01-front-cool.png", pose="front",
        tone="cool", seed=1, likeness=0.9, width=1, height=1, sha256="",
    )  # fmt: skip


def _write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)


# ---- what goes


def test_photos_go_with_everything_made_of_them(scene: Scene) -> None:
    receipt = erase_photos(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert receipt.state == "done"
    assert receipt.content["photos"] == 3
    assert receipt.content["bytes"] > 600
    layout = scene.studio.layout
    assert not layout.photos(scene.user, scene.album).exists()
    assert not layout.thumbs(scene.user, scene.album).exists()
    for name in ("dataset", "screened", "store", "training", "ahead"):
        assert not (scene.work / name).exists(), name
    album = scene.row(Album, scene.album)
    assert album.photos_deleted_at is not None
    assert album.consent_at is None
    assert scene.count(Photo) == 0
    # What was not asked for stays.
    assert scene.lora.is_file()
    assert scene.count(Portrait) == 2
    folder = layout.job(scene.user, scene.one)
    assert (folder / "portraits" / "01-front-cool.png").is_file()
    assert not (folder / "report.html").exists()


def test_what_a_killed_job_left_half_made_goes_with_the_photos(scene: Scene) -> None:
    _write(scene.work, ".dataset.k1ll3d.part/001.png")
    _write(scene.studio.layout.job(scene.user, scene.one), "report.html.part")
    erase_photos(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert not list(scene.studio.layout.user(scene.user).rglob("*.part"))


@pytest.mark.parametrize("what", ["photos", "album", "account"])
def test_a_photo_that_came_meanwhile_goes_too(
    scene: Scene, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deleted(self: Any, target: Any) -> bool:
        unreached: bool = delete(self, target)
        with scene.studio.db.session() as db:
            db.add(_photo(scene.studio, db.get_one(Album, scene.album), 7))
        return unreached

    delete = erasure._Erasure._delete_files
    monkeypatch.setattr(erasure._Erasure, "_delete_files", deleted)
    calls: dict[str, Any] = {"photos": erase_photos, "album": erase_album}
    if what == "account":
        erase_account(scene.studio, scene.user, jobs=scene.jobs)
    else:
        calls[what](scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert scene.count(Photo) == 0
    assert not list(scene.studio.layout.user(scene.user).rglob(f"{7:020x}*"))
    assert what != "account" or not scene.studio.layout.user(scene.user).exists()


def test_a_model_goes_from_the_models_folder_too(scene: Scene) -> None:
    others = scene.models_dir / "Lora" / "somebody-elses.safetensors"
    others.write_bytes(b"not ours")
    same_name = scene.models_dir / "Lora" / "sub" / scene.lora.name
    same_name.parent.mkdir()
    same_name.write_bytes(b"another file of the same name")
    receipt = erase_model(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert receipt.content["models"] == 1
    assert not scene.lora.exists()
    assert others.is_file()
    assert same_name.is_file()
    assert not any((scene.work / name).exists() for name in ("lora", "trained", "training", "ahead"))
    assert scene.store.has(scene.shared)
    texts = "".join(path.read_text() for path in (scene.work / "store" / "records").glob("*/*"))
    assert '"train"' not in texts
    assert sorted(blob.read_bytes() for blob in (scene.work / "store" / "blobs").glob("*/*")) == [
        b"one", b"other", b"shared",
    ]  # fmt: skip
    assert scene.row(Album, scene.album).model_deleted_at is not None
    assert scene.count(Photo) == 3


def test_portraits_go_without_those_of_other_jobs(scene: Scene) -> None:
    with scene.studio.db.session() as db:
        db.add(Mail(key="a", user_id=scene.user, job_id=scene.one, template="ready", language="ko",
                    params={"link": "secret"}))  # fmt: skip
    receipt = erase_portraits(scene.studio, scene.user, scene.one, jobs=scene.jobs)
    assert (receipt.what, receipt.content["portraits"]) == ("portraits", 1)
    assert not scene.studio.layout.job(scene.user, scene.one).exists()
    assert not scene.store.has(scene.only_one)
    assert scene.store.has(scene.shared)
    job = scene.row(Job, scene.one)
    assert job.deleted_at is not None
    assert scene.count(Portrait) == 1
    assert scene.jobs.forgotten == [scene.one]
    with scene.studio.db.session() as db:
        mail = db.scalars(select(Mail)).one()
    assert (mail.params, mail.state) == ({}, "failed")
    erase_portraits(scene.studio, scene.user, scene.other, jobs=scene.jobs)
    assert not scene.store.has(scene.shared)
    assert used_by(scene.work, [scene.one, scene.other]) == set()


def test_a_job_can_go_altogether(scene: Scene) -> None:
    assert erase_job(scene.studio, scene.user, scene.one, jobs=scene.jobs).content["jobs"] == 1
    assert scene.row(Job, scene.one) is None
    assert scene.count(JobEvent) == 1


def test_an_album_goes_with_all_of_it(scene: Scene) -> None:
    receipt = erase_album(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert receipt.content == {
        "photos": 3, "portraits": 2, "jobs": 2, "models": 1, "files": receipt.content["files"],
        "bytes": receipt.content["bytes"],
    }  # fmt: skip
    assert not scene.studio.layout.album(scene.user, scene.album).exists()
    assert not list(scene.studio.layout.users.rglob("*.png"))
    for table in (Album, Photo, Job, JobEvent, Portrait):
        assert scene.count(table) == 0
    assert not scene.lora.exists()
    assert scene.row(User, scene.user) is not None


def test_an_account_goes_and_its_receipts_are_nobodys(scene: Scene) -> None:
    with scene.studio.db.session() as db:
        db.add(ApiToken(user_id=scene.user, token_hash="a", name="x"))
        db.add(Mail(key="a", user_id=scene.user, template="confirm", language="ko", params={"link": "s"}))
    neighbour = make_scene(scene.studio, scene.models_dir, "lee@example.org")
    erase_photos(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    receipt = erase_account(scene.studio, scene.user, jobs=scene.jobs)
    assert receipt.state == "done"
    assert not scene.studio.layout.user(scene.user).exists()
    assert scene.row(User, scene.user) is None
    assert scene.count(ApiToken) == 0
    with scene.studio.db.session() as db:
        receipts = list(db.scalars(select(Receipt)))
        (mail,) = db.scalars(select(Mail))
    assert all(row.user_id is None for row in receipts)
    assert "kim" not in json.dumps([row.content for row in receipts])
    assert scene.user not in json.dumps([row.content for row in receipts])
    assert (mail.template, mail.user_id) == ("account-deleted", None)
    # The neighbour lost nothing.
    assert neighbour.lora.is_file()
    assert scene.count(Photo) == 3
    assert neighbour.store.has(neighbour.shared)


def test_an_unproved_address_gets_no_last_mail(scene: Scene) -> None:
    with scene.studio.db.session() as db:
        db.get_one(User, scene.user).confirmed_at = None
    erase_account(scene.studio, scene.user, jobs=scene.jobs)
    assert scene.count(Mail) == 0


# ---- whose it is


@pytest.mark.parametrize("erase", [erase_photos, erase_model, erase_album])
def test_nobody_deletes_an_album_of_somebody_else(scene: Scene, erase: Any) -> None:
    stranger = make_user(scene.studio, "lee@example.org")
    with pytest.raises(Refused, match="nothing here"):
        erase(scene.studio, stranger.id, scene.album, jobs=scene.jobs)
    assert scene.count(Receipt) == 0


@pytest.mark.parametrize("erase", [erase_portraits, erase_job])
def test_nobody_deletes_a_job_of_somebody_else(scene: Scene, erase: Any) -> None:
    stranger = make_user(scene.studio, "lee@example.org")
    with pytest.raises(Refused, match="nothing here"):
        erase(scene.studio, stranger.id, scene.one, jobs=scene.jobs)


def test_there_is_no_account_to_delete(scene: Scene) -> None:
    with pytest.raises(Refused):
        erase_account(scene.studio, "0" * 20, jobs=scene.jobs)


# ---- jobs that run, folders in use


def test_a_running_job_is_stopped_first(scene: Scene) -> None:
    with scene.studio.db.session() as db:
        db.get_one(Job, scene.one).state = "running"
    assert erase_photos(scene.studio, scene.user, scene.album, jobs=scene.jobs).state == "done"
    assert scene.jobs.cancelled == [scene.one]


def test_what_does_not_stop_is_waited_for_and_finished_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "STOP_S", 0.2)
    scene.jobs.stops = False
    with scene.studio.db.session() as db:
        db.get_one(Job, scene.one).state = "running"
    receipt = erase_photos(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert (receipt.state, receipt.content["left"]) == ("begun", ["job-running"])
    assert "still being stopped" in receipt_lines(receipt, "en")[-1][1]
    assert scene.count(Photo) == 3
    with scene.studio.db.session() as db:
        db.get_one(Job, scene.one).state = "cancelled"
    assert finish_erasures(scene.studio, jobs=scene.jobs) == 1
    assert scene.count(Photo) == 0
    assert "left" not in scene.row(Receipt, receipt.id).content
    assert finish_erasures(scene.studio, jobs=scene.jobs) == 0


def test_a_folder_in_use_is_left_for_later(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "STOP_S", 0.2)
    with FolderLock(scene.work / "lock"):
        receipt = erase_model(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert (receipt.state, receipt.content["left"]) == ("begun", ["in-use"])
    assert scene.lora.is_file()
    finish_erasures(scene.studio, jobs=scene.jobs)
    assert not scene.lora.exists()


@pytest.mark.parametrize("after", range(4))
def test_a_killed_deletion_is_finished_with_the_same_counts(
    scene: Scene, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    remove = erasing_files.remove

    def killed(path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise KeyboardInterrupt
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(erasing_files, "remove", killed)
        with pytest.raises(KeyboardInterrupt) if after < 3 else nullcontext():
            erase_album(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    finish_erasures(scene.studio, jobs=scene.jobs)
    with scene.studio.db.session() as db:
        receipt = db.scalars(select(Receipt)).one()
    assert receipt.state == "done"
    assert (receipt.content["photos"], receipt.content["portraits"], receipt.content["models"]) == (3, 2, 1)
    assert receipt.content["files"] >= 20
    assert not scene.studio.layout.album(scene.user, scene.album).exists()


def test_a_models_folder_that_is_away_is_seen_to_later(scene: Scene, tmp_path: Path) -> None:
    away = tmp_path / "elsewhere"
    scene.models_dir.rename(away)
    receipt = erase_account(scene.studio, scene.user, jobs=scene.jobs)
    assert (receipt.state, receipt.content["left"]) == ("begun", ["models-folder"])
    # Everything else is gone at once; of the model only what tells its name is left.
    assert scene.row(User, scene.user) is None
    kept = [path.relative_to(scene.work).parts[0] for path in scene.work.rglob("*") if path.is_file()]
    assert set(kept) == {"lora", "trained", "owner.json"}
    assert not scene.studio.layout.job(scene.user, scene.one).exists()
    assert finish_erasures(scene.studio, jobs=scene.jobs) == 0
    away.rename(scene.models_dir)
    assert finish_erasures(scene.studio, jobs=scene.jobs) == 1
    assert not scene.lora.exists()
    assert not scene.studio.layout.user(scene.user).exists()
    done = scene.row(Receipt, receipt.id)
    assert done.content["models"] == 1
    assert "left" not in done.content
    assert "target" not in done.content


def test_each_machine_sees_to_the_models_folder_it_has(scene: Scene, tmp_path: Path) -> None:
    second = tmp_path / "second" / "models"
    (second / "Lora").mkdir(parents=True)
    (second / "Lora" / scene.lora.name).write_bytes(scene.lora.read_bytes())
    runs.claim_work(scene.work, scene.work, "x", publishes_in=[second])
    second.rename(tmp_path / "away")
    receipt = erase_model(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert (receipt.state, receipt.content["models"]) == ("begun", 1)
    # The other machine has the second folder, and not the first.
    scene.models_dir.rename(tmp_path / "first-away")
    (tmp_path / "away").rename(second)
    assert finish_erasures(scene.studio, jobs=scene.jobs) == 1
    assert scene.row(Receipt, receipt.id).content["models"] == 2
    assert not (second / "Lora" / scene.lora.name).exists()


def test_a_models_folder_that_is_away_for_a_week_is_given_up(scene: Scene, tmp_path: Path) -> None:
    scene.models_dir.rename(tmp_path / "elsewhere")
    receipt = erase_model(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    with scene.studio.db.session() as db:
        db.get_one(Receipt, receipt.id).at = time.time() - erasure.GIVE_UP_S - 1
    finish_erasures(scene.studio, jobs=scene.jobs)
    done = scene.row(Receipt, receipt.id)
    assert (done.state, done.content["left"]) == ("done", ["models-folder-given-up"])
    assert not (scene.work / "lora").exists()


# ---- the parts


def test_nothing_outside_is_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    _write(outside, "precious")
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    assert erasing_files.measure([inside]).files == 0
    erasing_files.remove(inside / "link")
    erasing_files.remove(inside)
    erasing_files.remove(inside)
    assert (outside / "precious").is_file()


def test_two_names_of_one_file_count_once(tmp_path: Path) -> None:
    _write(tmp_path, "a", "b")
    os.link(tmp_path / "a", tmp_path / "c")
    size = erasing_files.measure([tmp_path])
    assert (size.files, size.size_bytes) == (2, 200)


def test_a_damaged_record_does_not_keep_pictures(scene: Scene) -> None:
    record = next(
        path for path in (scene.work / "store" / "records").glob("*/*") if "shared" in path.read_text()
    )
    record.write_bytes(b"{half")
    going = unneeded(scene.work / "store")
    assert record in going
    assert scene.store.path_of(scene.shared) in going
    assert scene.store.path_of(scene.only_one) not in going


def test_a_line_that_was_cut_short_names_nothing(scene: Scene) -> None:
    with (scene.work / "used" / scene.one).open("a") as stream:
        stream.write("abc123")
    assert used_by(scene.work, [scene.one]) == {scene.only_one, scene.shared}


def test_what_a_run_made_is_noted_once(scene: Scene) -> None:
    from stages.events import StageDone

    used = UsedPictures(scene.work, scene.one)
    for output in (scene.shared, "cd" * 32, "cd" * 32, None):
        used(StageDone("a", "txt2img", False, "", 0.0, True, output))
    lines = (scene.work / "used" / scene.one).read_text().splitlines()
    assert lines == [scene.only_one, scene.shared, "cd" * 32]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_receipt_says_what_went(scene: Scene, language: Any) -> None:
    lines = receipt_lines(erase_album(scene.studio, scene.user, scene.album, jobs=scene.jobs), language)
    assert len(lines) == 6
    assert lines[0][1] == "3"


def test_a_receipt_that_is_not_done_shows_no_identifiers(scene: Scene, tmp_path: Path) -> None:
    scene.models_dir.rename(tmp_path / "elsewhere")
    receipt = erase_model(scene.studio, scene.user, scene.album, jobs=scene.jobs)
    assert scene.album in json.dumps(receipt.content)
    assert scene.album not in json.dumps(shown(receipt))
    assert left_over(receipt, "ko")[0].startswith("그림 서버에")
    lines = receipt_lines(receipt, "en")
    assert lines[-1][0] == "Left"
    assert "as soon as it is there" in lines[-1][1]
    assert not any("target" in name or "cleared" in name for name, _ in lines)
