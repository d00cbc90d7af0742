"""Answers of the server -> values or the right error. Pure: bytes in, values or exceptions out."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any, TypeVar, cast

import pybase64
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from .errors import (
    AuthError,
    InvalidRequest,
    NotFound,
    OutOfMemory,
    ServerError,
    StatusError,
    UnexpectedResponse,
    ValidationRejected,
    WebUIError,
)
from .images import EncodedImage

T = TypeVar("T")

GATEWAY_STATUSES = frozenset({408, 502, 503, 504, 520, 521, 522, 523, 524})
"""Statuses of a proxy that gave up; behind it the job may be running all the same (A1111 issue 3786)."""

_OUT_OF_MEMORY = re.compile(
    r"OutOfMemory|(?:CUDA|HIP|MPS backend|XPU) out of memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|MemoryError"
)
_HTML = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)

# What the server says -> what to do. The texts are in the recordings (b02, b_bare, k05, e04, b05 …).
_ADVICE = (
    (
        r"No checkpoints found|do not have any model",
        "put a checkpoint into models/Stable-diffusion on the server",
    ),
    (
        r"Failed to recognize model type",
        "the chosen checkpoint is broken: ask for a different one, it stays chosen",
    ),
    (
        r"NansException|NaNs was produced",
        "try another VAE, or start the WebUI with --no-half-vae or --no-half",
    ),
    (
        r"Script '.*' not found|Always on script not found",
        "install the extension on the server and restart it",
    ),
    (r"Invalid encoded image", "the server could not read a picture of the request"),
    (
        r"urlopen error|Max retries exceeded|NameResolutionError",
        "the server tried to download a model and could not",
    ),
    (r"rate limit exceeded", "too many requests a minute; wait and ask less often"),
)


def encode_json(payload: Any) -> bytes:
    """Return a request body; an `EncodedImage` in the payload becomes base64.

    Pictures are spliced into the finished text: escaping 20 MB of base64 in `json.dumps` takes 45 ms and two
    more copies, this takes 2 ms.

    Raises:
        InvalidRequest: Something in it is no JSON (a NaN, a set, an object).
    """
    marker = uuid.uuid4().hex
    pictures: list[bytes] = []

    def stand_in(value: object) -> str:
        if isinstance(value, EncodedImage):
            pictures.append(value.data)
            return marker
        raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")

    try:
        text = json.dumps(payload, default=stand_in, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The request cannot be written as JSON: {error}") from error
    if not pictures:
        return text.encode("ascii")
    first, *rest = text.encode("ascii").split(marker.encode("ascii"))
    parts = [first]
    for data, after in zip(pictures, rest, strict=True):
        parts += (pybase64.b64encode(data), after)
    return b"".join(parts)


def decode_json(body: bytes, *, url: str, status: int = 200, content_type: str = "") -> Any:
    """Parse an answer.

    Raises:
        UnexpectedResponse: It is no JSON, or half of one.
    """
    try:
        return from_json(body)
    except ValueError as error:
        text = body[:4000].decode("utf-8", "replace")
        raise UnexpectedResponse(
            f"{url} answered {status} with {_kind(body, text, content_type)}: {error}",
            hint=_hint_for_garbage(body, text),
            url=url,
            status=status,
            server_text=_readable(text)[:300],
        ) from error


def decode_generation(body: bytes, *, url: str, content_type: str = "") -> Any:
    """Parse the answer of a generation; `images` become views of the base64 in `body` where they stand first.

    Every server writes them first, and they are all but a few kilobytes of the answer: as views they need no
    copy, no `str`, and are decoded once.

    Raises:
        UnexpectedResponse: It is no JSON, or half of one.
    """
    lifted = _lift_pictures(body)
    if lifted is None:
        return decode_json(body, url=url, content_type=content_type)
    pictures, rest = lifted
    answer = decode_json(rest, url=url, content_type=content_type)
    answer["images"] = pictures
    return answer


_PICTURES_FIRST = re.compile(rb'\s*\{\s*"images"\s*:\s*\[\s*')
_NEXT_PICTURE = re.compile(rb'\s*,\s*(?=")')
_LAST_PICTURE = re.compile(rb"\s*(?=\])")


def _lift_pictures(body: bytes) -> tuple[list[memoryview], bytes] | None:
    """Return the strings of a leading `images` and the answer without them;
    None when it looks any other way."""
    start = _PICTURES_FIRST.match(body)
    if start is None:
        return None
    pictures, view, at = [], memoryview(body), start.end()
    while body[at : at + 1] == b'"':
        end = body.find(b'"', at + 1)
        if end < 0 or body.find(b"\\", at, end) >= 0:
            return None
        pictures.append(view[at + 1 : end])
        following = _NEXT_PICTURE.match(body, end + 1) or _LAST_PICTURE.match(body, end + 1)
        if following is None:
            return None
        at = following.end()
    if body[at : at + 1] != b"]":
        return None
    return pictures, b'{"images":[' + body[at:]


def _kind(body: bytes, text: str, content_type: str) -> str:
    if not body:
        return "nothing at all"
    if _HTML.search(text):
        return "a web page instead of JSON"
    if text.lstrip()[:1] in ("{", "["):
        return f"half a JSON text ({len(body)} bytes)"
    return f"{len(body)} bytes of {content_type or 'an unknown type'} instead of JSON"


def _hint_for_garbage(body: bytes, text: str) -> str:
    if body and text.lstrip()[:1] in ("{", "["):
        return (
            "the answer was cut off on the way: look for a proxy with a size limit between here and the WebUI"
        )
    return "check the address: it must be the WebUI itself, started with --api, not a page in front of it"


def expect(kind: type[T], value: Any, *, url: str) -> T:
    """Return `value` as `kind` (a type pydantic knows).

    Raises:
        UnexpectedResponse: Fields are absent or of another type.
    """
    try:
        return cast(T, _adapter(kind).validate_python(value))
    except ValidationError as error:
        raise UnexpectedResponse(
            f"{url} answered something else than expected: {describe(error)}",
            hint="this version of the WebUI, or an extension, answers differently; please report which one",
            url=url,
            status=200,
        ) from error


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Building an adapter costs milliseconds; the dict is only ever added to, so threads need no lock.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def describe(error: ValidationError, *, most: int = 5) -> str:
    """Return which fields are wrong and why, never the values (they may be pictures)."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    lines = [f"{'.'.join(map(str, item['loc'])) or 'the whole'}: {item['msg']}" for item in found[:most]]
    if len(found) > most:
        lines.append(f"and {len(found) - most} more")
    return "; ".join(lines)


def status_error(status: int, body: bytes, *, method: str, url: str, location: str = "") -> WebUIError:
    """Return (not raise) the error for an answer with a status of 300 or more.

    Bodies seen: A1111 and reForge {"error","detail","body","errors"}, Forge {"detail"}
    or {"error","message"}, SD.Next the former with "code" or {"error"} alone, FastAPI's
    {"detail": [{loc, msg}]}, and whatever a proxy makes up. `body` in them echoes the
    request (or, on Forge, the command line with its password) and is never read.
    """
    details: dict[str, Any] = {"url": url, "status": status}
    if 300 <= status < 400:
        return UnexpectedResponse(
            f"{method} {url} is redirected to {location or 'another address'}",
            hint="give the address it leads to; a redirect would turn a POST into a GET",
            **details,
        )
    words = server_words(body)
    kind, hint = _class_of(status, words), advice(words)
    message = f"{method} {url} was answered {status}"
    return kind(message, hint=hint or _hint_by_status(status, words, url), server_text=words, **details)


def _class_of(status: int, words: str) -> type[StatusError]:
    if status in (401, 403):
        return AuthError
    if status in (404, 405):
        return NotFound
    if status in (400, 413, 415, 422):
        return ValidationRejected
    return OutOfMemory if _OUT_OF_MEMORY.search(words) else ServerError


def advice(words: str) -> str:
    """Return what to do about a server's words, empty when nothing is known."""
    if _OUT_OF_MEMORY.search(words):
        return "ask for a smaller size or batch, or start the WebUI with --medvram"
    return next((hint for pattern, hint in _ADVICE if re.search(pattern, words)), "")


def _hint_by_status(status: int, words: str, url: str) -> str:
    if status in (401, 403):
        return "give username and password as in --api-auth user:password"
    if status == 404 and words in ("Not Found", ""):
        if "/sdapi/" in url:
            return "start the WebUI with --api; right after its start, wait a few seconds"
        if "/controlnet/" in url or "/adetailer/" in url:
            return (
                "the extension is not installed on the server, has no such route there, or is still starting"
            )
        if "/internal/" in url:
            return "a WebUI started with --nowebui, and SD.Next, have no /internal routes"
    if status == 405:
        return "this server knows the route, but not this way of calling it"
    if status == 413:
        return "a proxy limits the size of requests; raise it (nginx: client_max_body_size)"
    if status in GATEWAY_STATUSES:
        return "a proxy in front of the WebUI gave up waiting; raise its read timeout"
    if status == 429:
        return "too many requests; wait and ask less often"
    if status == 422:
        return "correct the named fields"
    return "look into the WebUI's console for the traceback" if status >= 500 else ""


def server_words(body: bytes) -> str:
    """Return the server's own words in an error body, without anything that echoes the request."""
    try:
        answer = from_json(body) if body else None
    except ValueError:
        return _readable(body[:20_000].decode("utf-8", "replace"))[:500]
    if isinstance(answer, dict):
        return _words_of(answer)
    if isinstance(answer, str):
        return answer
    return "" if answer is None else f"a JSON {type(answer).__name__} instead of an error"


def _words_of(answer: dict[str, Any]) -> str:
    detail = answer.get("detail")
    if isinstance(detail, list):
        return "; ".join(_validation_line(item) for item in detail)
    if isinstance(detail, str) and detail:
        return detail
    if isinstance(detail, dict):
        return _words_of(detail)
    name = answer.get("error")
    texts = [answer[key] for key in ("errors", "message") if isinstance(answer.get(key), str) and answer[key]]
    parts = [name] if isinstance(name, str) and name and name != "HTTPException" else []
    return ": ".join(dict.fromkeys(parts + texts))


def _validation_line(item: Any) -> str:
    # `input` (pydantic 2) and `ctx.doc` (pydantic 1) echo what was sent,
    # a whole picture at times: never read them.
    if not isinstance(item, dict):
        return "something it does not explain"
    loc = item.get("loc")
    where = ".".join(map(str, loc)) if isinstance(loc, list | tuple) else str(loc or "")
    return f"{where}: {item.get('msg', '')}"


def _readable(text: str) -> str:
    title = _TITLE.search(text)
    if title:
        return " ".join(title.group(1).split())
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())
