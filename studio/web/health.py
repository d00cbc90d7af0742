"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import os
import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from ..core import Studio
from ..data import Worker
from .session import studio_of

router = APIRouter(prefix="/health", include_in_schema=False)


@router.get("/live")
async def live() -> Response:
    """The process answers."""
    return JSONResponse({"status": "alive"})


@router.get("/ready")
def ready(request: Request) -> Response:
    """200 when pages can be served; a studio without workers is ready too, its jobs wait."""
    studio = studio_of(request)
    checks = {"database": _database(studio), "files": os.access(studio.layout.tmp, os.W_OK)}
    fine = all(checks.values())
    return JSONResponse(
        {
            "status": "ready" if fine else "not ready",
            "checks": {name: "ok" if good else "failed" for name, good in checks.items()},
            "workers": _workers(studio) if checks["database"] else None,
        },
        200 if fine else 503,
    )


def _database(studio: Studio) -> bool:
    try:
        with studio.db.session() as db:
            db.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


def _workers(studio: Studio) -> int:
    """Workers that were heard lately."""
    since = time.time() - studio.settings.dead_after_s
    alive = select(func.count()).where(Worker.state == "running", Worker.heartbeat_at > since)
    with studio.db.session() as db:
        return db.scalar(alive) or 0
