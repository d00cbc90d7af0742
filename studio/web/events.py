"""What a browser may hand to Gradio: the page's own events, made of plain values, and nothing else.

Gradio looks for files in whatever an event brings. An object with `path` and `meta` makes a mounted
application copy that file of this machine into its cache, or fetch that address, before any of our code is
asked (gradio@6.31 processing_utils.py async_move_files_to_cache; its `_check_allowed` lets everything pass
unless `launch()` was called). And it keeps what it showed by a session name that the browser chooses. Here
events are read and written anew: values that are no files, and no session name.
"""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..refusals import Refused

_EVENTS = re.compile(r"/(?:ko|en)/gradio_api/run/\w+/?")
_MOST_VALUES = 16
Plain = str | int | float | bool | None


class PlainEvents:
    """Stands before Gradio. Belongs inside `BodyLimit`: it holds the body of an event."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; `bad-event` (422) to what the page does not send."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _EVENTS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return  # the browser is gone
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        clean = _written(plain_event(bytes(body)))
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        headers["Content-Type"], headers["Content-Length"] = "application/json", str(len(clean))
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": clean, "more_body": False}

        await self._app(scope, again, send)


def plain_event(body: bytes) -> dict[str, Any]:
    """An event of the page, of all that was sent.

    Args:
        body: JSON: {"fn_index", "data": [what the browser shows], "event_data": what was pressed}.

    Raises:
        Refused: `bad-event` (422).
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise _bad_event() from None
    if not isinstance(given, dict) or not isinstance(given.get("fn_index"), int):
        raise _bad_event()
    seen, pressed = given.get("data"), given.get("event_data")
    return {
        "fn_index": given["fn_index"],
        "data": [_values(value) for value in (seen if isinstance(seen, list) else [])[:1]],
        "event_data": None if pressed is None else _pressed(pressed),
    }


def _written(event: dict[str, Any]) -> bytes:
    try:
        return json.dumps(event).encode()
    except RecursionError:
        raise _bad_event() from None


def _values(given: Any) -> dict[str, Plain] | None:
    """One object of plain values: nothing within it can be taken for a file."""
    if given is None:
        return None
    if not isinstance(given, dict) or len(given) > _MOST_VALUES or not all(map(_is_plain, given.values())):
        raise _bad_event()
    return given


def _pressed(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _bad_event()
    args = given.get("args")
    # `seq` comes back in the answer, where Gradio looks for files too; `args` never does.
    rest = {name: given[name] for name in ("do", "place", "seq") if name in given}
    return {**(_values(rest) or {}), "args": args if isinstance(args, dict) else {}}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _bad_event() -> Refused:
    return Refused(
        "bad-event",
        en="The page sent something the studio does not know.",
        ko="페이지에서 알 수 없는 요청이 왔습니다.",
        hint_en="Load the page again and repeat it.",
        hint_ko="페이지를 새로 고친 뒤 다시 시도해 주세요.",
        status=422,
    )
