"""Signed links and downloads: whose they are, how long they work, what is in them."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import select, update

from studio.accounts import results_link
from studio.data import Job, Portrait, User
from studio.web.sending import zip_stream
from tests.stubs.seeded import seed_album, seed_job
from tests.stubs.web import Person, Site

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all tests here."""
    opened = Site.open(tmp_path_factory.mktemp("site"))
    yield opened
    opened.studio.close()


@pytest.fixture(scope="module")
def kim(site: Site) -> Person:
    """Speaks Korean."""
    return site.person("kim@example.org", language="ko")


@pytest.fixture
def job(site: Site, kim: Person) -> Job:
    """A finished job of two portraits."""
    return seed_job(
        site.studio, seed_album(site.studio, kim.user, photos=0), portraits=2, finished_at=time.time()
    )


def token_of(site: Site, job: Job) -> str:
    """The last part of the mailed link."""
    return results_link(site.studio, job).rpartition("/")[2]


def portraits_of(site: Site, job: Job) -> list[Portrait]:
    """A job's, in order."""
    with site.studio.db.session() as db:
        return list(db.scalars(select(Portrait).where(Portrait.job_id == job.id).order_by(Portrait.number)))


def change(site: Site, job: Job, **values: object) -> None:
    """Write into the job's row."""
    with site.studio.db.session() as db:
        db.execute(update(Job).where(Job.id == job.id).values(**values))


def addresses(site: Site, job: Job, token: str) -> list[str]:
    """Everything the link leads to."""
    first = portraits_of(site, job)[0].id
    base = f"/r/{token}"
    return [base, f"{base}/portraits/{first}", f"{base}/portraits/{first}/thumb", f"{base}/all.zip"]


def test_a_link_shows_the_portraits_without_an_account(site: Site, job: Job) -> None:
    page = site.stranger().get(f"/r/{token_of(site, job)}", headers=HTML)
    assert page.status_code == 200
    assert 'lang="ko"' in page.text, "the mail was in Korean"
    assert page.text.count('<img src="/r/') == 2
    assert "kim@example.org" not in page.text
    for where in addresses(site, job, token_of(site, job)):
        answer = site.stranger().get(where)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "private, no-store"
    english = site.stranger().get(f"/r/{token_of(site, job)}?lang=en", headers=HTML).text
    assert "Your portraits are ready" in english
    assert "년" not in english.split("<main")[1]


def test_an_old_link_shows_nothing(site: Site, job: Job) -> None:
    token = token_of(site, job)
    change(site, job, finished_at=time.time() - site.studio.settings.link_days * 86400 - 1)
    for where in addresses(site, job, token):
        assert site.stranger().get(where).status_code == 410
    assert "볼 수 없는" in site.stranger().get(f"/r/{token}?lang=ko", headers=HTML).text


def test_deleted_results_are_not_shown(site: Site, job: Job) -> None:
    change(site, job, deleted_at=time.time())
    for where in addresses(site, job, token_of(site, job)):
        assert site.stranger().get(where).status_code == 410


def test_a_disabled_accounts_links_end(site: Site) -> None:
    lee = site.person("lee@example.org")
    job = seed_job(
        site.studio, seed_album(site.studio, lee.user, photos=0), portraits=1, finished_at=time.time()
    )
    token = token_of(site, job)
    assert site.stranger().get(f"/r/{token}").status_code == 200
    with site.studio.db.session() as db:
        db.execute(update(User).where(User.id == lee.user.id).values(disabled_at=time.time()))
    for where in addresses(site, job, token):
        assert site.stranger().get(where).status_code == 410


def test_a_link_made_by_somebody_else_is_none(site: Site, job: Job) -> None:
    token = token_of(site, job)
    flipped = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    other_key = URLSafeSerializer("x" * 40, salt="studio.results-link").dumps(job.id)
    other_salt = URLSafeSerializer(site.studio.secret, salt="other").dumps(job.id)
    for bad in (
        flipped,
        token[:-1],
        token + "x",
        token.upper(),
        job.id,
        other_key,
        other_salt,
        "%00",
        "a" * 5000,
    ):
        for where in addresses(site, job, bad):
            assert site.stranger().get(where).status_code == 410, bad


def test_one_jobs_link_does_not_show_anothers(site: Site, kim: Person, job: Job) -> None:
    other = seed_job(
        site.studio, seed_album(site.studio, kim.user, photos=0), portraits=1, finished_at=time.time()
    )
    theirs = portraits_of(site, other)[0].id
    for tail in (f"portraits/{theirs}", f"portraits/{theirs}/thumb"):
        assert site.stranger().get(f"/r/{token_of(site, job)}/{tail}").status_code == 404


def test_a_link_is_no_key_to_the_account(site: Site, job: Job) -> None:
    token = token_of(site, job)
    browser = site.stranger()
    assert "set-cookie" not in browser.get(f"/r/{token}", headers=HTML).headers
    assert browser.get(f"/files/portraits/{portraits_of(site, job)[0].id}").status_code == 401
    assert browser.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    browser.cookies["studio_session"] = token
    assert browser.get("/api/v1/me").status_code == 401


def test_a_portrait_is_shown_or_saved(site: Site, kim: Person, job: Job) -> None:
    row = portraits_of(site, job)[0]
    shown = kim.browser.get(f"/files/portraits/{row.id}")
    saved = kim.browser.get(f"/files/portraits/{row.id}?download=1")
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"] == "inline"
    assert saved.headers["content-disposition"].startswith('attachment; filename="portrait-01-front-')
    again = kim.browser.get(f"/files/portraits/{row.id}", headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("number", "status"), [("1", 200), ("2", 200), ("0", 404), ("3", 404), ("-1", 404), ("x", 422)]
)
def test_stages_before_and_after(site: Site, kim: Person, job: Job, number: str, status: int) -> None:
    where = f"/files/portraits/{portraits_of(site, job)[0].id}/stages/{number}"
    assert kim.browser.get(where).status_code == status


def test_all_in_one_zip(site: Site, kim: Person, job: Job) -> None:
    answer = kim.browser.get(f"/files/jobs/{job.id}/all.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [row.file.split("/")[1] for row in portraits_of(site, job)]
        folder = site.studio.layout.job(kim.user.id, job.id)
        for row in portraits_of(site, job):
            assert archive.read(row.file.split("/")[1]) == (folder / row.file).read_bytes()
    assert kim.browser.get(f"/files/jobs/{job.id}/all.zip").content == answer.content


def test_favourites_alone(site: Site, kim: Person, job: Job) -> None:
    where = f"/files/jobs/{job.id}/all.zip?favourites=1"
    assert kim.browser.get(where).status_code == 404
    second = portraits_of(site, job)[1]
    marked = kim.browser.put(f"/api/v1/portraits/{second.id}/favourite", json={"favourite": True})
    assert marked.json()["favourite"] is True
    with zipfile.ZipFile(io.BytesIO(kim.browser.get(where).content)) as archive:
        assert len(archive.namelist()) == 1


def test_a_zip_is_made_while_it_is_sent(tmp_path: object) -> None:
    from pathlib import Path

    files = []
    for number in range(3):
        path = Path(str(tmp_path)) / f"{number}.png"
        path.write_bytes(bytes([number]) * 3_000_000)
        files.append((path.name, path))
    parts = list(zip_stream(files))
    assert max(map(len, parts)) < 1_200_000
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert [entry.file_size for entry in archive.infolist()] == [3_000_000] * 3


def test_a_picture_that_is_gone_is_said(site: Site, kim: Person, job: Job) -> None:
    row = portraits_of(site, job)[0]
    (site.studio.layout.job(kim.user.id, job.id) / row.file).unlink()
    assert kim.browser.get(f"/files/portraits/{row.id}").status_code == 404
    assert kim.browser.get(f"/files/jobs/{job.id}/all.zip").status_code == 404


def test_an_id_photo_without_a_face_is_refused_in_words(
    site: Site, kim: Person, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.id_photos import IdPhotoError

    def no_face(*_: object, **__: object) -> None:
        raise IdPhotoError("no-face", "얼굴이 없습니다.", "No face.")

    monkeypatch.setattr("stages.id_photos.make_id_photo", no_face)
    where = f"portraits/{portraits_of(site, job)[0].id}/id-photo?kind=kr-id"
    for base in ("/files/", "/api/v1/"):
        answer = kim.browser.get(base + where)
        assert (answer.status_code, answer.json()["code"]) == (422, "id-photo-no-face")
        assert answer.json()["message"]["ko"] == "얼굴이 없습니다."


@pytest.mark.parametrize(
    "query", ["kind=kr-id&layout=poster", "kind=kr-id&paper=a0", "layout=single", "kind=" + "x" * 99]
)
def test_id_photos_are_asked_for_rightly(site: Site, kim: Person, job: Job, query: str) -> None:
    where = f"/files/portraits/{portraits_of(site, job)[0].id}/id-photo?{query}"
    assert kim.browser.get(where).status_code in (404, 422)
