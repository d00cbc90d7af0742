"""/metrics, and who may read it."""

from __future__ import annotations

import hmac
import ipaddress

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ..core import Studio
from ..service_settings import StudioSettings
from .collector import StudioCollector

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def make_router(studio: Studio, *, cache_s: float = 5.0) -> APIRouter:
    """See `studio.metrics.metrics_router`; counts are kept `cache_s` seconds."""
    router = APIRouter()
    registry = CollectorRegistry()
    registry.register(StudioCollector(studio, cache_s=cache_s))

    @router.get("/metrics", include_in_schema=False)
    def metrics(request: Request) -> Response:
        refused = refusal(studio.settings, request)
        if refused is not None:
            return refused
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=None, headers={"content-type": content_type})

    return router


def refusal(settings: StudioSettings, request: Request) -> Response | None:
    """The answer to somebody who may not read the metrics; None to one who may."""
    if settings.metrics_token is not None:
        wanted = settings.metrics_token.get_secret_value()
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if wanted and scheme.lower() == "bearer" and _same(given.strip(), wanted):
            return None
        return Response(
            "These metrics need a token: Authorization: Bearer TOKEN (SDWEBUI_METRICS_TOKEN).\n",
            status_code=401,
            headers={"www-authenticate": "Bearer"},
            media_type="text/plain",
        )
    if _is_local(request):
        return None
    return Response(
        "Metrics are for this machine only. Set SDWEBUI_METRICS_TOKEN to read them from another.\n",
        status_code=403,
        media_type="text/plain",
    )


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8"), wanted.encode("utf-8"))


def _is_local(request: Request) -> bool:
    """From this machine and not through a reverse proxy on it, whose callers are anybody."""
    if any(name in request.headers for name in FORWARDED):
        return False
    host = request.headers.get("host", "").lower()
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return address.is_loopback and name in LOCAL_NAMES
