"""Screens into HTML. Templates escape whatever is put into them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...refusals import Language
from ...views import STAGE_TITLES, Words
from .texts import words

if TYPE_CHECKING:
    from .scene import Scene


def render(scene: Scene, csrf: str) -> str:
    """The whole screen.

    Args:
        scene: What it shows.
        csrf: The session's anti-forgery token, for the form that signs out.
    """
    template = _environment().get_template("page.html")
    return template.render(
        scene=scene,
        s=scene.shown,
        csrf=csrf,
        lang=scene.language,
        say=words(scene.language),
        stage_titles={name: titles[scene.language] for name, titles in STAGE_TITLES.items()},
        of=lambda text: _in(text, scene.language),
        sandbox=scene.studio.sandbox,
    )


def render_trouble(language: Language, place: str) -> str:
    """What is shown when a screen cannot be drawn; needs nothing that could fail again."""
    say = words(language)
    return str(
        Markup(
            '<div id="screen" class="screen" data-key="trouble {}" tabindex="-1" data-trouble="{}" '
            'data-offline="{}"><p class="notice">{}</p><p><a class="button" href="#/photos">{}</a></p></div>'
        ).format(place, say("trouble"), say("offline"), say("trouble"), say("step-photos"))
    )


def _in(text: Any, language: str) -> str:
    """A text in the page's language, of whichever shape the services keep two languages in."""
    if isinstance(text, Words):
        return text.ko if language == "ko" else text.en
    if isinstance(text, Mapping):
        return str(text.get(language, ""))
    return str(getattr(text, language))


def _moment(at: float, form: str = "moment") -> Markup:
    """A time the browser writes in its own zone; the server does not know where people live."""
    return Markup('<time data-at="{}" data-form="{}"></time>').format(round(at), form)


def _minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=_moment, minutes=_minutes, percent=lambda share: round(share * 100))
    return environment
