"""Structured logs: one line an event, with the job's and the request's id, without personal data.

Everything goes through the standard library's loggers (`logging.getLogger(__name__)`, or structlog through
it), so uvicorn, DBOS and our own rooms come out alike. `configure_logs` is called once by serve, worker and
the admin commands.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from .redaction import redact
from .service_settings import StudioSettings

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
"""A caller's own X-Request-ID is taken over when it looks like this."""

QUIET = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "alembic": logging.WARNING,
    "PIL": logging.INFO,
}
"""Loggers of libraries that would drown the others."""

RECIPE = ("stages", "train_lora", "sdwebui_client", "faces", "prompt_library")
"""Loggers of the rooms that do a job's work."""

_OF_SEVERAL_LINES = ("exception", "stack")
# Control characters, those that turn the direction of writing, and line ends of Unicode.
_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_jobs: list[str] = []
"""Jobs whose ids are bound now, in this process; appending and removing are atomic."""

Event = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def configure_logs(
    settings: StudioSettings, *, process: str = "", level: int = logging.INFO, stream: TextIO | None = None
) -> None:
    """Send all logs of this process to one stream. May be called again; the last call counts.

    Args:
        settings: For `log_format`: `console` for people, `json` for collectors (one object a line).
        process: On every line: "page", or the worker's name.
        level: Of our own loggers and those of libraries that are not in `QUIET`.
        stream: None = standard error, which leaves standard output to a command's answer.
    """
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(settings.log_format, process, colors=out.isatty()))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(max(level, quiet))
    # Both bring handlers of their own (uvicorn's log_config, dbos/_logger.py@3.4.0): one line, not two.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # init_logger of dbos adds its console handler only where there is none.
    logging.getLogger("dbos").addHandler(logging.NullHandler())
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


@contextmanager
def bound(**values: str | int | None) -> Iterator[None]:
    """Put ids on every line that is logged inside: `with bound(job_id=job.id, worker_id=me):`.

    Follows `contextvars`: into tasks that are started inside, not into plain threads. A recipe's threads get
    the job's id all the same while this process works on one job alone.
    """
    job = values.get("job_id")
    if job is not None:
        _jobs.append(str(job))
    try:
        with structlog.contextvars.bound_contextvars(**{k: v for k, v in values.items() if v is not None}):
            yield
    finally:
        if job is not None:
            _jobs.remove(str(job))


class RequestLog:
    """ASGI middleware: gives each request an id, puts it on its log lines, and answers it as X-Request-ID.

    Example:
        >>> app.add_middleware(RequestLog)  # doctest: +SKIP
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        with bound(request_id=request_id):
            await self._app(scope, receive, answer)


def _request_id(scope: Scope) -> str:
    for name, value in scope.get("headers", ()):
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value.decode("latin-1")):
            return str(value.decode("latin-1"))
    return secrets.token_hex(8)


def _formatter(log_format: str, process: str, *, colors: bool) -> logging.Formatter:
    def name_process(_logger: Any, _method: str, event: Event) -> Event:
        return {**event, "process": process} if process else event

    renderers: list[Any]
    if log_format == "json":
        renderers = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        # The traceback is text already when it arrives here: it was redacted.
        plain = structlog.dev.plain_traceback
        renderers = [one_line, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_access_line, *_SHARED],
        pass_foreign_args=True,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            name_process,
            structlog.processors.format_exc_info,
            redact_event,
            *renderers,
        ],
    )


def redact_event(_logger: Any, _method: str, event: Event) -> Event:
    """structlog processor: see `studio.redaction`; the last one before the line is rendered."""
    redacted: Event = redact(event)
    return redacted


def one_line(_logger: Any, _method: str, event: Event) -> Event:
    """structlog processor for the console: nobody's text begins a line of its own, or commands a terminal.

    Addresses that are asked for are logged, and anybody can ask for `/%0a…` or `/%1b[2J`. A traceback keeps
    its lines.
    """
    return {
        name: _harmless(text, keep="\n\t" if name in _OF_SEVERAL_LINES else "")
        if isinstance(text, str)
        else text
        for name, text in event.items()
    }


def _harmless(text: str, *, keep: str) -> str:
    return _COMMANDS.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], text)


def _access_line(_logger: Any, _method: str, event: Event) -> Event:
    """uvicorn's access line as fields, without the caller's address, which is personal data."""
    args = event.pop("positional_args", ())
    if event["_record"].name == "uvicorn.access" and len(args) == 5:
        # uvicorn/logging.py@0.54 AccessFormatter: client, method, path, HTTP version, status.
        _client, method, path, _version, status = args
        event["event"] = "request"
        event.update(method=method, path=path, status=status)
    return event


def _of_the_only_job(_logger: Any, _method: str, event: Event) -> Event:
    """Name the job on lines of a recipe's threads, when it cannot be another's."""
    if "job_id" not in event and str(event.get("logger", "")).startswith(RECIPE):
        jobs = set(_jobs)
        if len(jobs) == 1:
            event["job_id"] = jobs.pop()
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    _of_the_only_job,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]
