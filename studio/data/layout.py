"""Where files lie below the one data directory. Every name is an identifier of ours, never what a user typed.

    DATA/
      studio.sqlite  jobs.sqlite     the two databases, unless PostgreSQL is named
      secret.key                     signs links and cookies, unless a secret is given
      outbox/                        mails as files, while no SMTP server is configured
      sandbox/models/                the sandbox's models folder, while no WebUI is configured
      logs/
      users/USER/albums/ALBUM/photos/     re-encoded uploads
                             /thumbs/
                             /work/       dataset, training, model, the store of every stage
      users/USER/jobs/JOB/                portraits/ stages/ preview-*.jpg report.html run.json
      tmp/                                uploads and archives on their way; swept at start

With several machines this folder lies on a file system they share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{8,32}")


def _checked(name: str) -> str:
    if not _ID.fullmatch(name):
        raise ValueError("not an identifier of the studio")
    return name


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths; nothing is made by asking for one."""

    root: Path

    def ensure(self) -> None:
        """Make the data directory, readable by its owner alone."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.users, self.tmp, self.outbox, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def users(self) -> Path:
        """All users' files."""
        return self.root / "users"

    @property
    def tmp(self) -> Path:
        """Uploads and archives on their way."""
        return self.root / "tmp"

    @property
    def outbox(self) -> Path:
        """Mails as files, while no SMTP server is configured."""
        return self.root / "outbox"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.root / "logs"

    @property
    def sandbox_models(self) -> Path:
        """The sandbox's models folder."""
        return self.root / "sandbox" / "models"

    def user(self, user_id: str) -> Path:
        """All of one user's."""
        return self.users / _checked(user_id)

    def album(self, user_id: str, album_id: str) -> Path:
        """One person's photos and what was made of them."""
        return self.user(user_id) / "albums" / _checked(album_id)

    def photos(self, user_id: str, album_id: str) -> Path:
        """The re-encoded uploads."""
        return self.album(user_id, album_id) / "photos"

    def thumbs(self, user_id: str, album_id: str) -> Path:
        """Small pictures of them."""
        return self.album(user_id, album_id) / "thumbs"

    def work(self, user_id: str, album_id: str) -> Path:
        """The recipe's work folder, shared by all jobs of the album: what one made, the next need not."""
        return self.album(user_id, album_id) / "work"

    def job(self, user_id: str, job_id: str) -> Path:
        """One job's results."""
        return self.user(user_id) / "jobs" / _checked(job_id)
