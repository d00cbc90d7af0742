"""Albums: what they are called, what was agreed to, and whether a job can begin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.albums import SUBJECTS, album_ready, create_album, give_consent, rename_album
from studio.albums import albums as module
from studio.consent_texts import CONSENT, CONSENTS
from studio.core import Studio
from studio.data import Album, Photo, User
from studio.refusals import Refused
from tests.stubs.studios import make_studio, make_user


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    opened = make_studio(tmp_path, photos_days=10, results_days=20)
    yield opened
    opened.close()


@pytest.fixture
def user(studio: Studio) -> User:
    return make_user(studio)


def _photos(studio: Studio, album: Album, *judged: bool | None, code: str = "ok") -> None:
    with studio.db.session() as db:
        for number, accepted in enumerate(judged):
            db.add(
                Photo(
                    album_id=album.id,
                    user_id=album.user_id,
                    file=f"{number:08x}.jpg",
                    sha256=f"{number}",
                    width=1,
                    height=1,
                    size_bytes=1,
                    accepted=accepted,
                    verdict={} if accepted is None else {"code": code},
                )
            )


def _why_not(studio: Studio, album: Album) -> str | None:
    refused = album_ready(studio, album)
    assert refused is None or (refused.texts["ko"] and refused.texts["en"])
    return None if refused is None else refused.code


def test_a_new_album_belongs_to_its_maker(studio: Studio, user: User) -> None:
    album = create_album(studio, user.id, title=" 엄마\n사진 ", subject="woman")
    assert (album.user_id, album.title, album.subject) == (user.id, "엄마 사진", "woman")
    assert album.consent_at is None


def test_a_subject_is_one_of_the_prompts_words(studio: Studio, user: User) -> None:
    for subject in SUBJECTS:
        create_album(studio, user.id, subject=subject)
    with pytest.raises(Refused) as caught:
        create_album(studio, user.id, subject="person, nude")
    assert caught.value.code == "bad-subject"


def test_albums_are_limited_for_each_user_alone(
    studio: Studio, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALBUMS_A_USER", 2)
    for _ in range(2):
        create_album(studio, user.id)
    with pytest.raises(Refused) as caught:
        create_album(studio, user.id)
    assert caught.value.code == "too-many-albums"
    create_album(studio, make_user(studio, "lee@example.org").id)


def test_an_album_is_renamed_by_its_owner_only(studio: Studio, user: User) -> None:
    album = create_album(studio, user.id)
    assert rename_album(studio, user.id, album.id, "여권").title == "여권"
    other = make_user(studio, "lee@example.org")
    with pytest.raises(Refused, match="nothing here"):
        rename_album(studio, other.id, album.id, "mine")


def test_consent_keeps_which_text_with_which_days_and_when(studio: Studio, user: User) -> None:
    album = give_consent(studio, user.id, create_album(studio, user.id).id, version=CONSENT.version)
    assert album.consent_version == f"{CONSENT.version} 10/20"
    assert album.consent_at == pytest.approx(time.time(), abs=60)


def test_consent_to_another_text_counts_for_nothing(studio: Studio, user: User) -> None:
    album = create_album(studio, user.id)
    with pytest.raises(Refused) as caught:
        give_consent(studio, user.id, album.id, version="1999-01-01")
    assert caught.value.code == "consent-changed"
    assert _why_not(studio, album) == "consent-needed"


def test_nobody_agrees_for_another(studio: Studio, user: User) -> None:
    album = create_album(studio, user.id)
    with pytest.raises(Refused, match="nothing here"):
        give_consent(studio, make_user(studio, "lee@example.org").id, album.id, version=CONSENT.version)


def test_the_statement_tells_the_days_in_both_languages(studio: Studio) -> None:
    for language in ("ko", "en"):
        text = CONSENT.text(language, studio.settings)
        assert "10" in text
        assert "20" in text
        assert "{" not in text


def test_what_is_recorded_fits_its_column(tmp_path: Path) -> None:
    studio = make_studio(tmp_path, photos_days=3650, results_days=3650)
    assert max(len(text.recorded(studio.settings)) for text in CONSENTS.values()) <= 32
    assert CONSENTS[CONSENT.version] is CONSENT
    studio.close()


@pytest.mark.parametrize(
    ("judged", "code", "consents", "why"),
    [
        ((True,) * 4, "ok", True, None),
        ((True,) * 4, "ok", False, "consent-needed"),
        ((True, True, True, False), "ok", True, "too-few-photos"),
        ((True,) * 4 + (None,), "ok", True, "photos-not-checked"),
        ((False,) * 6, "two_people", True, "two-people"),
        ((), "ok", True, "too-few-photos"),
    ],
)
def test_a_job_begins_with_enough_good_photos_and_consent(
    studio: Studio, user: User, judged: tuple[Any, ...], code: str, consents: bool, why: str | None
) -> None:
    album = create_album(studio, user.id)
    _photos(studio, album, *judged, code=code)
    if consents:
        album = give_consent(studio, user.id, album.id, version=CONSENT.version)
    assert _why_not(studio, album) == why


def test_an_album_whose_photos_were_deleted_says_so(studio: Studio, user: User) -> None:
    album = create_album(studio, user.id)
    album.photos_deleted_at = time.time()
    assert _why_not(studio, album) == "photos-deleted"
