"""Draws the body below the head: neck, shoulders, arms and clothes."""

from __future__ import annotations

from .arms import draw_forearms
from .body import Body, draw_neck, make_body
from .wardrobe import dress

__all__ = ["Body", "draw_forearms", "draw_neck", "dress", "make_body"]
