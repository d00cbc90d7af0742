"""The page in a real Chromium, over a studio with people in it and no worker: it fits, holds and escapes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from studio.accounts import begin_session
from studio.core import Studio
from studio.data import Album, Job, Photo, Portrait, User
from studio.service_settings import StudioSettings
from tests.stubs.seeded import seed_album, seed_job, seed_portrait, seed_preview, seed_user
from tests.stubs.seeded_server import served

from .browser import DESK, PHONE, SMALL_PHONE, chromium, opened, shot, small_targets, too_wide, visit

pytestmark = pytest.mark.long

NASTY = '<img src=x onerror="document.title=1">'


@dataclass
class House:
    """A served studio."""

    address: str
    studio: Studio

    def person(self, name: str, **given: Any) -> tuple[User, str]:
        user = seed_user(self.studio, f"{name}@example.org", **given)
        return user, begin_session(self.studio, user.id)

    def agreed(self, user: User, **given: Any) -> Album:
        return seed_album(
            self.studio, user, consent_at=time.time(), consent_version="2026-01-22 30/90", **given
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("data")
    studio = Studio.open(StudioSettings(data_dir=folder))
    with served(folder) as address:
        yield House(address, studio)
    studio.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def everything(house: House) -> tuple[str, dict[str, str]]:
    """Somebody with something on every screen: the session, and the places."""
    user, session = house.person("everything")
    album = house.agreed(user, photos=6, bad=2, title="지민")
    seed_album(house.studio, user, photos=1, bad=0, title="이름이 아주 길고 긴 두 번째 앨범입니다")
    done = seed_job(house.studio, album, portraits=2, keep_until=time.time() + 9e5)
    seed_job(house.studio, album, portraits=1, parent_id=done.id)
    running = seed_job(
        house.studio, album, state="running", stage="drawing", waiting=False, fraction=0.62,
        time_left_s=412.0, done_pictures=3, total_pictures=8,
    )  # fmt: skip
    seed_preview(house.studio, running)
    with house.studio.db.session() as db:
        portrait = db.query(Portrait).filter_by(job_id=done.id).first()
    assert portrait is not None
    return session, {
        "photos": f"#/photos/{album.id}",
        "wishes": f"#/wishes/{album.id}",
        "job": f"#/job/{running.id}",
        "gallery": f"#/gallery/{album.id}",
        "portrait": f"#/portrait/{portrait.id}",
        "data": "#/data",
    }


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_screen_fits_a_small_phone_and_a_finger(
    house: House, browser: Browser, everything: tuple[str, dict[str, str]], language: str
) -> None:
    session, places = everything
    with visit(browser, house.address, size=SMALL_PHONE, language=language, session=session) as (page, _):
        for name, place in places.items():
            opened(page, f"/{language}/{place}")
            page.wait_for_selector(f".screen-{name}")
            page.wait_for_function("Array.from(document.images).every((image) => image.complete)")
            assert too_wide(page) <= 0, name
            assert small_targets(page) == [], name
            shot(page, f"{language}-{name}")
            broken = (
                "Array.from(document.images).filter((image) => !image.naturalWidth).map((image) => image.src)"
            )
            page.evaluate("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
            page.wait_for_function("Array.from(document.images).every((image) => image.complete)")
            assert page.evaluate(broken) == [], name
        assert page.evaluate("document.documentElement.lang") == language


def test_dark_and_light_are_both_readable(
    house: House, browser: Browser, everything: tuple[str, dict[str, str]]
) -> None:
    shades = {}
    for dark in (False, True):
        with visit(browser, house.address, size=DESK, dark=dark, session=everything[0]) as (page, _):
            opened(page, f"/ko/{everything[1]['gallery']}")
            style = "getComputedStyle(document.querySelector('.studio h1')).color"
            shades[dark] = (
                page.evaluate("getComputedStyle(document.body).backgroundColor"),
                page.evaluate(style),
            )
    assert shades[False][0] == "rgb(247, 243, 236)"
    assert shades[True] == ("rgb(20, 23, 21)", "rgb(238, 240, 234)")


def test_a_stranger_is_asked_to_sign_in(house: House, browser: Browser) -> None:
    with visit(browser, house.address) as (page, _):
        page.goto("/ko/")
        assert "/sign-in" in page.url
        expect(page.locator("input[name=email]")).to_be_visible()


def test_a_session_that_ends_leads_to_the_sign_in_page(house: House, browser: Browser) -> None:
    from studio.accounts import end_session

    _, session = house.person("leaving")
    with visit(browser, house.address, session=session) as (page, seen):
        opened(page, "/ko/")
        end_session(house.studio, session)
        page.locator(".steps a").nth(3).click()
        page.wait_for_url("**/sign-in**")
        seen.forgive("401")


def test_what_people_type_is_text(house: House, browser: Browser) -> None:
    user, session = house.person("nasty")
    album = house.agreed(user, photos=1, bad=0, title=NASTY)
    house.agreed(user, photos=0, bad=0, title="${alert(1)} {{7*7}} `x`")
    with house.studio.db.session() as db:
        photo = db.query(Photo).filter_by(album_id=album.id).one()
        photo.shown_name = NASTY + "'\" &amp;"
    with visit(browser, house.address, session=session) as (page, _):
        opened(page, f"/ko/#/photos/{album.id}")
        expect(page.get_by_role("link", name=NASTY)).to_be_visible()
        expect(page.get_by_role("link", name="${alert(1)} {{7*7}} `x`")).to_be_visible()
        assert page.locator(".photo img").get_attribute("alt") == f"올린 사진 {NASTY}'\" &amp;"
        opened(page, "/ko/#/data")
        expect(page.get_by_role("heading", name=NASTY)).to_be_visible()
        assert page.title() != "1"


def test_wishes_are_found_again_in_another_tab_and_become_a_job(house: House, browser: Browser) -> None:
    user, session = house.person("wishful")
    album = house.agreed(user, photos=6, bad=0, title="나")
    with visit(browser, house.address, session=session) as (page, seen):
        opened(page, f"/ko/#/wishes/{album.id}")
        page.locator(".pose", has_text="팔짱").click()
        page.locator(".tone-warm").click()
        page.locator("select[name=backdrop]").select_option("studio_blue")
        page.get_by_role("button", name="한 장 더").click()
        page.locator(".chip", has_text="여성").click()
        expect(page.locator(".price b")).to_contain_text("분")
        _until(
            lambda: _album(house, album).wishes.get("count") == 5 and _album(house, album).subject == "woman"
        )
        other = page.context.new_page()
        seen.watch(other)
        opened(other, f"/ko/#/wishes/{album.id}")
        expect(other.locator("input[name=tone][value=warm]")).to_be_checked()
        expect(other.locator("input[name=poses][value=arms_crossed]")).to_be_checked()
        expect(other.locator("select[name=backdrop]")).to_have_value("studio_blue")
        expect(other.locator("#count")).to_have_value("5")
        other.get_by_role("button", name="촬영 시작하기").click()
        expect(other.locator(".now b")).to_have_text("앞에 1명이 기다리고 있습니다")
        job = _jobs(house, user)[0]
        assert other.url.endswith(f"#/job/{job.id}")
        assert (job.wishes["tone"], job.wishes["poses"], job.wishes["count"]) == ("warm", ["arms_crossed"], 5)
        # Whoever comes back without an address finds what is under way.
        page.goto("about:blank")
        opened(page, "/ko/")
        expect(page.locator(".screen-job .stages .present")).to_have_text("1사진 확인")


def test_progress_moves_by_itself_and_cancel_asks_first(house: House, browser: Browser) -> None:
    user, session = house.person("waiting")
    job = seed_job(house.studio, house.agreed(user))
    with visit(browser, house.address, language="en", session=session) as (page, _):
        opened(page, "/en/")
        expect(page.locator(".now b")).to_have_text("1 ahead of you")
        _set(house, job, state="running", stage="drawing", waiting=False, fraction=0.5, time_left_s=130.0)
        expect(page.locator(".now")).to_contain_text("about 3 min left")
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
        seed_preview(house.studio, job)
        expect(page.get_by_alt_text("Preview of the picture in the making")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Not now").click()
        assert _row(house, Job, job.id).state == "running"
        page.get_by_role("button", name="Cancel").click()
        page.locator("dialog").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
        assert _row(house, Job, job.id).state == "cancelled"


def test_a_finished_job_shows_up_and_favourites_stay(house: House, browser: Browser) -> None:
    user, session = house.person("collector")
    job = seed_job(
        house.studio, house.agreed(user), state="running", stage="delivery", waiting=False, fraction=0.9
    )
    with visit(browser, house.address, session=session) as (page, _):
        opened(page, "/ko/")
        portrait = seed_portrait(house.studio, job, 1)
        _set(house, job, state="done", stage="mail", fraction=1.0)
        page.get_by_role("link", name="갤러리 보기").click()
        page.get_by_role("button", name="즐겨찾기에 넣기").click()
        expect(page.get_by_role("button", name="즐겨찾기에서 빼기")).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name="즐겨찾기에서 빼기")).to_be_visible()
        page.get_by_role("link", name="1번 사진 자세히 보기").click()
        page.wait_for_selector(".screen-portrait")
        page.locator(".cut").fill("80")
        assert page.evaluate("document.querySelector('.compare').style.getPropertyValue('--cut')") == "80%"
        page.get_by_role("radio", name="선명하게").click()
        assert "stages/2" in (page.locator(".before img").get_attribute("src") or "")
        page.go_back()
        page.wait_for_selector(".screen-gallery")
        assert _row(house, Portrait, portrait.id).favourite


def test_a_retouch_changes_only_what_was_asked(house: House, browser: Browser) -> None:
    user, session = house.person("picky")
    job = seed_job(house.studio, house.agreed(user), portraits=1)
    with visit(browser, house.address, session=session) as (page, _):
        opened(page, "/ko/")
        page.get_by_role("link", name="1번 사진 자세히 보기").click()
        page.locator(".retouch select[name=tone]").select_option("monochrome")
        page.get_by_role("button", name="다시 만들기").click()
        page.wait_for_selector(".screen-job .waiting")
        retouch = _jobs(house, user)[0]
        assert retouch.parent_id == job.id
        assert retouch.wishes == {
            **job.wishes,
            "tone": "monochrome",
            "poses": ["three_quarter_left"],
            "count": 1,
        }


def test_the_language_is_switched_on_the_spot(
    house: House, browser: Browser, everything: tuple[str, dict[str, str]]
) -> None:
    with visit(browser, house.address, size=DESK, session=everything[0]) as (page, _):
        opened(page, f"/ko/{everything[1]['gallery']}")
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
        assert page.url.endswith(f"/en/{everything[1]['gallery']}")
    with house.studio.db.session() as db:
        assert db.query(User).filter_by(email="everything@example.org").one().language == "en"


def test_another_ones_things_are_not_there(
    house: House, browser: Browser, everything: tuple[str, dict[str, str]]
) -> None:
    _, session = house.person("curious")
    with visit(browser, house.address, size=PHONE, session=session) as (page, _):
        for name in ("photos", "gallery", "portrait", "job"):
            opened(page, f"/ko/{everything[1][name]}")
            expect(page.locator(".toast.bad").last).to_have_text("찾을 수 없습니다.")
            assert page.locator(".photo, .portrait").count() == 0
            page.goto("about:blank")


def _album(house: House, album: Album) -> Album:
    return _row(house, Album, album.id)


def _row(house: House, kind: type[Any], row_id: str) -> Any:
    with house.studio.db.session() as db:
        return db.get(kind, row_id)


def _jobs(house: House, user: User) -> list[Job]:
    with house.studio.db.session() as db:
        return list(db.query(Job).filter_by(user_id=user.id).order_by(Job.created_at.desc()))


def _set(house: House, job: Job, **values: Any) -> None:
    with house.studio.db.session() as db:
        row = db.get(Job, job.id)
        for name, value in values.items():
            setattr(row, name, value)


def _until(true: Any, limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
