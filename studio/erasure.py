"""Deleting for good: from disk, database, WebUIs' models folders, queue and caches, with a receipt.

Running jobs are stopped first. What was begun is finished whatever happens: an interrupted deletion, or one
that waits for a models folder on a machine that is away, is taken up again by the retention sweep. The
receipt says what and how much in numbers only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from .access import album_of, job_of
from .core import Studio
from .data import UNFINISHED, Album, Job, Mail, Receipt, User
from .erasing import files, models, targets
from .erasing.targets import Target, What
from .erasing.words import WORKING, left_over, shown
from .refusals import not_found
from .service_settings import DAY_S

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "JobsClient",
    "erase_account",
    "erase_album",
    "erase_job",
    "erase_model",
    "erase_photos",
    "erase_portraits",
    "finish_erasures",
    "left_over",
    "shown",
]

STOP_S = 12.0
"""How long a deletion waits for a job to stop; one that takes longer is finished by the sweep."""
GIVE_UP_S = 7 * DAY_S
"""A models folder that was not reached for so long is given up, and the receipt says so."""
_POLL_S = 0.1


class JobsClient(Protocol):
    """What is needed of `studio.jobs.Jobs`."""

    def cancel(self, job_id: str) -> object:
        """Ask for the end of a job."""

    def forget(self, job_id: str) -> object:
        """Delete its workflows."""


def erase_photos(studio: Studio, user_id: str, album_id: str, *, jobs: JobsClient | None = None) -> Receipt:
    """Delete an album's photos and everything made of them but the trained model and the portraits.

    Args:
        studio: The studio.
        user_id: Who asks.
        album_id: His album.
        jobs: Stops its jobs; None opens one.

    Returns:
        The receipt; `state` "begun" while something is left, which the sweep sees to.

    Raises:
        Refused: `not-found`.
    """
    return _of_album(studio, "photos", user_id, album_id, jobs)


def erase_model(studio: Studio, user_id: str, album_id: str, *, jobs: JobsClient | None = None) -> Receipt:
    """Delete an album's trained models, also out of every WebUI; see `erase_photos`."""
    return _of_album(studio, "model", user_id, album_id, jobs)


def erase_album(studio: Studio, user_id: str, album_id: str, *, jobs: JobsClient | None = None) -> Receipt:
    """Delete an album with its photos, models, jobs and portraits; see `erase_photos`."""
    return _of_album(studio, "album", user_id, album_id, jobs)


def erase_portraits(studio: Studio, user_id: str, job_id: str, *, jobs: JobsClient | None = None) -> Receipt:
    """Delete a job's results, and the pictures they were made of as far as no other job shares them.

    The job itself stays in the list; see `erase_photos`.
    """
    return _of_job(studio, "portraits", user_id, job_id, jobs)


def erase_job(studio: Studio, user_id: str, job_id: str, *, jobs: JobsClient | None = None) -> Receipt:
    """The same, and the job goes as well."""
    return _of_job(studio, "job", user_id, job_id, jobs)


def erase_account(studio: Studio, user_id: str, *, jobs: JobsClient | None = None) -> Receipt:
    """Delete an account with everything in it; a last mail says so.

    Nobody can sign in from the first moment on.

    Raises:
        Refused: `not-found`.
    """
    with studio.db.session() as db:
        user = db.get(User, user_id)
        if user is None:
            raise not_found()
        user.disabled_at = user.disabled_at or time.time()
    return _erase(studio, Target("account", user_id), jobs)


def finish_erasures(studio: Studio, *, jobs: JobsClient | None = None) -> int:
    """Take up every deletion that was begun and not finished; returns how many were finished."""
    with studio.db.session() as db:
        begun = list(db.scalars(select(Receipt.id).where(Receipt.state == "begun").order_by(Receipt.at)))
    if not begun:
        return 0
    with _client(studio, jobs) as client:
        return sum(
            _Erasure(studio, receipt, client, patience_s=0.0).go().state == "done" for receipt in begun
        )


def _of_album(studio: Studio, what: What, user_id: str, album_id: str, jobs: JobsClient | None) -> Receipt:
    album = album_of(studio, user_id, album_id)
    if what != "model":
        with studio.db.session() as db:
            # No job begins any more; and other photos may show somebody else: it is asked for again.
            db.execute(
                update(Album).where(Album.id == album.id).values(consent_at=None, consent_version=None)
            )
    return _erase(studio, Target(what, user_id, (album.id,)), jobs)


def _of_job(studio: Studio, what: What, user_id: str, job_id: str, jobs: JobsClient | None) -> Receipt:
    job = job_of(studio, user_id, job_id)
    return _erase(studio, Target(what, user_id, (job.album_id,), (job.id,)), jobs)


def _erase(studio: Studio, target: Target, jobs: JobsClient | None) -> Receipt:
    with studio.db.session() as db:
        target = target.now(db)
        receipt = Receipt(
            user_id=target.user, what=target.what, state="begun", content={"target": target.to_json()}
        )
        db.add(receipt)
    with _client(studio, jobs) as client:
        return _Erasure(studio, receipt.id, client, patience_s=STOP_S).go()


@contextmanager
def _client(studio: Studio, jobs: JobsClient | None) -> Iterator[JobsClient]:
    if jobs is not None:
        yield jobs
        return
    from .jobs import Jobs

    own = Jobs(studio)
    try:
        yield own
    finally:
        own.close()


class _Erasure:
    """Carries out what a receipt says. May be repeated, also by two processes at once."""

    def __init__(self, studio: Studio, receipt_id: str, jobs: JobsClient, *, patience_s: float) -> None:
        self._studio, self._id, self._jobs = studio, receipt_id, jobs
        self._until = time.monotonic() + patience_s
        with studio.db.session() as db:
            receipt = db.get_one(Receipt, receipt_id)
        self._receipt = receipt
        self._content: dict[str, Any] = dict(receipt.content)

    def go(self) -> Receipt:
        """Do what can be done now."""
        if "target" not in self._content:  # another process was faster
            return self._receipt
        with self._studio.db.session() as db:
            target = Target.from_json(self._receipt.what, self._content["target"]).now(db)
        self._content["target"] = target.to_json()
        if not self._stopped(target):
            return self._leave("job-running")
        from stages.errors import WorkFolderBusy

        try:
            with self._locked(target.works(self._studio)):
                unreached = self._delete_files(target)
        except WorkFolderBusy:
            return self._leave("in-use")
        for job_id in target.jobs:
            if target.with_results:
                self._jobs.forget(job_id)
        return self._delete_rows(target, unreached=unreached)

    # ---- before

    def _stopped(self, target: Target) -> bool:
        """Whether none of the jobs is worked on any more."""
        asked = False
        while True:
            with self._studio.db.session() as db:
                running = list(
                    db.scalars(select(Job.id).where(Job.id.in_(target.jobs), Job.state.in_(UNFINISHED)))
                )
            if not running:
                return True
            if not asked:
                for job_id in running:
                    self._jobs.cancel(job_id)
                asked = True
                continue
            if time.monotonic() >= self._until:
                return False
            time.sleep(_POLL_S)

    @contextmanager
    def _locked(self, works: list[Path]) -> Iterator[None]:
        """Nobody works in the albums' folders meanwhile."""
        from stages.errors import WorkFolderBusy
        from stages.lock import FolderLock
        from stages.recipes.ahead import AHEAD

        with ExitStack() as stack:
            for work in works:
                for folder in (work, work / AHEAD):
                    while folder.is_dir():
                        try:
                            stack.enter_context(FolderLock(folder / "lock"))
                            break
                        except WorkFolderBusy:
                            if time.monotonic() >= self._until:
                                raise
                            time.sleep(_POLL_S)
            yield

    # ---- the work

    def _delete_files(self, target: Target) -> bool:
        """Delete them; whether a models folder was not reached."""
        self._count(target)
        unreached: list[Path] = []
        if target.with_model:
            unreached = [work for work in target.works(self._studio) if not self._unpublished(work)]
        if unreached and time.time() - self._receipt.at > GIVE_UP_S:
            self._content["left"], unreached = ["models-folder-given-up"], []
        keep = [path for work in unreached for path in models.needed_to_unpublish(work)]
        for path in targets.files_of(self._studio, target):
            files.remove_but(path, keep)
        return bool(unreached)

    def _count(self, target: Target) -> None:
        """Write down what goes before any of it does: an interrupted deletion must not count what is left."""
        if "files" in self._content:
            return
        size = files.measure(targets.files_of(self._studio, target))
        with self._studio.db.session() as db:
            self._content |= targets.count(db, target)
        self._content |= {"files": size.files, "bytes": size.size_bytes, "models": 0}
        self._save()

    def _unpublished(self, work: Path) -> bool:
        """Take the album's model out of the models folders; whether all of them were reached."""
        cleared = set(self._content.get("cleared", ()))
        reached = True
        for mark, number in models.unpublish(self._studio, work, cleared):
            if number is None:
                reached = False
                continue
            cleared.add(mark)
            self._content |= {"models": self._content["models"] + number, "cleared": sorted(cleared)}
            self._save()
        return reached

    def _delete_rows(self, target: Target, *, unreached: bool) -> Receipt:
        """Rows last: as long as they are there, the deletion can be asked for again."""
        content = {name: value for name, value in self._content.items() if name not in WORKING}
        if content.get("left") != ["models-folder-given-up"]:
            content.pop("left", None)
        if unreached:
            content = {**self._content, "left": ["models-folder"]}
        if target.with_results:
            self._delete_mails(target)
        with self._studio.db.session() as db:
            targets.delete_rows(db, target, time.time())
            if target.what == "account":
                _delete_account(self._studio, db, target.user)
            receipt = db.get_one(Receipt, self._id)
            receipt.state, receipt.content = ("begun" if unreached else "done"), content
            db.flush()
            # An upload writes its album's row, which is held from here on: none comes after this look.
            late = [path for path in targets.late_uploads(self._studio, target) if path.exists()]
            if late and target.with_results and not unreached:
                late = targets.files_of(self._studio, target)
            for path in late:
                files.remove(path)
        return receipt

    def _delete_mails(self, target: Target) -> None:
        """Mails of the jobs, whose links lead nowhere now; with an account all of its."""
        from .mail import erase_mails, outbox_file

        if target.what == "account":
            erase_mails(self._studio, target.user)
        with self._studio.db.session() as db:
            for mail in db.scalars(select(Mail).where(Mail.job_id.in_(target.jobs))):
                outbox_file(self._studio, mail.id).unlink(missing_ok=True)
                if target.what != "portraits":
                    db.delete(mail)
                elif mail.state in ("waiting", "sending"):
                    # The row stays: by its key nobody writes the same mail again.
                    mail.state, mail.params, mail.last_error = "failed", {}, "The portraits were deleted."

    def _leave(self, why: str) -> Receipt:
        self._content["left"] = [why]
        self._save()
        return self._receipt

    def _save(self) -> None:
        with self._studio.db.session() as db:
            receipt = db.get_one(Receipt, self._id)
            receipt.content = dict(self._content)
        self._receipt = receipt


def _delete_account(studio: Studio, db: Session, user_id: str) -> None:
    """The account's own row and all that hangs on it, with a last mail; receipts become nobody's."""
    from .mail import post

    user = db.get(User, user_id)
    if user is not None:
        if user.confirmed_at is not None:
            post_key = f"account:{user_id}:deleted"
            post(studio, key=post_key, user=user, template="account-deleted", params={}, db=db)
        db.delete(user)
    db.execute(update(Receipt).where(Receipt.user_id == user_id).values(user_id=None))
