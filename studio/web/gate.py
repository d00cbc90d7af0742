"""Sends strangers who open the page to sign in; Gradio would answer 401 in JSON."""

from __future__ import annotations

import re

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from .pages import go
from .session import visitor_of

_PAGE = re.compile(r"/(ko|en)/?")


class PageGate:
    """Before the Gradio pages."""

    def __init__(self, app: ASGIApp, *, owner: FastAPI) -> None:
        self._app, self._owner = app, owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or send the browser elsewhere."""
        match = _PAGE.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is not None and scope["method"] in ("GET", "HEAD"):
            scope.setdefault("app", self._owner)
            visitor = await run_in_threadpool(visitor_of, Request(scope))
            if visitor is None or visitor.session is None:
                await go(f"/sign-in?next=/{match[1]}/&lang={match[1]}")(scope, receive, send)
                return
        await self._app(scope, receive, send)
