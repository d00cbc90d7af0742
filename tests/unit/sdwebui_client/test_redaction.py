"""No password and no picture in anything people read."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdwebui_client import AnswerLost, CapabilityMissing, EffectMissing, WebUIError
from sdwebui_client import errors as tree
from sdwebui_client.redaction import redact, split_credentials

WORD = st.text(st.characters(whitelist_categories=["Ll", "Lu", "Nd"]), min_size=4, max_size=20)


@pytest.mark.parametrize(
    "text",
    [
        "http://me:hunter2@gpu:7860/sdapi",
        "Authorization: Basic hunter2",
        "'Authorization': 'Bearer hunter2'",
        '"api_auth": "me:hunter2"',
        "api_auth='me:hunter2'",
        "{'gradio_auth': 'me:hunter2', 'api': True}",
        "password: 'hunter2'",
    ],
)
def test_secrets_go(text: str) -> None:
    assert "hunter2" not in redact(text)


@pytest.mark.parametrize(
    "text", ["http://gpu:7860/a@b", "Sampler not found", "token count 75", "me@example.org"]
)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text


def test_pictures_go() -> None:
    assert redact("data:image/png;base64," + "iVBORw0K" * 50) == "<422 characters of base64>"
    assert len(redact("long " * 10_000)) < 2100


@given(user=WORD, secret=WORD, host=WORD)
def test_no_password_in_an_address_survives(user: str, secret: str, host: str) -> None:
    clean, found_user, found_secret = split_credentials(f"https://{user}:{secret}@{host}.example:99/p/")
    assert (found_user, found_secret) == (user, secret)
    assert clean == f"https://{host.lower()}.example:99/p"
    assert f":{secret}@" not in redact(f"GET https://{user}:{secret}@{host}.example failed")


def test_errors_carry_evidence_and_the_next_action() -> None:
    error = WebUIError(
        "It failed",
        hint="try http",
        url="http://me:hunter2@gpu",
        status=500,
        server_text="api_auth='hunter2'",
    )
    assert str(error) == "It failed\nThe server said: api_auth='***'\nWhat to do: try http"
    assert error.url == "http://***@gpu"
    assert "hunter2" not in repr(error.__dict__)


@pytest.mark.parametrize(
    "error",
    [
        WebUIError("a", hint="b", url="c", status=1, server_text="d"),
        AnswerLost("a", safe_to_resend=True, url="c"),
        CapabilityMissing("a", problems=["x"]),
        EffectMissing("a", result={"images": []}),
    ],
)
def test_errors_can_be_pickled(error: WebUIError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert again.__dict__ == error.__dict__
    assert str(again) == str(error)


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    assert tree.__doc__ is not None
    drawn = {line.strip(" │├└─").split()[0] for line in tree.__doc__.splitlines() if "──" in line}
    real = {
        name
        for name, value in vars(tree).items()
        if isinstance(value, type) and issubclass(value, WebUIError)
    }
    assert drawn == real - {"WebUIError"}
