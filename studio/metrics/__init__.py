"""What Prometheus reads at /metrics: counted in the database, so that every process says the same.

    families.py    the table of what there is: name, kind, labels, meaning
    counts.py      the queries
    ledger.py      keeps counters from falling when an account is erased
    collector.py   from rows to families, kept some seconds
    router.py      /metrics, and who may read it

docs/decisions/0023-metrics-from-the-database.md says why there are no counters in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .families import FAMILIES, Family

if TYPE_CHECKING:
    from fastapi import APIRouter

    from ..core import Studio

__all__ = ["FAMILIES", "Family", "metrics_router", "metrics_text"]


def metrics_router(studio: Studio) -> APIRouter:
    """The route /metrics, to be included in the application.

    With `metrics_token` set it asks for it as a bearer token (401 without); else it answers this machine only
    (403 to others, and to what a reverse proxy forwards).
    """
    from .router import make_router

    return make_router(studio)


def metrics_text(studio: Studio) -> str:
    """All metrics now, as Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    from .collector import StudioCollector

    registry = CollectorRegistry()
    registry.register(StudioCollector(studio, cache_s=0))
    return generate_latest(registry).decode("utf-8")
