"""The application: everything HTTP. Start it with uvicorn, see `studio/serving.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from ..core import Studio
from ..logs import RequestLog
from . import account_pages, auth_pages, files, health, icons, problems, results_page
from .api import make_api
from .events import PlainEvents
from .gate import PageGate
from .judging import Judging
from .limits import BodyLimit
from .pages import STATIC
from .problems import Problems
from .security import Guard, SecureHeaders
from .turns import make_turns

if TYPE_CHECKING:
    from ..jobs import Jobs

LANGUAGES: tuple[Literal["ko", "en"], ...] = ("ko", "en")


def build_app(studio: Studio, jobs: Jobs, *, page: bool = False) -> FastAPI:
    """Put the application together.

    Args:
        studio: The opened studio.
        jobs: The client side of the jobs.
        page: Whether the Gradio page is mounted at /ko and /en; it takes seconds to import.
    """
    app = FastAPI(
        title="Portrait studio",
        description="Photos in, portraits out. docs/api.md is a short guide.",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.studio, app.state.jobs, app.state.page = studio, jobs, page
    app.state.turns, app.state.judging = make_turns(), Judging()
    problems.install(app)
    app.user_middleware[:] = _layers(studio, app)
    for part in (health, auth_pages, account_pages, results_page, files, icons):
        app.include_router(part.router)
    app.include_router(make_api())
    _add_metrics(app, studio)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    if page:
        from .page import mount_page

        for language in LANGUAGES:
            mount_page(app, studio, jobs, language)
    return app


def _layers(studio: Studio, app: FastAPI) -> list[Middleware]:
    """What every request goes through, outermost first."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    https = studio.public_url.startswith("https://")
    layers = [
        Middleware(RequestLog),
        Middleware(SecureHeaders, https=https),
        Middleware(Problems, owner=app),
        Middleware(Guard, public_url=studio.public_url),
        Middleware(BodyLimit, settings=studio.settings),
        Middleware(PageGate, owner=app),
        Middleware(PlainEvents),
    ]
    proxies = studio.settings.trusted_proxies.strip()
    if proxies:
        layers.insert(0, Middleware(ProxyHeadersMiddleware, trusted_hosts=proxies))
    return layers


def _add_metrics(app: FastAPI, studio: Studio) -> None:
    from ..metrics import metrics_router

    app.include_router(metrics_router(studio))
