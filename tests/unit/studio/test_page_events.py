"""What the page answers to events, over real rows, without Gradio and without a browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.core import Studio
from studio.data import Album, Job, Portrait, User, new_id
from studio.service_settings import StudioSettings
from studio.web.page import controller as controller_module
from studio.web.page.controller import BUSY_S, QUIET_S, Controller
from tests.stubs.seeded import SpyJobs, seed_album, seed_job, seed_portrait, seed_user

FORM = {"poses": ["front"], "tone": "cool", "outfit": "", "backdrop": "", "count": "2", "mark": True}
AGREED = {"consent_at": 1.0, "consent_version": "2026-01-22 30/90"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One for all: each test has people of its own."""
    made = Studio.open(StudioSettings(data_dir=tmp_path_factory.mktemp("data")))
    yield made
    made.close()


@pytest.fixture
def page(studio: Studio) -> Controller:
    return Controller(studio, SpyJobs(studio), "en")  # type: ignore[arg-type]  # the part of it that pages use


@pytest.fixture
def user(studio: Studio) -> User:
    return seed_user(studio, f"{new_id()}@example.org")


@pytest.fixture
def other(studio: Studio) -> User:
    return seed_user(studio, f"{new_id()}@example.org")


def act(
    page: Controller, user: User, do: str, args: Any = None, place: str = "", seq: int = 1
) -> dict[str, Any]:
    return page.act(user.id, "a-session", {"do": do, "args": args or {}, "place": place, "seq": seq})


def row(studio: Studio, kind: type[Any], row_id: str) -> Any:
    with studio.db.session() as db:
        return db.get(kind, row_id)


def test_a_newcomer_is_shown_where_to_drop_photos(page: Controller, user: User) -> None:
    shown = page.tick(user.id, "a-session", {"place": ""})
    assert shown is not None
    assert shown["place"] == "#/photos"
    assert 'data-album=""' in shown["html"]
    assert shown["every_s"] == QUIET_S


def test_nothing_is_sent_while_nothing_changed(page: Controller, studio: Studio, user: User) -> None:
    job = seed_job(studio, seed_album(studio, user, photos=1, bad=0), state="running", stage="drawing")
    first = page.tick(user.id, "a-session", {"place": ""})
    assert first is not None
    assert first["place"] == f"#/job/{job.id}"
    assert first["every_s"] == BUSY_S
    seen = {"place": first["place"], "stamp": first["stamp"], "pulse": first["pulse"], "seq": 3}
    assert page.tick(user.id, "a-session", seen) is None
    with studio.db.session() as db:
        db.get_one(Job, job.id).fraction = 0.5
    after = page.tick(user.id, "a-session", seen)
    assert after is not None
    assert (after["seq"], 'aria-valuenow="50"' in after["html"]) == (3, True)


def test_a_move_in_the_queue_is_a_change(page: Controller, studio: Studio, user: User) -> None:
    job = seed_job(studio, seed_album(studio, user, photos=1, bad=0))
    first = act(page, user, "open", place=f"#/job/{job.id}")
    assert "1 ahead of you" in first["html"]
    page.jobs.place = 1  # type: ignore[attr-defined]
    after = page.tick(user.id, "a-session", {name: first[name] for name in ("place", "stamp", "pulse")})
    assert after is not None
    assert "You are next" in after["html"]


@pytest.mark.parametrize(("stage", "said"), [("drawing", "You are next"), ("delivery", "<b>Finishing</b>")])
def test_whose_pictures_are_finished_is_not_told_to_wait_for_a_turn(
    page: Controller, studio: Studio, user: User, stage: str, said: str
) -> None:
    album = seed_album(studio, user, photos=1, bad=0)
    job = seed_job(studio, album, state="running", stage=stage, waiting=True, fraction=0.97)
    page.jobs.place = 1  # type: ignore[attr-defined]
    assert said in act(page, user, "open", place=f"#/job/{job.id}")["html"]


def test_a_pulse_of_anothers_job_tells_nothing(
    page: Controller, studio: Studio, user: User, other: User
) -> None:
    job = seed_job(studio, seed_album(studio, other, photos=1, bad=0), state="running")
    theirs = act(page, other, "open", place=f"#/job/{job.id}")
    shown = page.tick(user.id, "a-session", {name: theirs[name] for name in ("place", "stamp", "pulse")})
    assert shown is not None
    assert shown["place"] == "#/photos"


def test_dropped_photos_get_one_album_however_often_it_is_asked(
    page: Controller, studio: Studio, user: User
) -> None:
    places = {act(page, user, "first-album")["place"] for _ in range(2)}
    with studio.db.session() as db:
        albums = db.query(Album).filter_by(user_id=user.id).all()
    assert places == {f"#/photos/{albums[0].id}"}
    assert len(albums) == 1


def test_consent_is_recorded_with_its_text_and_time(page: Controller, studio: Studio, user: User) -> None:
    album = seed_album(studio, user)
    version = re.search(
        r"version&#34;: &#34;([\d-]+)|\"version\": \"([\d-]+)\"", act(page, user, "open")["html"]
    )
    assert version
    shown = act(
        page,
        user,
        "consent",
        {"album": album.id, "version": version[1] or version[2]},
        f"#/photos/{album.id}",
    )
    assert shown["toast"]["kind"] == "good"
    agreed = row(studio, Album, album.id)
    assert agreed.consent_version.startswith("2026-01-22")
    assert time.time() - agreed.consent_at < 60
    assert f'data-at="{round(agreed.consent_at)}"' in shown["html"]


def test_an_old_consent_text_is_not_agreed_to(page: Controller, studio: Studio, user: User) -> None:
    album = seed_album(studio, user)
    shown = act(page, user, "consent", {"album": album.id, "version": "2001-01-01"})
    assert shown["toast"]["kind"] == "bad"
    assert row(studio, Album, album.id).consent_at is None


def test_wishes_are_kept_and_priced(page: Controller, studio: Studio, user: User) -> None:
    album = seed_album(studio, user, photos=6, **AGREED)
    shown = act(
        page, user, "wishes", {"album": album.id, "form": {**FORM, "subject": "man"}}, f"#/wishes/{album.id}"
    )
    kept = row(studio, Album, album.id)
    assert (kept.wishes["tone"], kept.wishes["count"], kept.subject) == ("cool", 2, "man")
    assert re.search(r'class="price".*?min\b', shown["html"], re.DOTALL)


def test_without_consent_the_form_says_what_is_missing(page: Controller, studio: Studio, user: User) -> None:
    album = seed_album(studio, user)
    html = act(page, user, "open", place=f"#/wishes/{album.id}")["html"]
    assert "Not ready yet" in html
    assert "Make my portraits" not in html


def test_an_order_leads_to_its_progress(page: Controller, studio: Studio, user: User) -> None:
    album = seed_album(studio, user, photos=6, **AGREED)
    shown = act(page, user, "submit", {"album": album.id, "form": FORM}, f"#/wishes/{album.id}")
    with studio.db.session() as db:
        job = db.query(Job).filter_by(user_id=user.id).one()
    assert shown["place"] == f"#/job/{job.id}"
    assert shown["seq"] == 1
    assert job.wishes["poses"] == ["front"]


def test_a_failed_job_is_begun_again_with_the_same_wishes(
    page: Controller, studio: Studio, user: User
) -> None:
    failed = seed_job(studio, seed_album(studio, user), state="failed")
    place = act(page, user, "again", {"job": failed.id})["place"]
    again = row(studio, Job, place.rpartition("/")[2])
    assert again.id != failed.id
    assert again.wishes["poses"] == failed.wishes["poses"]


def test_why_it_failed_and_what_to_do_is_shown(page: Controller, studio: Studio, user: User) -> None:
    error = {
        "code": "disk-full",
        "message": {"ko": "디스크", "en": "The disk <is> full."},
        "hint": {"ko": "", "en": "Tell the operator."},
    }
    seed_job(studio, seed_album(studio, user), state="failed", error=error)
    html = act(page, user, "open")["html"]
    assert "The disk &lt;is&gt; full." in html
    assert "Tell the operator." in html


def test_a_favourite_is_what_was_wanted_not_the_opposite(
    page: Controller, studio: Studio, user: User
) -> None:
    job = seed_job(studio, seed_album(studio, user), portraits=1)
    portrait = seed_portrait(studio, job, 2)
    for _ in range(2):
        act(page, user, "favourite", {"portrait": portrait.id, "on": True})
    assert row(studio, Portrait, portrait.id).favourite


ACTIONS_ON_THINGS = [
    ("consent", lambda it: {"album": it["album"], "version": "2026-01-22"}),
    ("wishes", lambda it: {"album": it["album"], "form": FORM}),
    ("again", lambda it: {"job": it["job"]}),
    ("cancel", lambda it: {"job": it["job"]}),
    ("retouch", lambda it: {"portrait": it["portrait"], "form": FORM}),
    ("favourite", lambda it: {"portrait": it["portrait"], "on": True}),
    ("erase", lambda it: {"what": "album", "id": it["album"]}),
    ("erase", lambda it: {"what": "portraits", "id": it["job"]}),
    ("erase", lambda it: {"what": "account", "id": it["album"]}),
]


@pytest.mark.parametrize(("do", "args"), ACTIONS_ON_THINGS)
def test_nobody_does_anything_to_anothers_things(
    page: Controller, studio: Studio, user: User, other: User, do: str, args: Any
) -> None:
    album = seed_album(studio, other)
    job = seed_job(studio, album, portraits=1)
    with studio.db.session() as db:
        portrait = db.query(Portrait).filter_by(user_id=other.id).one()
    shown = act(page, user, do, args({"album": album.id, "job": job.id, "portrait": portrait.id}))
    assert shown["toast"] == {"kind": "bad", "text": "There is nothing here."}
    with studio.db.session() as db:
        assert db.query(Job).filter(Job.user_id.in_((user.id, other.id))).count() == 1
        assert db.get_one(Job, job.id).state == "done"
        assert not db.get_one(Portrait, portrait.id).favourite
        assert db.get_one(Album, album.id).consent_at is None
        assert db.get_one(Album, album.id).wishes == {}


@pytest.mark.parametrize("step", ["photos", "wishes", "gallery", "job", "portrait"])
def test_nobody_sees_anothers_things(
    page: Controller, studio: Studio, user: User, other: User, step: str
) -> None:
    album = seed_album(studio, other, title="Somebody else")
    job = seed_job(studio, album, portraits=1)
    with studio.db.session() as db:
        portrait = db.query(Portrait).filter_by(user_id=other.id).one()
    row_id = {"job": job.id, "portrait": portrait.id}.get(step, album.id)
    shown = act(page, user, "open", place=f"#/{step}/{row_id}")
    assert shown["toast"]["text"] == "There is nothing here."
    assert shown["place"] == "#/photos"
    assert "Somebody else" not in shown["html"]
    assert row_id not in shown["html"]


@pytest.mark.parametrize(
    "event",
    [
        {}, {"do": "nonsense"}, {"do": None}, {"do": "cancel", "args": ["x"]},
        {"do": "cancel", "args": {"job": {}}}, {"do": "submit", "args": {"album": "x" * 10_000}},
        {"do": "erase", "args": {"what": "__class__", "id": "x"}},
    ],
)  # fmt: skip
def test_a_made_up_event_does_nothing(page: Controller, user: User, event: dict[str, Any]) -> None:
    shown = page.act(user.id, "a-session", event)
    assert shown["toast"]["kind"] == "bad"
    assert shown["html"]


def test_a_screen_that_cannot_be_drawn_says_so(
    page: Controller, user: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(controller_module, "build_scene", broken)
    shown = page.tick(user.id, "a-session", {"place": "#/data"})
    assert shown is not None
    assert "Something went wrong" in shown["html"]
    assert "ZeroDivisionError" in caplog.text


def test_an_action_that_breaks_says_so(
    page: Controller, studio: Studio, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    job = seed_job(studio, seed_album(studio, user))
    monkeypatch.setattr(page.jobs, "cancel", broken)
    assert "Something went wrong" in act(page, user, "cancel", {"job": job.id})["toast"]["text"]


def test_the_language_goes_to_the_other_and_stays_there(page: Controller, studio: Studio, user: User) -> None:
    assert act(page, user, "language", place="#/data")["goto"] == "/ko/#/data"
    assert row(studio, User, user.id).language == "ko"


def test_the_sandbox_is_named_on_the_page(page: Controller, tmp_path: Path, user: User) -> None:
    assert "Practice mode" in act(page, user, "open")["html"]
    real = Studio.open(StudioSettings(data_dir=tmp_path / "other", url="http://gpu:7860"))
    somebody = seed_user(real)
    beside = Controller(real, SpyJobs(real), "en")  # type: ignore[arg-type]
    assert "Practice mode" not in act(beside, somebody, "open")["html"]
    real.close()
