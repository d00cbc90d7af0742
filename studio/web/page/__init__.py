"""The page people use: Gradio carries its events, our templates draw it.

Gradio shows one element, calls Python when something is pressed, and ticks a timer. No file goes through it:
photos are posted to the API, pictures are addresses of `/files/…`. What is shown is read from the database at
every event, so that a second tab, another device or a restarted server shows the same.

Importing this takes seconds (gradio): import it only where the page is served.
"""

from __future__ import annotations

from .blocks import mount_page

__all__ = ["mount_page"]
