"""Mounts the page: one Gradio application a language, one element, two kinds of events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from fastapi import FastAPI, Request
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from ...accounts import user_of_session
from ...core import Studio
from ...refusals import Language
from ..session import COOKIE
from .controller import Controller
from .texts import words

if TYPE_CHECKING:
    from ...jobs import Jobs

SLOW_S = 8.0
"""How often the page looks again by itself while nothing is under way."""
_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("page.js", "photos.js", "begin.js")
"""One function body in three files."""


def mount_blocks(app: FastAPI, studio: Studio, jobs: Jobs, language: Language) -> None:
    """What `mount_page` does, with Gradio imported."""

    async def signed_in(request: Request) -> str | None:
        token = request.cookies.get(COOKIE)
        user = await run_in_threadpool(user_of_session, studio, token) if token else None
        return user.id if user else None

    gr.mount_gradio_app(
        app,
        build_blocks(Controller(studio, jobs, language)),
        path=f"/{language}",
        auth_dependency=signed_in,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        theme=gr.themes.Base(font=["Pretendard", "system-ui", "sans-serif"], font_mono=["monospace"]),
        head=_head(),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
    )


def build_blocks(controller: Controller) -> gr.Blocks:
    """The Gradio side: everything pressed arrives as the one event `act`, the timer looks again."""
    say = words(controller.language)
    blocks = gr.Blocks(title=str(say("title")), analytics_enabled=False)
    with blocks:
        page = gr.HTML(
            value=None,
            html_template=str(
                Markup('<div class="studio" lang="{}"><p class="loading">{}</p></div>').format(
                    controller.language, say("loading")
                )
            ),
            js_on_load="\n".join((_ASSETS / name).read_text(encoding="utf-8") for name in _SCRIPTS),
            apply_default_css=False,
            elem_id="studio",
            padding=False,
        )
        timer = gr.Timer(SLOW_S)

        def act(event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
            return _answer(controller.act(_user(request), _token(request), event._data or {}))

        def tick(seen: Any, request: gr.Request) -> tuple[Any, Any]:
            return _answer(controller.tick(_user(request), _token(request), seen or {}))

        # Not queued: a tick is one small request and one small answer, however many people wait. Each tick
        # says in `seen` which screen the browser shows, so the server keeps nothing about it.
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        look = "() => [window.studioSeen ? window.studioSeen() : {place: location.hash}]"
        page.act(act, outputs=[page, timer], trigger_mode="multiple", **quiet)
        timer.tick(tick, inputs=[page], outputs=[page, timer], js=look, **quiet)
        blocks.load(tick, inputs=[page], outputs=[page, timer], js=look, **quiet)
    return blocks


def _answer(shown: dict[str, Any] | None) -> tuple[Any, Any]:
    if shown is None:
        return gr.skip(), gr.skip()
    return shown, gr.Timer(value=shown.get("every_s", SLOW_S))


def _user(request: gr.Request) -> str:
    if request.username is None:
        raise PermissionError("an event of nobody")
    return request.username


def _token(request: gr.Request) -> str:
    return request.request.cookies.get(COOKIE, "") if request.request else ""


def _head() -> str:
    css = (_ASSETS / "page.css").read_text(encoding="utf-8")
    return (
        f"<style>{css}</style>"
        '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="theme-color" content="#f7f3ec" media="(prefers-color-scheme: light)">'
        '<meta name="theme-color" content="#141715" media="(prefers-color-scheme: dark)">'
    )
