"""What browsers ask for by themselves; without an answer their console shows an error on every page."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response

from .pages import STATIC

router = APIRouter(include_in_schema=False)


@router.get("/favicon.ico")
def icon() -> Response:
    """The icon, for pages that name none (Gradio's, gradio@6.31 templates/frontend/index.html)."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")


@router.get("/manifest.json")
def manifest() -> Response:
    """For a phone's home screen; Gradio's page links to it."""
    return JSONResponse(
        {
            "name": "Portrait Studio",
            "short_name": "Studio",
            "start_url": "/",
            "display": "standalone",
            "background_color": "#f7f3ec",
            "theme_color": "#f7f3ec",
            "icons": [{"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml"}],
        },
        media_type="application/manifest+json",
    )
