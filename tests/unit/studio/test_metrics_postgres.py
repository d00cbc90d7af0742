"""The metrics and the operator's lists say the same on PostgreSQL as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import delete

from studio import overview
from studio.core import Studio
from studio.data import Album, GpuLease, Job, JobEvent, Mail, Photo, Portrait, User, Worker
from studio.metrics import metrics_text
from studio.service_settings import StudioSettings
from tests.stubs.postgres import postgres_available, start_postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not postgres_available(), reason="no PostgreSQL here; scripts/test.sh installs one"),
]
CLOCK = ("studio_disk", "studio_oldest", "studio_worker_heartbeat", "studio_build", "studio_mail_oldest")
"""What is not the same a moment later, or names the database."""


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = start_postgres(tmp_path_factory.mktemp("postgres"))
    yield server.url
    server.stop()


def fill(studio: Studio) -> str:
    with studio.db.session() as db:
        user = User(id="0" * 20, email="kim@example.org", confirmed_at=1.0)
        album = Album(id="1" * 20, user_id=user.id)
        db.add(user)
        db.flush()
        db.add(album)
        db.flush()
        ids = {"user_id": user.id, "album_id": album.id}
        job = Job(id="2" * 20, state="done", generations=7, **ids)
        failed = Job(id="3" * 20, state="failed", error={"code": "disk-full"}, **ids)
        db.add_all([job, failed, Job(id="4" * 20, **ids)])
        db.flush()
        for wait, run in ((1.0, 50.0), (700.0, 5000.0), (-1.0, 3.0)):
            db.add(
                JobEvent(
                    job_id=job.id,
                    stage="training",
                    queued_at=1e9,
                    started_at=1e9 + wait,
                    ended_at=1e9 + wait + run,
                    outcome="done",
                )
            )
        shot = {"pose": "p", "tone": "cool", "seed": 1, "width": 1, "height": 1, "sha256": "0", "file": "f"}
        for number, likeness in enumerate((0.5, 0.71, 0.99)):
            db.add(Portrait(job_id=job.id, user_id=user.id, number=number, likeness=likeness, **shot))
        for number, (accepted, code) in enumerate(((True, "ok"), (False, "blurred"))):
            photo = {"file": "f", "sha256": str(number), "width": 1, "height": 1, "size_bytes": 1}
            db.add(Photo(**ids, **photo, accepted=accepted, verdict={"code": code}))
        db.add(Mail(key="m", user_id=user.id, template="ready", language="ko", state="sent"))
        stats = {"servers": {"http://g": {"busy_s": 5.0, "generations": 2, "since": 0}}, "refusals": {"x": 1}}
        worker = {"role": "all", "host": "h", "pid": 1, "version": "1", "started_at": 1e9}
        db.add(Worker(id="w", state="stopped", stats=stats, heartbeat_at=2e9, **worker))
        db.add(GpuLease(gpu="http://g", worker_id="w", job_id=job.id))
    return user.id


def told(studio: Studio) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics_text(studio))
        for sample in family.samples
        if not sample.name.startswith(CLOCK)
    }


def test_both_databases_tell_the_same(postgres_url: str, tmp_path: Path) -> None:
    here = Studio.open(StudioSettings(data_dir=tmp_path / "a"))
    there = Studio.open(StudioSettings(data_dir=tmp_path / "b", database_url=SecretStr(postgres_url)))
    try:
        user_id = fill(here)
        fill(there)
        first, second = told(here), told(there)
        assert first == second
        assert len(first) > 60
        labels = frozenset({("stage", "training")})
        assert second["studio_stage_wait_seconds_count", labels] == 3
        assert [row["jobs"] for row in overview.users(there)] == [3]
        assert overview.find_job(there, "2222").id == "2" * 20
        assert len(overview.timeline(there, "2" * 20)) == 3
        for studio in (here, there):
            with studio.db.session() as db:
                db.execute(delete(User).where(User.id == user_id))
        erased = told(there)
        assert erased == told(here)
        assert erased["studio_generations_total", frozenset()] == 7
        assert erased["studio_portrait_likeness_count", frozenset()] == 3
    finally:
        here.close()
        there.close()
