from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import responses
from PIL import Image

from sdwebui_client import WebUI
from sdwebui_client.errors import AuthError
from stages.engine import Engine
from stages.errors import StageError
from stages.explain import LastRun
from stages.interrogation import make_captioner
from stages.progress import Tracker
from stages.store import Store

URL = "http://gpu:7860"
ROUTE = f"{URL}/sdapi/v1/interrogate"


def png(colour: str = "grey") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def engine(folder: Path) -> Engine:
    def nobody(_event: object) -> None: ...

    return Engine(Store(folder / "store"), LastRun(folder / "last"), nobody, Tracker(nobody))


def test_the_words_of_the_server_are_passed_on(wire: responses.RequestsMock) -> None:
    wire.add("POST", ROUTE, json={"caption": " a woman in an orange suit, Annie Leibovitz\n"})
    assert make_captioner(WebUI(URL))(png()) == "a woman in an orange suit, Annie Leibovitz"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, {"caption": "<error>"}, "could not describe"),
        (200, {"caption": "  "}, "no words"),
        (
            500,
            {"error": "IndexError", "detail": "", "errors": "list index out of range"},
            "could not describe",
        ),
        (404, {"detail": "Not Found"}, "has no interrogator"),
    ],
)
def test_a_server_that_cannot_describe_is_an_error_and_no_empty_caption(
    wire: responses.RequestsMock, status: int, body: dict[str, str], words: str
) -> None:
    wire.add("POST", ROUTE, json=body, status=status)
    with pytest.raises(StageError, match=words) as caught:
        make_captioner(WebUI(URL, retries=0))(png())
    assert "captions=template" in caught.value.hint
    assert URL in caught.value.message


def test_other_errors_stay_what_they_are(wire: responses.RequestsMock) -> None:
    wire.add("POST", ROUTE, json={"detail": "no"}, status=401)
    with pytest.raises(AuthError):
        make_captioner(WebUI(URL, retries=0))(png())


def test_with_an_engine_each_picture_is_described_once(wire: responses.RequestsMock, tmp_path: Path) -> None:
    wire.add("POST", ROUTE, json={"caption": "one"})
    wire.add("POST", ROUTE, json={"caption": "two"})
    first = make_captioner(WebUI(URL), engine=engine(tmp_path))
    assert [first(png("red")), first(png("blue")), first(png("red"))] == ["one", "two", "one"]
    assert make_captioner(WebUI(URL), engine=engine(tmp_path))(png("blue")) == "two"
    assert len(wire.calls) == 2


def test_tags_of_the_other_model_are_kept_apart(wire: responses.RequestsMock, tmp_path: Path) -> None:
    wire.add("POST", ROUTE, json={"caption": "a sentence"})
    wire.add("POST", ROUTE, json={"caption": "tags"})
    kept = engine(tmp_path)
    assert make_captioner(WebUI(URL), engine=kept)(png()) == "a sentence"
    assert make_captioner(WebUI(URL), model="deepdanbooru", engine=kept)(png()) == "tags"
