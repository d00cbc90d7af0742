"""Lines that can be searched, and nothing personal on them."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.logs import RequestLog, bound, configure_logs
from studio.redaction import MAX_TEXT, redact, redact_text
from studio.service_settings import StudioSettings

LOG = logging.getLogger("studio.test_logs")
TOKEN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
tokens = st.text(TOKEN_LETTERS, min_size=16, max_size=60)
around = st.text("abc XYZ가나 .,:;=\"'(){}\n/", max_size=30)


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    # Servers and workers of other tests in this process made these quiet.
    others = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "dbos")]
    before = [(other, other.level, other.disabled) for other in others]
    for other in others:
        other.setLevel(logging.NOTSET)
        other.disabled = False
    yield
    for other, quiet, disabled in before:
        other.setLevel(quiet)
        other.disabled = disabled
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def open_log(log_format: str = "json", **options: Any) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(StudioSettings(log_format=log_format), stream=stream, **options)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_when_who_and_what() -> None:
    stream = open_log(process="gpu1")
    with bound(job_id="0123456789abcdef0123", worker_id=None):
        LOG.info("drawing %d of %d", 3, 8)
        structlog.get_logger("studio.other").warning("slow", seconds=4.5)
    LOG.info("after")
    first, second, third = lines(stream)
    assert first["event"] == "drawing 3 of 8"
    assert first["job_id"] == second["job_id"] == "0123456789abcdef0123"
    assert (first["level"], first["logger"], first["process"]) == ("info", "studio.test_logs", "gpu1")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["seconds"], second["level"]) == ("slow", 4.5, "warning")
    assert "job_id" not in third
    assert "worker_id" not in first


def test_a_recipes_threads_name_the_job_when_there_is_one_alone() -> None:
    stream = open_log()

    def log_in_a_thread() -> None:
        thread = threading.Thread(
            target=lambda: [logging.getLogger(n).info("x") for n in ("stages.a", "dbos")]
        )
        thread.start()
        thread.join()

    with bound(job_id="a"):
        log_in_a_thread()
        with bound(job_id="b"):
            log_in_a_thread()
    log_in_a_thread()
    assert [line.get("job_id") for line in lines(stream)] == ["a", None, None, None, None, None]


def test_configured_twice_is_one_line_each() -> None:
    open_log()
    stream = open_log()
    LOG.info("once")
    logging.getLogger("dbos").info("and dbos once")
    logging.getLogger("uvicorn.error").info("and uvicorn once")
    assert [line["event"] for line in lines(stream)] == ["once", "and dbos once", "and uvicorn once"]


def test_dbos_adds_no_handler_of_its_own() -> None:
    from dbos._logger import init_logger

    stream = open_log()
    init_logger()
    logging.getLogger("dbos").warning("recovering")
    assert [line["event"] for line in lines(stream)] == ["recovering"]


def test_chatty_libraries_are_quiet() -> None:
    stream = open_log(level=logging.DEBUG)
    logging.getLogger("httpx").info("GET")
    LOG.debug("ours")
    assert [line["event"] for line in lines(stream)] == ["ours"]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_is_there_and_redacted(log_format: str) -> None:
    stream = open_log(log_format)
    try:
        raise ValueError("no mailbox kim@example.org for '김민지 증명사진.heic'")
    except ValueError:
        LOG.exception("it failed for %s", "kim@example.org")
        structlog.get_logger("x").exception("and again")
    text = stream.getvalue()
    assert text.count("Traceback") == 2
    assert "ValueError" in text
    assert "test_logs.py" in text
    assert "kim" not in text
    assert "민지" not in text


def test_the_console_shows_ids() -> None:
    stream = open_log("console")
    with bound(request_id="r-1"):
        LOG.info("hello")
    assert "hello" in stream.getvalue()
    assert "request_id=r-1" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_nobodys_text_begins_a_line_or_commands_a_terminal(log_format: str) -> None:
    stream = open_log(log_format)
    LOG.info("GET %s 404", "/x\n2026-01-01T00:00:00Z [info] all is well\r\x1b[2J\x9b31m\u202e\u2028")
    LOG.info("kept", extra={"note": "x"})
    written = stream.getvalue()
    assert written.count("\n") == len(written.splitlines()) == 2 or log_format == "json"
    assert not set(written) & set("\r\x1b")
    if log_format == "console":
        assert "/x\\n2026" in written
        assert not set(written) & set("\x9b\u202e\u2028")


def test_a_traceback_keeps_its_lines_on_the_console() -> None:
    stream = open_log("console")
    try:
        raise ValueError("half\x1b[31m")
    except ValueError:
        LOG.exception("it failed")
    assert "Traceback" in stream.getvalue()
    assert len(stream.getvalue().splitlines()) > 3
    assert "\x1b" not in stream.getvalue()


def test_uvicorns_access_line_has_no_address_and_no_token() -> None:
    stream = open_log()
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "192.0.2.7:4711", "GET", "/r/abcDEF123.xyz_-abc?x=1&token=hush", "1.1", 200
    )
    (line,) = lines(stream)
    assert (line["event"], line["method"], line["status"]) == ("request", "GET", 200)
    assert line["path"] == "/r/***?x=1&token=***"
    assert "192.0.2.7" not in stream.getvalue()
    assert "hush" not in stream.getvalue()


def app() -> FastAPI:
    made = FastAPI()
    made.add_middleware(RequestLog)

    @made.get("/")
    async def root() -> dict[str, str]:
        LOG.info("asked")
        return {}

    @made.get("/sync")
    def sync() -> dict[str, str]:
        LOG.info("asked")
        return {}

    return made


@pytest.mark.parametrize("path", ["/", "/sync"])
def test_a_request_has_an_id_on_its_lines_and_in_its_answer(path: str) -> None:
    stream = open_log()
    client = TestClient(app())
    first, second = client.get(path), client.get(path)
    ids = [line["request_id"] for line in lines(stream) if line["event"] == "asked"]
    assert ids == [first.headers["x-request-id"], second.headers["x-request-id"]]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-12345", True), ("short", False), ("a b" * 5, False), ("x" * 65, False)]
)
def test_a_callers_own_request_id_is_kept_when_it_is_harmless(given: str, kept: bool) -> None:
    answer = TestClient(app()).get("/", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) == kept


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sent to kim@example.org.", "sent to <e-mail>"),
        ("mailto:kim+tag@example.co.kr, twice", "mailto:<e-mail>, twice"),
        ('"kim min"@example.org', "<e-mail>"),
        ("/sign-in?email=kim%40example.org&x=1", "/sign-in?email=***&x=1"),
        ("김민지@한국.kr 님", "<e-mail> 님"),
        ("http://me:pass@gpu:7860/sdapi", "http://***@gpu:7860/sdapi"),
        ("postgresql+psycopg://u:p@ss@db/studio", "postgresql+psycopg://***@db/studio"),
        ("GET /r/aB3.xyz-12345678/all.zip", "GET /r/***/all.zip"),
        ("https://x.org/ko/?a=1;token=hush#top", "https://x.org/ko/?a=1;token=***#top"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("'authorization': 'Basic eA=='", "'authorization': '***"),
        ("Cookie: studio_session=abc", "Cookie: ***"),
        ("a bearer abcdefgh too", "a bearer *** too"),
        ("token sdw_Ab-1 refused", "token sdw_*** refused"),
        ("refused 'Kim Minji (1).HEIC': blurred", "refused '<picture>': blurred"),
        ("/home/x/Minji.jpg", "/home/x/<picture>"),
        ("wrote portraits/01-front-cool.png", "wrote portraits/01-front-cool.png"),
        ("photo 0123456789abcdef0123.jpg is blurred", "photo 0123456789abcdef0123.jpg is blurred"),
        ("preview-12.jpg", "preview-12.jpg"),
        ("job 0123456789abcdef0123 of gpu-1", "job 0123456789abcdef0123 of gpu-1"),
        ("file " + "0a" * 32, "file " + "0a" * 32),
        ("studio.jobs.workflows: a step of train_lora/backends/kohya.py",) * 2,
        (
            "INSERT …\n[SQL: INSERT]\n[parameters: ('Kim Minji', 3)]\n(Background on this)",
            "INSERT …\n[SQL: INSERT]\n[parameters: ***]\n(Background on this)",
        ),
    ],
)
def test_redacted_texts(text: str, shown: str) -> None:
    assert redact_text(text) == shown


def test_fields_with_a_telling_name_lose_their_value() -> None:
    given = {
        "email": "x",
        "X-CSRF-Token": "y",
        "deep": [{"Set-Cookie": "z", "n": 1, "ok": True, "none": None}],
        "data": b"1234",
        "path": Path("/x/Minji.png"),
    }
    assert redact(given) == {
        "email": "***",
        "X-CSRF-Token": "***",
        "deep": [{"Set-Cookie": "***", "n": 1, "ok": True, "none": None}],
        "data": "<4 bytes>",
        "path": "/x/<picture>",
    }


def test_what_never_ends_is_cut() -> None:
    nested: list[Any] = []
    nested.append(nested)
    assert "<list>" in str(redact(nested))
    assert len(redact_text("x" * (MAX_TEXT * 3))) < MAX_TEXT + 100


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=around, address=st.emails(), after=around)
def test_no_address_survives(before: str, address: str, after: str) -> None:
    shown = redact_text(f"{before} {address} {after}")
    assert address not in shown
    assert address.rpartition("@")[0] + "@" not in shown


@settings(max_examples=150, deadline=None)
@given(
    before=around,
    token=tokens,
    carrier=st.sampled_from(
        [
            "/r/{}",
            "https://studio.example.org/r/{}/portraits/1",
            "/ko/open?token={}",
            "/x?a=1&token={}&b=2",
            "Authorization: Bearer {}",
            "authorization: Basic {}",
            "Cookie: studio_session={}",
            "sdw_{}",
            "postgresql://studio:{}@db/x",
        ]
    ),
)
def test_no_token_survives(before: str, token: str, carrier: str) -> None:
    assert token not in redact_text(f"{before} {carrier.format(token)}")


@settings(max_examples=100, deadline=None)
@given(
    name=st.text("abcdefgMINJI가나다 _-0123456789", min_size=1, max_size=40).filter(str.strip),
    suffix=st.sampled_from(["jpg", "JPEG", "heic", "png", "webp"]),
    carrier=st.sampled_from(["photo {}", "'{}' is blurred", "/tmp/up/{}", 'name="{}"', "({})"]),
)
def test_no_name_of_a_photo_survives(name: str, suffix: str, carrier: str) -> None:
    shown = redact_text(carrier.format(f"Kim {name}.{suffix}"))
    assert "Kim" not in shown
    assert f".{suffix}" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "@" * 20_000,
        "a" * 20_000,
        "a@" * 10_000,
        "x.jp" * 5_000,
        "/r/" * 6_000,
        "?token=" * 3000,
        '"' * 20_000,
        "[parameters: " * 1500,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    import time

    start = time.process_time()
    redact_text(text)
    # A pattern that backtracks takes minutes here; a busy machine takes a second.
    assert time.process_time() - start < 5.0
