"""What the studio remembers: the database's tables, how it is opened, and where files lie."""

from __future__ import annotations

from .database import Database, database_url
from .layout import Layout
from .models import (
    LIVING,
    UNFINISHED,
    Album,
    ApiToken,
    Attempt,
    Base,
    Flag,
    GpuLease,
    Job,
    JobEvent,
    Link,
    Mail,
    Photo,
    Portrait,
    Receipt,
    SignedSession,
    User,
    Worker,
    new_id,
)

__all__ = [
    "LIVING",
    "UNFINISHED",
    "Album",
    "ApiToken",
    "Attempt",
    "Base",
    "Database",
    "Flag",
    "GpuLease",
    "Job",
    "JobEvent",
    "Layout",
    "Link",
    "Mail",
    "Photo",
    "Portrait",
    "Receipt",
    "SignedSession",
    "User",
    "Worker",
    "database_url",
    "new_id",
]
