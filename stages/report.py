"""report.html: the whole run on one page that needs nothing but itself.

Every picture is a small JPEG inside the page, so the page opens without a network, can be mailed, and stays
a few megabytes. The page says nothing about when the run happened: the same run makes the same bytes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .lib._optional import require

if TYPE_CHECKING:
    from PIL.Image import Image

_TEMPLATES = Path(__file__).parent / "templates"
THUMB_PX = 360
"""Longest side of a small picture in the page."""
STAGE_PX = 640
"""Longest side of a stage's picture: it is enlarged and compared with the stage before it."""
LARGE_PX = 1000
"""Longest side of a finished portrait in the page."""


@dataclass(frozen=True)
class PhotoView:
    """One of the person's photos."""

    file: str
    accepted: bool
    reason: str
    thumb: str | None
    """JPEG data URI; None for a file that is no picture."""


@dataclass(frozen=True)
class EffectView:
    """One thing a request asked for."""

    name: str
    status: str
    """ran | unverified | missing."""
    evidence: str


@dataclass(frozen=True)
class StageView:
    """One stage of a portrait."""

    title: str
    thumb: str
    size: str
    settings: tuple[tuple[str, str], ...]
    effects: tuple[EffectView, ...]

    @property
    def seen(self) -> int:
        """How many effects were seen to have run."""
        return sum(effect.status == "ran" for effect in self.effects)

    @property
    def unseen(self) -> int:
        """How many the server gave no sign of, or that did not run."""
        return len(self.effects) - self.seen


@dataclass(frozen=True)
class CandidateView:
    """One first picture of a pose."""

    shot: str
    thumb: str
    likeness: float
    distance: float | None
    seed: int
    chosen: bool
    note: str
    refused: bool = False
    """Good for nothing; False also for one that was good and not needed."""


@dataclass(frozen=True)
class PoseView:
    """All candidates of a pose."""

    title: str
    skeleton: str | None
    candidates: tuple[CandidateView, ...]


@dataclass(frozen=True)
class PortraitView:
    """One delivered portrait, stage by stage."""

    file: str
    title: str
    thumb: str
    size: str
    likeness: float
    seen: str
    """What the recipe found when it looked for itself: a sharp face, how far from the photos."""
    seed: int
    nearest_photo: str | None
    stages: tuple[StageView, ...]


@dataclass(frozen=True)
class RejectedView:
    """One finished picture that was not delivered."""

    shot: str
    thumb: str
    likeness: float
    reason: str


@dataclass(frozen=True)
class ReportView:
    """Everything the page shows."""

    title: str
    sandbox: bool
    facts: tuple[tuple[str, str], ...]
    """Label and value: the server, the LoRA, the preset, …"""
    min_likeness: float
    photos: tuple[PhotoView, ...]
    portraits: tuple[PortraitView, ...]
    poses: tuple[PoseView, ...]
    rejected: tuple[RejectedView, ...]
    notes: tuple[str, ...]
    preset_yaml: str


def render_report(view: ReportView) -> str:
    """The page as HTML text. All texts are escaped."""
    return render_page("report.html", view)


def render_page(template: str, view: object) -> str:
    """A page of `templates/` as HTML text, every text in the view escaped."""
    html: str = _environment().get_template(template).render(view=view)
    return html


@cache
def _environment() -> Any:
    jinja2 = require("jinja2", "jinja2")
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def thumbnail(image: Image, longest_px: int = THUMB_PX, *, quality: int = 82) -> str:
    """A picture as a small JPEG data URI.

    Args:
        image: Any mode; transparent parts become white.
        longest_px: Longest side; a smaller picture is not enlarged.
        quality: JPEG quality, 1–95.
    """
    small = flatten_to_rgb(image, longest_px)
    out = BytesIO()
    small.save(out, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def flatten_to_rgb(image: Image, longest_px: int) -> Image:
    """An RGB copy no larger than `longest_px`."""
    pil = require("PIL.Image", "pillow")
    if image.format == "JPEG":
        # A photo of 48 megapixels is decoded at an eighth when that is all that is shown.
        image.draft("RGB", (longest_px, longest_px))
    if image.mode in ("RGBA", "LA", "P"):
        layer = image.convert("RGBA")
        backdrop = pil.new("RGB", layer.size, "white")
        backdrop.paste(layer, mask=layer.getchannel("A"))
        image = backdrop
    copy = image.convert("RGB") if image.mode != "RGB" else image.copy()
    copy.thumbnail((longest_px, longest_px), pil.Resampling.LANCZOS)
    return copy
