"""What the mail of a finished job is filled with."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from studio.core import Studio
from studio.data import Album, Job
from studio.jobs.telling import params_of
from tests.stubs.studios import make_studio, make_user


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return make_studio(tmp_path / "data")


def told(studio: Studio, run: dict[str, Any]) -> Any:
    """Parameters of the mail of a job whose run.json is this."""
    user = make_user(studio)
    with studio.db.session() as db:
        album = Album(user_id=user.id)
        db.add(album)
        db.flush()
        job = Job(user_id=user.id, album_id=album.id, state="done", finished_at=time.time())
        db.add(job)
        db.flush()
        folder = studio.layout.job(user.id, job.id)
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(run), "utf-8")
        return params_of(db, studio, job)


@pytest.mark.parametrize(
    ("webui", "sandbox"),
    [
        ({"sandbox": False}, False),
        ({"sandbox": True}, True),
        ({"sandbox": False, "servers": [{"sandbox": False}, {"sandbox": True}]}, True),
    ],
)
def test_the_mail_says_when_a_stand_in_drew(studio: Studio, webui: dict[str, Any], sandbox: bool) -> None:
    assert told(studio, {"webui": webui})["sandbox"] is sandbox
