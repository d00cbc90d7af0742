"""Bodies: pictures spliced into requests, JSON read from answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdwebui_client import EncodedImage, InvalidRequest, OutOfMemory, UnexpectedResponse
from sdwebui_client._answers import (
    decode_generation,
    decode_json,
    encode_json,
    expect,
    server_words,
    status_error,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_comes_back(value: Any) -> None:
    assert json.loads(encode_json(value)) == value
    assert decode_json(encode_json(value), url="u") == value


@given(st.lists(st.binary(max_size=50), max_size=5), st.text())
def test_pictures_are_spliced_in_as_base64(contents: list[bytes], text: str) -> None:
    pictures = [EncodedImage(content) for content in contents]
    payload = {"a": pictures, text: {"b": [text, *pictures]}, "c": text}
    plain = [picture.to_base64() for picture in pictures]
    assert json.loads(encode_json(payload)) == {"a": plain, text: {"b": [text, *plain]}, "c": text}


PICTURES = st.lists(st.text("ABCabc+/=", max_size=20) | st.text(max_size=5), max_size=4)


@given(images=PICTURES, rest=st.dictionaries(st.text(), JSON, max_size=3), indent=st.sampled_from([None, 1]))
def test_pictures_of_an_answer_are_the_same_lifted_or_parsed(
    images: list[str], rest: dict[str, Any], indent: int | None
) -> None:
    for order in ({"images": images, **rest}, {**rest, "images": images}):
        body = json.dumps(order, indent=indent).encode()
        answer = decode_generation(body, url="u")
        texts = [
            bytes(item).decode() if isinstance(item, memoryview) else item for item in answer.pop("images")
        ]
        expected = json.loads(body)
        assert texts == expected.pop("images")
        assert answer == expected


def test_pictures_are_not_copied() -> None:
    body = json.dumps({"images": ["AAAA" * 1000, "BBBB"], "info": "{}"}).encode()
    answer = decode_generation(body, url="u")
    assert all(item.obj is body for item in answer["images"])


@given(st.integers(0, 60))
def test_a_cut_off_answer_is_an_error(cut: int) -> None:
    body = json.dumps({"images": ["AAAA", "BBBB"], "info": "{}"}).encode()
    with pytest.raises(UnexpectedResponse):
        decode_generation(body[: cut % len(body)], url="u")


@pytest.mark.parametrize(
    "body", [b'{"images": [1]}', b'{"images": null}', b'{"images": {}}', b'{"images": ["a", null]}']
)
def test_other_shapes_are_parsed_as_they_are(body: bytes) -> None:
    assert decode_generation(body, url="u") == json.loads(body)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), b"x", {(1, 2): 3}])
def test_what_is_no_json(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        encode_json({"x": value})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "nothing at all"),
        (b'{"images": ["abc', "half a JSON"),
        (b"<html><title>502 Bad Gateway</title></html>", "web page"),
        (b"Stopping.", "instead of JSON"),
        (b"\xff\xfe", "instead of JSON"),
    ],
)
def test_what_is_no_answer(body: bytes, words: str) -> None:
    with pytest.raises(UnexpectedResponse, match=words) as caught:
        decode_json(body, url="http://gpu/x", content_type="text/plain")
    assert caught.value.hint
    assert caught.value.url == "http://gpu/x"


def test_values_of_a_wrong_answer_are_not_shown() -> None:
    with pytest.raises(UnexpectedResponse) as caught:
        expect(dict[str, int], {"api_auth": "hunter2"}, url="u")
    assert "api_auth" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_many_wrong_fields_are_summed_up() -> None:
    with pytest.raises(UnexpectedResponse, match="and 15 more"):
        expect(list[int], ["x"] * 20, url="u")


@given(JSON)
def test_any_json_error_body_has_words_or_none(value: Any) -> None:
    assert isinstance(server_words(json.dumps(value).encode()), str)


@given(st.sampled_from(["detail", "error", "errors", "message", "body", "code"]), JSON, st.integers(400, 599))
def test_any_shape_of_error_body_becomes_an_error(key: str, value: Any, status: int) -> None:
    error = status_error(status, json.dumps({key: value}).encode(), method="GET", url="http://gpu/x")
    assert error.status == status


def test_memory_of_any_kind() -> None:
    body = json.dumps(
        {"error": "RuntimeError", "errors": "[enforce fail] DefaultCPUAllocator: not enough memory"}
    )
    assert isinstance(status_error(500, body.encode(), method="POST", url="u"), OutOfMemory)


def test_a_page_that_explains_an_error_is_quoted() -> None:
    error = status_error(502, b"<html><title>502 Bad\nGateway</title></html>", method="POST", url="u")
    assert error.server_text == "502 Bad Gateway"
    assert "proxy" in error.hint
