"""What Prometheus reads equals what lies in the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import delete

from studio.core import Studio
from studio.data import Album, Flag, GpuLease, Job, JobEvent, Mail, Photo, Portrait, User, Worker
from studio.metrics import FAMILIES, metrics_router, metrics_text
from studio.metrics.counts import totals
from studio.metrics.ledger import KEY, settle
from studio.metrics.router import make_router
from studio.service_settings import StudioSettings

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    made = Studio.open(StudioSettings(data_dir=tmp_path / "data"))
    yield made
    made.close()


def samples(studio: Studio) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics_text(studio))
        for sample in family.samples
    }


def value(studio: Studio, name: str, **labels: str) -> float | None:
    return samples(studio).get((name, frozenset(labels.items())))


def add_job(studio: Studio, user_id: str, album_id: str, **given: object) -> str:
    job = Job(user_id=user_id, album_id=album_id, **given)
    with studio.db.session() as db:
        db.add(job)
    return job.id


def add_user(studio: Studio, name: str, **given: object) -> tuple[str, str]:
    user = User(email=f"{name}@example.org", confirmed_at=1.0, **given)
    with studio.db.session() as db:
        db.add(user)
        db.flush()
        album = Album(user_id=user.id)
        db.add(album)
        db.flush()
        return user.id, album.id


def portrait(user_id: str, job_id: str, number: int, likeness: float) -> Portrait:
    return Portrait(
        user_id=user_id,
        job_id=job_id,
        number=number,
        file=f"portraits/{number:02}-front-cool.png",
        pose="front",
        tone="cool",
        seed=1,
        likeness=likeness,
        width=1,
        height=1,
        sha256="0" * 64,
    )


def test_an_empty_studio_has_every_gauge_at_zero(studio: Studio) -> None:
    found = samples(studio)
    assert found["studio_database_up", frozenset()] == 1
    assert found["studio_paused", frozenset()] == 0
    assert found["studio_jobs_waiting", frozenset({("stage", "training")})] == 0
    assert found["studio_generations_total", frozenset()] == 0
    assert found["studio_disk_free_bytes", frozenset()] > 0
    assert not [labels for name, labels in found if name == "studio_last_backup_timestamp_seconds"]


def test_jobs_by_state_and_stage(studio: Studio) -> None:
    user, album = add_user(studio, "a")
    now = time.time()
    for seconds in (10, 300):
        add_job(studio, user, album, stage="training", queued_at=now - seconds)
    add_job(studio, user, album, state="running", stage="drawing", waiting=False, generations=5)
    add_job(studio, user, album, state="done", stage="mail", waiting=False, generations=7)
    add_job(studio, user, album, state="failed", waiting=False, error={"code": "disk-full"})
    add_job(studio, user, album, state="failed", waiting=False)
    assert value(studio, "studio_jobs", state="queued", stage="training") == 2
    assert value(studio, "studio_jobs", state="running", stage="drawing") == 1
    assert value(studio, "studio_jobs_waiting", stage="training") == 2
    assert value(studio, "studio_jobs_waiting", stage="drawing") == 0
    assert value(studio, "studio_oldest_wait_seconds", stage="training") == pytest.approx(300, abs=5)
    assert value(studio, "studio_jobs_finished_total", state="done") == 1
    assert value(studio, "studio_jobs_finished_total", state="failed") == 2
    assert value(studio, "studio_job_failures_total", code="disk-full") == 1
    assert value(studio, "studio_job_failures_total", code="unknown") == 1
    assert value(studio, "studio_generations_total") == 12


def test_wait_and_run_times_are_histograms(studio: Studio) -> None:
    user, album = add_user(studio, "a")
    job = add_job(studio, user, album)
    with studio.db.session() as db:
        for wait, run in ((2.0, 100.0), (0.5, 4000.0), (-3.0, 90.0)):
            start = 1000.0 + wait
            db.add(
                JobEvent(
                    job_id=job,
                    stage="training",
                    queued_at=1000.0,
                    started_at=start,
                    ended_at=start + run,
                    outcome="done",
                )
            )
        db.add(JobEvent(job_id=job, stage="training", queued_at=5.0))
        db.add(JobEvent(job_id=job, stage="training", queued_at=5.0, started_at=6.0))
    wait = "studio_stage_wait_seconds"
    assert value(studio, f"{wait}_bucket", stage="training", le="1.0") == 3  # 0.5, one back in time, 1.0
    assert value(studio, f"{wait}_bucket", stage="training", le="5.0") == 4
    assert value(studio, f"{wait}_bucket", stage="training", le="+Inf") == 4
    assert value(studio, f"{wait}_sum", stage="training") == pytest.approx(3.5)
    run = "studio_stage_run_seconds"
    labels = {"stage": "training", "outcome": "done"}
    assert value(studio, f"{run}_count", **labels) == 3
    assert value(studio, f"{run}_bucket", le="60.0", **labels) == 0
    assert value(studio, f"{run}_bucket", le="120.0", **labels) == 2
    assert value(studio, f"{run}_bucket", le="3600.0", **labels) == 2
    assert value(studio, f"{run}_bucket", le="7200.0", **labels) == 3
    assert value(studio, f"{run}_sum", **labels) == pytest.approx(4190)


def test_likeness_and_photos(studio: Studio) -> None:
    user, album = add_user(studio, "a")
    job = add_job(studio, user, album)
    with studio.db.session() as db:
        db.add_all(portrait(user, job, number, like) for number, like in enumerate((0.62, 0.88, 0.93, 1.0)))
        for number, (accepted, code) in enumerate(
            ((True, "ok"), (True, "ok"), (False, "blurred"), (None, ""))
        ):
            db.add(
                Photo(
                    album_id=album,
                    user_id=user,
                    file="x.jpg",
                    sha256=str(number) * 64,
                    width=1,
                    height=1,
                    size_bytes=1,
                    accepted=accepted,
                    verdict={"code": code},
                )
            )
    assert value(studio, "studio_portraits_total", tone="cool") == 4
    assert value(studio, "studio_portrait_likeness_bucket", le="0.6") == 0
    assert value(studio, "studio_portrait_likeness_bucket", le="0.9") == 2
    assert value(studio, "studio_portrait_likeness_bucket", le="1.0") == 4
    assert value(studio, "studio_portrait_likeness_count") == 4
    assert value(studio, "studio_photos_judged_total", verdict="accepted") == 2
    assert value(studio, "studio_photos_judged_total", verdict="blurred") == 1
    assert value(studio, "studio_photos_judged_total", verdict="") is None


def test_two_workers_and_a_dead_one(studio: Studio) -> None:
    now = time.time()
    common = {"role": "generate", "host": "h", "pid": 1, "version": "1"}
    stats = {
        "servers": {"http://gpu:7860": {"busy_s": 90.0, "generations": 4, "since": now - 100}},
        "refusals": {"likeness": 2},
    }
    with studio.db.session() as db:
        db.add(Worker(id="one", **common, stats=stats, heartbeat_at=now))
        db.add(Worker(id="two", **common, stats={**stats, "refusals": {"likeness": 5}}, heartbeat_at=now))
        db.add(Worker(id="three", **common, heartbeat_at=now - 3600, stats={}))
        db.add(Worker(id="old", **common, heartbeat_at=now - 9e5, stats=stats, state="stopped"))
        db.add(GpuLease(gpu="http://gpu:7860", worker_id="one", job_id="j"))
    assert value(studio, "studio_workers", role="generate", state="running") == 2
    assert value(studio, "studio_workers", role="generate", state="silent") == 1
    assert value(studio, "studio_workers", role="generate", state="stopped") == 1
    server = {"server": "http://gpu:7860"}
    for worker, refused in (("one", 2), ("two", 5)):
        labels = {"worker": worker, **server}
        assert value(studio, "studio_server_busy_seconds_total", **labels) == 90
        assert value(studio, "studio_server_generations_total", **labels) == 4
        assert value(studio, "studio_server_busy_share", **labels) == pytest.approx(0.9)
        assert value(studio, "studio_picture_refusals_total", worker=worker, reason="likeness") == refused
    assert value(studio, "studio_server_busy_seconds_total", worker="old", **server) is None
    assert value(studio, "studio_worker_heartbeat_age_seconds", worker="three") == pytest.approx(3600, abs=5)
    assert value(studio, "studio_gpu_leased", worker="one", **server) == 1


def test_mails_users_pause_and_backup(studio: Studio) -> None:
    user, _ = add_user(studio, "a")
    add_user(studio, "b", disabled_at=1.0)
    with studio.db.session() as db:
        db.add(User(email="c@example.org"))
        mail = {"user_id": user, "template": "ready", "language": "ko"}
        db.add(Mail(key="1", **mail, state="sent"))
        db.add(Mail(key="2", **mail, next_at=time.time() - 500))
        db.add(Mail(key="3", **mail, next_at=time.time() + 500))
        db.add(Mail(key="4", **mail, state="unclear"))
        db.add(Flag(key="paused"))
        db.add(Flag(key="backup", at=1234.0))
    assert value(studio, "studio_mails", state="waiting") == 2
    assert value(studio, "studio_mails", state="unclear") == 1
    assert value(studio, "studio_mails", state="failed") == 0
    assert value(studio, "studio_mail_oldest_due_seconds") == pytest.approx(500, abs=5)
    assert value(studio, "studio_users", state="active") == 1
    assert value(studio, "studio_users", state="disabled") == 1
    assert value(studio, "studio_users", state="unconfirmed") == 1
    assert value(studio, "studio_paused") == 1
    assert value(studio, "studio_last_backup_timestamp_seconds") == 1234


def test_counters_do_not_fall_when_an_account_is_erased(studio: Studio) -> None:
    user, album = add_user(studio, "a")
    job = add_job(studio, user, album, state="done", generations=6)
    with studio.db.session() as db:
        db.add(portrait(user, job, 1, 0.9))
    before = {key: found for key, found in samples(studio).items() if only_grows(key[0])}
    with studio.db.session() as db:
        db.execute(delete(User).where(User.id == user))
    assert value(studio, "studio_users", state="active") == 0
    after = samples(studio)
    assert {key: after[key] for key in before} == before
    other, album = add_user(studio, "b")
    add_job(studio, other, album, state="done", generations=1)
    assert value(studio, "studio_generations_total") == 7
    assert value(studio, "studio_jobs_finished_total", state="done") == 2


def grown(studio: Studio) -> float:
    """Generations as one process tells them."""
    return settle(studio.db, totals)["studio_generations_total",]


def scrape_until(studio: Studio, last: float) -> None:
    """Until this count of generations is the remembered one, whoever wrote it."""
    for _ in range(100):
        grown(studio)
        with studio.db.session() as db:
            flag = db.get(Flag, KEY)
        assert flag is not None
        if flag.value['["studio_generations_total"]'][0] == last:
            return
    raise AssertionError("it is never remembered")


def test_several_processes_tell_no_fall_and_no_double(studio: Studio) -> None:
    """One makes jobs and erases accounts; two others count meanwhile, each with connections of its own."""
    others = [Studio.open(studio.settings) for _ in range(2)]
    stop = threading.Event()
    told: list[list[float]] = [[] for _ in others]

    def read(number: int) -> None:
        while not stop.is_set():
            told[number].append(grown(others[number]))
            stop.wait(0.01)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(len(others))]
    for thread in threads:
        thread.start()
    try:
        for number in range(4):
            user, album = add_user(studio, f"u{number}")
            add_job(studio, user, album, generations=5)
            scrape_until(studio, 5.0)  # between making and erasing, so that nothing is missed
            with studio.db.session() as db:
                db.execute(delete(User).where(User.id == user))
            scrape_until(studio, 0.0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for other in others:
            other.close()
    for series in told:
        assert series == sorted(series), "a counter fell"
    assert grown(studio) == 20


def test_a_scrape_of_an_idle_studio_writes_nothing(studio: Studio) -> None:
    grown(studio)
    with studio.db.session() as db:
        before = db.get(Flag, KEY)
    grown(studio)
    with studio.db.session() as db:
        after = db.get(Flag, KEY)
    assert before is not None
    assert after is not None
    assert before.at == after.at


def only_grows(name: str) -> bool:
    return name.endswith("_total") or name.startswith("studio_portrait_likeness")


def test_every_family_is_in_the_table_and_well_formed(studio: Studio) -> None:
    for family in text_string_to_metric_families(metrics_text(studio)):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert FAMILIES[name].kind == family.type
        assert FAMILIES[name].meaning == family.documentation
    for name, entry in FAMILIES.items():
        assert name.startswith("studio_")
        assert name.endswith("_total") == (entry.kind == "counter")
        assert bool(entry.bounds) == (entry.kind == "histogram")
        assert list(entry.bounds) == sorted(set(entry.bounds))


def test_a_database_that_is_gone_is_said(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    with studio.db.session() as db:
        Job.__table__.drop(db.connection())
    found = samples(studio)
    assert found["studio_database_up", frozenset()] == 0
    assert ("studio_disk_free_bytes", frozenset()) in found
    assert ("studio_users", frozenset({("state", "active")})) not in found


def client(studio: Studio, *, of: str = "127.0.0.1", host: str = "localhost") -> TestClient:
    app = FastAPI()
    app.include_router(metrics_router(studio))
    return TestClient(app, client=(of, 40000), base_url=f"http://{host}:8000")


@pytest.mark.parametrize(
    ("of", "host", "headers", "status"),
    [
        ("127.0.0.1", "localhost", {}, 200),
        ("::1", "[::1]", {}, 200),
        ("127.0.0.1", "studio.example.org", {}, 403),
        ("192.0.2.7", "localhost", {}, 403),
        ("127.0.0.1", "localhost", {"X-Forwarded-For": "192.0.2.7"}, 403),
        ("127.0.0.1", "localhost", {"Forwarded": "for=192.0.2.7"}, 403),
        ("", "localhost", {}, 403),
    ],
)
def test_without_a_token_only_this_machine_reads(
    studio: Studio, of: str, host: str, headers: dict[str, str], status: int
) -> None:
    answer = client(studio, of=of, host=host).get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("studio_jobs" in answer.text) == (status == 200)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("Bearer wrong", 401),
        ("Bearer é", 401),
        (f"Basic {TOKEN}", 401),
        ("", 401),
    ],
)
def test_with_a_token_only_who_has_it_reads(tmp_path: Path, given: str, status: int) -> None:
    settings = StudioSettings(data_dir=tmp_path / "data", metrics_token=SecretStr(TOKEN))
    studio = Studio.open(settings)
    try:
        headers = [(b"authorization", given.encode("latin-1"))] if given else []
        answer = client(studio, of="192.0.2.7", host="studio.example.org").get("/metrics", headers=headers)
    finally:
        studio.close()
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_answers_are_kept_some_seconds(studio: Studio) -> None:
    app = FastAPI()
    app.include_router(make_router(studio, cache_s=3600))
    reader = TestClient(app, client=("127.0.0.1", 1), base_url="http://localhost")
    before = reader.get("/metrics").text
    add_user(studio, "a")
    assert reader.get("/metrics").text == before
    assert value(studio, "studio_users", state="active") == 1
    assert reader.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text.endswith("# EOF\n")
