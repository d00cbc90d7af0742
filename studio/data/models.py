"""The tables.

Times are seconds since 1970 (UTC) as floats: SQLite has no time zones, and numbers compare alike on both
databases. Identifiers are random: nobody counts or guesses them. Secrets (passwords, session
and link tokens) are kept as hashes only.

What changes here needs a migration: `studio/data/migrate.py` says how it is written.
"""

from __future__ import annotations

import secrets
import time
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID = String(32)
HASH = String(64)

UNFINISHED = ("queued", "running")
"""States of a job that is still on its way."""
LIVING = ("running", "draining")
"""States of a worker whose heartbeat is expected."""


def new_id() -> str:
    """A new identifier: 20 characters of [0-9a-f], 80 random bits; also safe as a file name."""
    return secrets.token_hex(10)


class Base(DeclarativeBase):
    """Root of the tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, float: Float(53)}  # noqa: RUF012  SQLAlchemy's


class User(Base):
    """Somebody with an account."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Normalised: NFKC, trimmed, lower case."""
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """argon2id; None for those who sign in by mailed links only."""
    language: Mapped[str] = mapped_column(String(2), default="en")
    """"ko" or "en": of pages and mails."""
    role: Mapped[str] = mapped_column(String(16), default="user")
    """"user" or "operator"."""
    created_at: Mapped[float] = mapped_column(default=time.time)
    confirmed_at: Mapped[float | None]
    """When a mailed link was opened; None while the address is unproved."""
    disabled_at: Mapped[float | None]
    quota_jobs: Mapped[int | None]
    """Jobs that may wait or run at once; None = the studio's."""
    quota_portraits_month: Mapped[int | None]
    """Portraits in 30 days; None = the studio's."""


class SignedSession(Base):
    """A browser that is signed in."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float] = mapped_column(default=time.time)
    seen_at: Mapped[float] = mapped_column(default=time.time)
    expires_at: Mapped[float]


class ApiToken(Base):
    """A token of the REST API."""

    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(HASH, unique=True)
    name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[float] = mapped_column(default=time.time)
    used_at: Mapped[float | None]
    expires_at: Mapped[float | None]


class Link(Base):
    """A mailed link that works once: sign in, confirm the address, set a new password."""

    __tablename__ = "links"

    token_hash: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    """"sign-in", "confirm" or "reset"."""
    created_at: Mapped[float] = mapped_column(default=time.time)
    expires_at: Mapped[float]
    used_at: Mapped[float | None]


class Attempt(Base):
    """Something that is rate-limited was tried."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    key: Mapped[str] = mapped_column(HASH)
    """Hash of what is limited and for whom: no address and no e-mail is kept."""
    at: Mapped[float] = mapped_column(default=time.time)

    __table_args__ = (Index("ix_attempts_key_at", "key", "at"),)


class Album(Base):
    """One person's photos, and the models and pictures made of them."""

    __tablename__ = "albums"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(80), default="")
    subject: Mapped[str] = mapped_column(String(16), default="person")
    """"person", "woman" or "man": the class word of prompts."""
    created_at: Mapped[float] = mapped_column(default=time.time)
    consent_at: Mapped[float | None]
    """None until the statement was agreed to; no job begins before."""
    consent_version: Mapped[str | None] = mapped_column(String(32))
    """Which text was agreed to, see `studio.consent_texts`."""
    keep_photos_until: Mapped[float | None]
    photos_deleted_at: Mapped[float | None]
    model_deleted_at: Mapped[float | None]
    """Set while no trained model of the person is kept; None also before the first training."""
    wishes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What the page's form of wishes holds, so that another tab or device finds it; {} = untouched."""


class Photo(Base):
    """One uploaded photo, as it was re-encoded, and what was said of it."""

    __tablename__ = "photos"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    album_id: Mapped[str] = mapped_column(ForeignKey("albums.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    file: Mapped[str] = mapped_column(String(80))
    """Its name in the album's folder of photos: `ID.jpg`. Never anything the user typed."""
    shown_name: Mapped[str] = mapped_column(String(120), default="")
    """What the user's device called it; only ever shown, escaped."""
    sha256: Mapped[str] = mapped_column(HASH)
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int]
    created_at: Mapped[float] = mapped_column(default=time.time)
    accepted: Mapped[bool | None] = mapped_column(Boolean)
    """None while it was not judged yet."""
    verdict: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """{"code", "reason": {"ko", "en"}, "advice": {"ko", "en"}, "face": [x, y, w, h] | null}; the face in
    shares (0..1) of the photo's width and height."""

    __table_args__ = (UniqueConstraint("album_id", "sha256"),)


class Job(Base):
    """One wish for portraits of one album. A retouch is a job of the same album with a parent."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    album_id: Mapped[str] = mapped_column(ForeignKey("albums.id", ondelete="CASCADE"), index=True)
    parent_id: Mapped[str | None] = mapped_column(ID)
    wishes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """`studio.wishes.Wishes` as JSON."""
    attempt: Mapped[int] = mapped_column(default=1)
    """Raised when an operator requeues it: the workflows of each attempt have names of their own."""
    priority: Mapped[int] = mapped_column(default=100)
    """Lower goes first; 1..1000."""
    turn: Mapped[int] = mapped_column(default=0)
    """Among jobs of one priority: each user has one job in a turn, so that users take turns."""
    state: Mapped[str] = mapped_column(String(16), default="queued")
    """"queued", "running", "done", "failed" or "cancelled"."""
    stage: Mapped[str] = mapped_column(String(16), default="photos")
    """"photos", "training", "choosing", "drawing", "delivery" or "mail": where it is, or waits to be."""
    waiting: Mapped[bool] = mapped_column(default=True)
    """Whether it waits in the queue of that stage."""
    fraction: Mapped[float] = mapped_column(default=0.0)
    """Of the whole job, 0..1; never goes back within an attempt."""
    time_left_s: Mapped[float | None]
    done_pictures: Mapped[int] = mapped_column(default=0)
    total_pictures: Mapped[int] = mapped_column(default=0)
    generations: Mapped[int] = mapped_column(default=0)
    """Jobs that servers were paid for."""
    preview: Mapped[str | None] = mapped_column(String(80))
    """File name of the newest preview in the job's folder; changes with each."""
    note: Mapped[str] = mapped_column(Text, default="")
    """The last thing the recipe said, for the operator."""
    cancel_asked_at: Mapped[float | None]
    error: Mapped[dict[str, Any] | None]
    """{"code", "message": {"ko", "en"}, "hint": {"ko", "en"}} of a failed job."""
    worker_id: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[float] = mapped_column(default=time.time, index=True)
    queued_at: Mapped[float] = mapped_column(default=time.time)
    """When it began to wait for the stage it is in."""
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    keep_until: Mapped[float | None]
    """When its results are deleted."""
    deleted_at: Mapped[float | None]
    """When its results were; the row stays for the operator's totals until the account goes."""

    __table_args__ = (
        Index("ix_jobs_state", "state", "stage"),
        Index("ix_jobs_finished_at", "finished_at"),
    )


class JobEvent(Base):
    """A stage of a job, for the timeline and the metrics. Never holds personal data."""

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    stage: Mapped[str] = mapped_column(String(16))
    worker_id: Mapped[str | None] = mapped_column(String(80))
    queued_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    """"done", "failed", "cancelled" or "lost" (its worker died)."""

    __table_args__ = (Index("ix_job_events_stage", "stage", "ended_at"),)


class Portrait(Base):
    """One delivered picture."""

    __tablename__ = "portraits"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    file: Mapped[str] = mapped_column(String(120))
    """Relative to the job's folder: `portraits/01-front-cool.png`."""
    pose: Mapped[str] = mapped_column(String(64))
    tone: Mapped[str] = mapped_column(String(64))
    seed: Mapped[int] = mapped_column(BigInteger)
    likeness: Mapped[float]
    """0..1."""
    width: Mapped[int]
    height: Mapped[int]
    sha256: Mapped[str] = mapped_column(HASH)
    stages: Mapped[list[Any]] = mapped_column(default=list)
    """Before and after: [{"stage": "txt2img", "file": "stages/01-txt2img.jpg", "likeness": 0.93}, …]."""
    favourite: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[float] = mapped_column(default=time.time)

    __table_args__ = (UniqueConstraint("job_id", "number"),)


class Worker(Base):
    """A process that does jobs. `id` is stable over restarts: it is DBOS's executor_id."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    """"generate", "train" or "all"."""
    host: Mapped[str] = mapped_column(String(120))
    pid: Mapped[int]
    version: Mapped[str] = mapped_column(String(40))
    """The application version its workflows are pinned to."""
    servers: Mapped[list[Any]] = mapped_column(default=list)
    """Addresses of its WebUIs, without credentials; for a trainer the name of its GPU."""
    state: Mapped[str] = mapped_column(String(16), default="running")
    """"running", "draining", "stopped" or "dead" (its heartbeat stopped and its jobs were taken over)."""
    started_at: Mapped[float] = mapped_column(default=time.time)
    heartbeat_at: Mapped[float] = mapped_column(default=time.time)
    stats: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Since it started: {"servers": {url: {"busy_s", "generations", "since"}}, "refusals": {reason: n}}."""


class GpuLease(Base):
    """Who works on a GPU now: a row a GPU, so that no two jobs share one."""

    __tablename__ = "gpu_leases"

    gpu: Mapped[str] = mapped_column(String(200), primary_key=True)
    """A WebUI's address without credentials, or a trainer's GPU name."""
    worker_id: Mapped[str] = mapped_column(String(80))
    job_id: Mapped[str] = mapped_column(ID)
    since: Mapped[float] = mapped_column(default=time.time)


class Mail(Base):
    """A mail to be sent, being sent, or sent. `key` makes it one: a second of the same key is the first."""

    __tablename__ = "mails"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    """For example `job:ID:ready`."""
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    """None for the mail that says the account is gone."""
    address: Mapped[str | None] = mapped_column(String(254))
    """Only of a mail without a user, until it is sent or given up."""
    job_id: Mapped[str | None] = mapped_column(ID)
    template: Mapped[str] = mapped_column(String(32))
    language: Mapped[str] = mapped_column(String(2))
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What the template is filled with; emptied once it is sent (links are secrets)."""
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    """"waiting", "sending", "sent", "unclear" (died while the server had it) or "failed"."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[float] = mapped_column(default=time.time)
    claim: Mapped[str | None] = mapped_column(ID)
    """Who sends it now: random, so that a claim that was taken over can no longer act."""
    claimed_at: Mapped[float | None]
    data_at: Mapped[float | None]
    """When the server was about to be given it: from then on it may have been accepted."""
    created_at: Mapped[float] = mapped_column(default=time.time)
    sent_at: Mapped[float | None]
    last_error: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (Index("ix_mails_state", "state", "next_at"),)


class Receipt(Base):
    """What was deleted, for the person who asked; without personal data."""

    __tablename__ = "receipts"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    user_id: Mapped[str | None] = mapped_column(ID, index=True)
    """No foreign key: it outlives the account; emptied then."""
    what: Mapped[str] = mapped_column(String(16))
    """"photos", "model", "portraits", "job", "album" or "account"."""
    state: Mapped[str] = mapped_column(String(16), default="done")
    """"done", or "begun" while something of it is left to be deleted."""
    content: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[float] = mapped_column(default=time.time)


class Flag(Base):
    """What an operator switched: `paused`, `drain:WORKER` …"""

    __tablename__ = "flags"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[float] = mapped_column(default=time.time)
