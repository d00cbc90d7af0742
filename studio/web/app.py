"""The application: everything HTTP. Start it with uvicorn, see `studio/cli/serve.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from ..core import Studio

if TYPE_CHECKING:
    from ..jobs import Jobs


def build_app(studio: Studio, jobs: Jobs, *, page: bool = False) -> FastAPI:
    """Put the application together.

    Args:
        studio: The opened studio.
        jobs: The client side of the jobs.
        page: Whether the Gradio page is mounted at /ko and /en; it takes seconds to import.
    """
    app = FastAPI(title="Portrait studio", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    app.state.studio, app.state.jobs = studio, jobs
    if page:
        from .page import mount_page

        for language in ("ko", "en"):
            mount_page(app, studio, jobs, language)  # type: ignore[arg-type]
    return app
