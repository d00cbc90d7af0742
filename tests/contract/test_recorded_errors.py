"""Every recorded error of all four WebUIs becomes the right exception, with the server's words in it."""

from __future__ import annotations

import json

import pytest

from sdwebui_client import (
    AuthError,
    NotFound,
    OutOfMemory,
    ServerError,
    StatusError,
    ValidationRejected,
)
from sdwebui_client._answers import status_error
from tests.recorded import FLAVOURS, Recording, recordings

CASES = [
    pytest.param(flavour, case, id=f"{flavour}-{name}")
    for flavour in FLAVOURS
    for name, case in recordings(flavour).items()
    if case.is_exchange and case.raw["response"].get("status", 0) >= 400
]

EXPECTED = {
    400: ValidationRejected,
    401: AuthError,
    404: NotFound,
    405: NotFound,
    422: ValidationRejected,
    429: ServerError,
    500: ServerError,
}


def mapped(case: Recording) -> StatusError:
    body = case.body if isinstance(case.body, str) else json.dumps(case.body)
    url = "http://gpu:7860" + case.path
    error = status_error(case.status, body.encode(), method=case.method, url=url)
    assert isinstance(error, StatusError)
    return error


def words(case: Recording) -> list[str]:
    """What the server said, found without the code under test: by hand from each shape of body."""
    body = case.body
    if isinstance(body, str):
        return [body]
    detail = body.get("detail")
    if isinstance(detail, list):
        return [item["msg"] for item in detail]
    if detail:
        return [detail]
    return [body[key] for key in ("error", "errors", "message") if body.get(key)]


def test_there_are_enough_cases() -> None:
    assert len(CASES) > 200


@pytest.mark.parametrize(("flavour", "case"), CASES)
def test_recorded_error(flavour: str, case: Recording) -> None:
    error = mapped(case)
    assert type(error) is EXPECTED[case.status]
    assert error.status == case.status
    said = words(case)
    if case.name in ("a_nowebui_ok_cmdflags", "a_webui_ok_cmdflags", "get_cmd_flags", "get_schedulers"):
        said = []  # these bodies are echoes of the request's result, checked below
    for text in said:
        assert text[:150] in error.server_text
        assert text[:150] in str(error)


@pytest.mark.parametrize(("flavour", "case"), CASES)
def test_no_error_repeats_what_was_sent(flavour: str, case: Recording) -> None:
    """Forge's and SD.Next's 422 echo the input, a whole picture at times; A1111's echo the JSON text."""
    shown = str(mapped(case)) + repr(mapped(case).__dict__)
    if isinstance(case.body, dict) and isinstance(case.body.get("detail"), list):
        for item in case.body["detail"]:
            echo = json.dumps(item.get("input"))
            assert len(echo) < 12 or echo[1:-1] not in shown
            assert "doc" not in item.get("ctx", {}) or item["ctx"]["doc"] not in shown
    assert "iVBORw0KGgo" not in shown
    assert len(shown) < 8000


def test_forge_shows_its_password_and_we_do_not() -> None:
    case = recordings("forge")["a_nowebui_ok_cmdflags"]
    assert case.body["body"]["api_auth"] == "user:pass"
    assert "user:pass" not in str(mapped(case)) + repr(mapped(case).__dict__)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_422_names_the_field(flavour: str) -> None:
    error = mapped(recordings(flavour)["e02_wrong_type_steps_str"])
    assert "body.steps" in error.server_text


@pytest.mark.parametrize("key", ["errors", "message", "detail", "error"])
@pytest.mark.parametrize(
    "text",
    [
        "OutOfMemoryError",
        "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 8.00 GiB total capacity)",
        "torch.OutOfMemoryError: CUDA out of memory",
    ],
)
def test_out_of_memory_is_recognised_in_every_shape(key: str, text: str) -> None:
    body = {"error": "RuntimeError", "detail": "", "body": "", key: text}
    error = status_error(500, json.dumps(body).encode(), method="POST", url="http://gpu/sdapi/v1/txt2img")
    assert type(error) is OutOfMemory
    assert "smaller" in error.hint


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_advice_fits_what_was_recorded(flavour: str) -> None:
    for case in recordings(flavour).values():
        if case.is_exchange and "Script 'NoSuch" in json.dumps(case.raw["response"]):
            assert "install" in mapped(case).hint
