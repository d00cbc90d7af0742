"""What can be pressed on the page. Each action asks a service that checks whose things these are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...access import job_of, portrait_of
from ...core import Studio
from ...data import Album, Portrait
from ...refusals import Language, not_found
from ...views import albums_of_user
from ...wishes import Wishes
from .forms import read_wishes, retouch_wishes
from .place import Place
from .texts import words

if TYPE_CHECKING:
    from ...jobs import Jobs


@dataclass(frozen=True, slots=True)
class Asked:
    """Who pressed, where, and what came along; `args` is whatever a browser sent."""

    studio: Studio
    jobs: Jobs
    language: Language
    user_id: str
    place: Place
    args: Mapping[str, Any]

    def text(self, name: str) -> str:
        """An argument that must be a text.

        Raises:
            Refused: `not-found`: it is missing or something else.
        """
        value = self.args.get(name)
        if not isinstance(value, str) or len(value) > 200:
            raise not_found()
        return value

    def form(self) -> Mapping[str, Any]:
        """The fields of the form that was sent."""
        value = self.args.get("form")
        return value if isinstance(value, Mapping) else {}

    def good(self, key: str) -> dict[str, str]:
        """A short message that something was done."""
        return {"kind": "good", "text": str(words(self.language)(key))}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows: another place, a message, another address."""

    place: Place | None = None
    toast: dict[str, str] | None = None
    goto: str | None = None
    done: dict[str, Any] = field(default_factory=dict)


def _count(asked: Asked, what: str) -> None:
    """Count one try; together with those of the API."""
    from ...accounts import limit
    from ..api.albums import ALBUMS_AN_HOUR
    from ..api.jobs import JOBS_AN_HOUR

    times = {"album": ALBUMS_AN_HOUR, "job": JOBS_AN_HOUR}[what]
    limit(asked.studio, what, asked.user_id, times=times, per_s=3600)


def _open(_asked: Asked) -> Outcome:
    return Outcome()


def _first_album(asked: Asked) -> Outcome:
    """Photos were dropped by somebody who has no album: they need one, and no questions."""
    from ...albums import create_album

    found = albums_of_user(asked.studio, asked.user_id)
    if not found:
        _count(asked, "album")
    return Outcome(
        place=Place("photos", (found[0] if found else create_album(asked.studio, asked.user_id)).id)
    )


def _consent(asked: Asked) -> Outcome:
    from ...albums import give_consent

    give_consent(asked.studio, asked.user_id, asked.text("album"), version=asked.text("version"))
    return Outcome(toast=asked.good("saved"))


def _new_album(asked: Asked) -> Outcome:
    from ...albums import create_album

    _count(asked, "album")
    album = create_album(asked.studio, asked.user_id, title=str(asked.form().get("title") or ""))
    return Outcome(place=Place("photos", album.id))


def _wishes(asked: Asked) -> Outcome:
    _remember(asked, asked.text("album"), read_wishes(asked.form()))
    return Outcome()


def _submit(asked: Asked) -> Outcome:
    album_id = asked.text("album")
    wishes = read_wishes(asked.form())
    _remember(asked, album_id, wishes)
    _count(asked, "job")
    job = asked.jobs.submit(asked.user_id, album_id, wishes)
    return Outcome(place=Place("job", job.id))


def _again(asked: Asked) -> Outcome:
    old = job_of(asked.studio, asked.user_id, asked.text("job"))
    _count(asked, "job")
    job = asked.jobs.submit(
        asked.user_id, old.album_id, Wishes.model_validate(old.wishes), parent_id=old.parent_id
    )
    return Outcome(place=Place("job", job.id))


def _retouch(asked: Asked) -> Outcome:
    portrait = portrait_of(asked.studio, asked.user_id, asked.text("portrait"))
    parent = job_of(asked.studio, asked.user_id, portrait.job_id)
    wishes = retouch_wishes(Wishes.model_validate(parent.wishes), asked.form())
    _count(asked, "job")
    job = asked.jobs.submit(asked.user_id, parent.album_id, wishes, parent_id=parent.id)
    return Outcome(place=Place("job", job.id))


def _cancel(asked: Asked) -> Outcome:
    asked.jobs.cancel(job_of(asked.studio, asked.user_id, asked.text("job")).id)
    return Outcome()


def _favourite(asked: Asked) -> Outcome:
    portrait = portrait_of(asked.studio, asked.user_id, asked.text("portrait"))
    with asked.studio.db.session() as db:
        row = db.get(Portrait, portrait.id)
        if row is None:
            raise not_found()
        # The wanted state, not "the other one": pressed twice on a slow line it stays what was meant.
        row.favourite = bool(asked.args.get("on"))
    return Outcome()


def _erase(asked: Asked) -> Outcome:
    from ... import erasure

    erasers: dict[str, Callable[..., Any]] = {
        "photos": erasure.erase_photos,
        "model": erasure.erase_model,
        "album": erasure.erase_album,
        "portraits": erasure.erase_portraits,
    }
    eraser = erasers.get(asked.text("what"))
    if eraser is None:
        raise not_found()
    eraser(asked.studio, asked.user_id, asked.text("id"), jobs=asked.jobs)
    return Outcome(place=Place("data"), toast=asked.good("deleted"))


def _language(asked: Asked) -> Outcome:
    from ...accounts import set_language

    wanted: Language = "en" if asked.language == "ko" else "ko"
    set_language(asked.studio, asked.user_id, wanted)
    return Outcome(goto=f"/{wanted}/{asked.place}")


def _remember(asked: Asked, album_id: str, wishes: Wishes) -> None:
    from ...albums import SUBJECTS

    with asked.studio.db.session() as db:
        album = db.get(Album, album_id)
        if album is None or album.user_id != asked.user_id:
            raise not_found()
        album.wishes = wishes.model_dump(mode="json")
        subject = asked.form().get("subject")
        if subject in SUBJECTS:
            album.subject = subject


ACTIONS: Mapping[str, Callable[[Asked], Outcome]] = {
    "open": _open,
    "first-album": _first_album,
    "consent": _consent,
    "new-album": _new_album,
    "wishes": _wishes,
    "submit": _submit,
    "again": _again,
    "retouch": _retouch,
    "cancel": _cancel,
    "favourite": _favourite,
    "erase": _erase,
    "language": _language,
}
"""By the name the page's buttons carry."""
