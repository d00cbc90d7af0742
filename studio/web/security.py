"""What stands before every route: headers, who may post from where, and Gradio's file routes, closed.

Gradio can take files in and hand files out by itself; both would go around `studio.access`. So of what lies
below /ko and /en only what its page needs is let through (gradio@6.31 routes.py); the rest is not there.
"""

from __future__ import annotations

import re
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..refusals import Refused, not_found

PAGES = ("ko", "en")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_PAGE = re.compile(r"/(?:ko|en)/?")
_BELOW_PAGE = re.compile(
    r"/(?:ko|en)/(?:"
    r"config|theme\.css|manifest\.json|favicon\.ico|robots\.txt|pwa_icon(?:/\d+)?"
    r"|(?:assets|static|svelte)/[\w./-]+"
    r"|gradio_api/(?:info|app_id|startup-events|theme\.css|run/predict)"
    r")/?"
)
"""Not among them: upload, upload_progress, file=, file/, proxy=, stream, process_recording, deep_link,
vibe-edit, component_server, custom_component, monitoring, profiling, run-history, login, token. Nor the queue
(queue/…, call/…, cancel, reset, heartbeat/…): our events do not wait in it, and it hands what one session was
sent to whoever names that session."""

_OWN_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Our own pages need no script at all."""
_FILE_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""A file is never a page of this site, whatever is in it; a report may bring its own pictures and style."""
_PAGE_CSP = (
    "default-src 'self'; "
    # Gradio 6.31 compiles the templates of gr.HTML with `new Function`, and writes style attributes; its
    # inline scripts carry the nonce that _Nonce puts in.
    "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A result's address is its key: it goes nowhere else. Not "no-referrer": browsers then post forms with
    # `Origin: null` (Fetch standard, "append a request Origin header").
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex, nofollow",
}
_STATIC_CACHE = "public, max-age=3600"
_PRIVATE = "private, no-store"
"""What was deleted here must not live on in a browser or a proxy."""
_HSTS = "max-age=31536000"


class SecureHeaders:
    """Adds the headers to every answer; puts the nonce into the scripts of Gradio's page."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        """
        Args:
            app: What answers.
            https: Whether the studio's public address is https.
        """
        self._app, self._https = app, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        https = self._https or scope.get("scheme") == "https"
        is_page = _PAGE.fullmatch(path) is not None
        nonce = secrets.token_urlsafe(16) if is_page else ""

        def dress(message: Message) -> None:
            headers = MutableHeaders(scope=message)
            for name, value in _COMMON.items():
                headers[name] = value
            for name in [name for name in headers if name.startswith("access-control-")]:
                # Gradio lets every other origin in, with cookies (gradio@6.31 route_utils.py
                # CustomCORSMiddleware); nobody elsewhere has to read anything here.
                del headers[name]
            headers.setdefault("Content-Security-Policy", _csp(path, nonce))
            if https:
                headers["Strict-Transport-Security"] = _HSTS
            if path.startswith("/static/"):
                headers["Cache-Control"] = _STATIC_CACHE
            elif not _is_asset(path):
                headers["Cache-Control"] = _PRIVATE

        if is_page:
            await self._app(scope, receive, _Nonce(send, nonce, dress))
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                dress(message)
            await send(message)

        await self._app(scope, receive, dressed)


class _Nonce:
    """Sends Gradio's page with `nonce` on its script tags.

    Its configuration lies in a script as JSON with every `<` escaped (gradio@6.31 routes.py toorjson), so a
    tag in the text is Gradio's own and never what a user typed.
    """

    def __init__(self, send: Send, nonce: str, dress: object) -> None:
        self._send, self._nonce, self._dress = send, nonce, dress
        self._start: Message = {}
        self._html = False
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._dress(message)  # type: ignore[operator]
            headers = Headers(raw=message["headers"])
            self._html = headers.get("content-type", "").startswith("text/html")
            if not self._html or "content-encoding" in headers:
                self._html = False
                await self._send(message)
            self._start = message
            return
        if message["type"] != "http.response.body" or not self._html:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = bytes(self._body).replace(b"<script", b'<script nonce="' + self._nonce.encode() + b'"')
        MutableHeaders(scope=self._start)["Content-Length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _is_asset(path: str) -> bool:
    return path.startswith(("/ko/assets/", "/en/assets/", "/ko/static/", "/en/static/"))


def _csp(path: str, nonce: str) -> str:
    if nonce:
        return _PAGE_CSP.format(nonce=nonce)
    if path.startswith("/files/") or re.match(r"/r/[^/]+/.", path):
        return _FILE_CSP
    return _OWN_CSP


class Guard:
    """Refuses what must not reach a route: closed paths, and posts that another site made a browser send."""

    def __init__(self, app: ASGIApp, *, public_url: str) -> None:
        """
        Args:
            app: What answers.
            public_url: The studio's address; posts from there are its own, whatever Host a proxy passes on.
        """
        self._app = app
        self._public = urlsplit(public_url).netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or raise Refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            if is_closed(scope["path"]):
                raise not_found()
            headers = Headers(scope=scope)
            if scope["method"] not in SAFE_METHODS and not _by_token(scope["path"], headers):
                self._check_origin(headers)
        await self._app(scope, receive, send)

    def _check_origin(self, headers: Headers) -> None:
        """Browsers say where a post comes from; programs without cookies say nothing and are let through.

        Who sends neither header may still post: forms and the API ask a session for its CSRF token besides.
        """
        if headers.get("sec-fetch-site", "none").lower() not in ("same-origin", "none"):
            raise _elsewhere()
        origin = headers.get("origin")
        if origin is None:
            return
        place = urlsplit(origin).netloc.lower()
        if not place or place not in (self._public, headers.get("host", "").lower()):
            raise _elsewhere()


def is_closed(path: str) -> bool:
    """Whether a path below Gradio's pages is one that nobody may ask for."""
    below = path.lstrip("/").partition("/")[0] in PAGES
    return below and not (_PAGE.fullmatch(path) or (_BELOW_PAGE.fullmatch(path) and ".." not in path))


def _by_token(path: str, headers: Headers) -> bool:
    """A browser adds no Authorization: Bearer by itself, and beside one the API looks at no cookie.

    Only the API: Gradio does look at the cookie.
    """
    return path.startswith("/api/") and headers.get("authorization", "").lower().startswith("bearer ")


def _elsewhere() -> Refused:
    return Refused(
        "other-site",
        en="This request came from another site, so it was not done.",
        ko="다른 사이트에서 보낸 요청이라 처리하지 않았습니다.",
        hint_en="Open the studio's own page and try again there.",
        hint_ko="스튜디오 페이지를 직접 열어 다시 시도해 주세요.",
        status=403,
    )
