"""Answers that were tampered with: a result or one of our errors, never anything else."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdwebui_client import GenerationResult, Txt2ImgRequest, UnexpectedResponse, WebUIError
from sdwebui_client._answers import decode_generation, expect
from sdwebui_client._interpret import interpret
from sdwebui_client._prepare import Prepared, prepare
from sdwebui_client.capabilities import Capabilities, Flavour
from sdwebui_client.types import ServerProgress, TaskProgress
from tests.recorded import recordings

CAPS = Capabilities(flavour=Flavour.A1111, version="v1.10.1", samplers=("Euler a",))
REQUEST = Txt2ImgRequest(prompt="portrait of a woman, smiling", steps=2, width=256, height=256, seed=1234)
GOOD: dict[str, Any] = recordings("a1111")["full/p01_txt2img_plain"].body
WRONG = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)
WRONG |= st.dictionaries(st.text(max_size=5), st.integers(), max_size=2)


def prepared() -> Prepared:
    return prepare("txt2img", REQUEST, (), None, CAPS)


def read(body: bytes) -> GenerationResult:
    answer = decode_generation(body, url="http://gpu/sdapi/v1/txt2img")
    if not isinstance(answer, dict):
        raise UnexpectedResponse("no object")
    return interpret(prepared(), answer, CAPS, task_id="task(x)", elapsed_s=1.0)


def outcome(body: bytes) -> GenerationResult | WebUIError:
    try:
        return read(body)
    except WebUIError as error:
        return error


def test_the_untouched_answer_is_fine() -> None:
    result = read(json.dumps(GOOD).encode())
    assert result.images[0].size == (256, 256)
    assert not result.verified.missing


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(["images", "parameters", "info"]), value=WRONG)
def test_a_field_of_another_type(key: str, value: Any) -> None:
    assert str(outcome(json.dumps({**GOOD, key: value}).encode()))


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(sorted(json.loads(GOOD["info"]))), value=WRONG, drop=st.booleans())
def test_an_info_of_another_shape(key: str, value: Any, drop: bool) -> None:
    info = json.loads(GOOD["info"])
    if drop:
        del info[key]
    else:
        info[key] = value
    assert str(outcome(json.dumps({**GOOD, "info": json.dumps(info)}).encode()))


@pytest.mark.parametrize("key", ["images", "info"])
def test_an_absent_field(key: str) -> None:
    body = copy.copy(GOOD)
    del body[key]
    with pytest.raises(WebUIError):
        read(json.dumps(body).encode())


@settings(max_examples=80, deadline=None)
@given(st.integers(min_value=1, max_value=200_000))
def test_a_truncated_answer(cut: int) -> None:
    body = json.dumps(GOOD).encode()
    with pytest.raises(UnexpectedResponse):
        read(body[: cut % len(body)])


@settings(max_examples=60, deadline=None)
@example(at=20, byte=92)
@example(at=140, byte=92)
@given(at=st.integers(0, 190_000), byte=st.integers(0, 255))
def test_a_flipped_byte(at: int, byte: int) -> None:
    body = bytearray(json.dumps(GOOD).encode())
    body[at % len(body)] = byte
    # A flipped byte may cut the picture's text anywhere; no piece of it that says anything is repeated.
    assert not re.search(r"[A-Za-z0-9+/]{100}", str(outcome(bytes(body))))


@given(kind=st.sampled_from([ServerProgress, TaskProgress]), value=WRONG)
def test_progress_of_another_shape(kind: Any, value: Any) -> None:
    if isinstance(value, dict) and not value:
        return  # every field has a neutral value
    with contextlib.suppress(UnexpectedResponse):
        assert isinstance(expect(kind, value, url="u"), kind)
