"""The page people use: Gradio carries its events, our templates draw it.

Gradio shows one element, calls Python when something is pressed, and ticks a timer. No file goes through it:
photos are posted to the API, pictures are addresses of `/files/…`. What is shown is read from the database at
every event, so that a second tab, another device or a restarted server shows the same.

Gradio takes seconds to import, so it is imported when the page is mounted and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from ...core import Studio
from ...refusals import Language

if TYPE_CHECKING:
    from ...jobs import Jobs

__all__ = ["mount_page"]


def mount_page(app: FastAPI, studio: Studio, jobs: Jobs, language: Language) -> None:
    """Serve the page in one language at `/ko` or `/en`.

    Args:
        app: The application; keeps strangers away from the page (they are sent to sign in) and Gradio's own
            upload and file routes closed.
        studio: The opened studio.
        jobs: The client side of the jobs.
        language: Of everything the page says.
    """
    from .blocks import mount_blocks

    mount_blocks(app, studio, jobs, language)
