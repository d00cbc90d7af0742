"""The infotext, taken apart and put together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdwebui_client import Infotext, parse_infotext
from sdwebui_client.infotext import quote, unquote
from tests.recorded import FLAVOURS, recordings

LINES = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=60)
KEYS = st.from_regex(r"\A[A-Z][A-Za-z0-9_ \-/+]{0,20}[A-Za-z0-9]\Z")
VALUES = st.text(st.characters(blacklist_categories=["Cs"]), max_size=60)
INFOTEXTS = [
    pytest.param(text, id=f"{flavour}-{name}")
    for flavour in FLAVOURS[:3]
    for name, case in recordings(flavour).items()
    if case.is_exchange and isinstance(case.raw["response"].get("body"), dict) and "info" in case.body
    if case.path.endswith("2img")
    for text in case.info["infotexts"][:1]
]


def test_a_whole_one() -> None:
    text = parse_infotext(
        "a portrait,\nof a woman\nNegative prompt: lowres,\nblurry\n"
        'Steps: 20, Sampler: Euler a, Size: 512x768, Lora hashes: "alice: 8a4d, film: 77c1", '
        'ADetailer prompt: "a\\nb \\"c\\"", Version: v1.10.1'
    )
    assert text.prompt == "a portrait,\nof a woman"
    assert text.negative_prompt == "lowres,\nblurry"
    assert text.size == (512, 768)
    assert text.lora_hashes == {"alice": "8a4d", "film": "77c1"}
    assert text.settings["ADetailer prompt"] == 'a\nb "c"'
    assert text.settings["Version"] == "v1.10.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Infotext()),
        ("only a prompt", Infotext("only a prompt")),
        ("Negative prompt: bad", Infotext("", "bad")),
        ("Steps: 2", Infotext("", "", {"Steps": "2"})),
        ("ratio 3:2, at 5: pm", Infotext("ratio 3:2, at 5: pm")),
        ("p\nNegative prompt: n", Infotext("p", "n")),
        ("p\nSteps: 2, Model:\n", Infotext("p", "", {"Steps": "2", "Model": ""})),
        ('p\nSteps: 2, Open: "half', Infotext("p", "", {"Steps": "2", "Open": '"half'})),
    ],
)
def test_odd_ones(text: str, expected: Infotext) -> None:
    assert parse_infotext(text) == expected


def test_no_size() -> None:
    assert parse_infotext("cat\nSteps: 1, Size: big").size is None


@pytest.mark.parametrize("text", INFOTEXTS)
def test_recorded_ones_come_back(text: str) -> None:
    parsed = parse_infotext(text)
    assert parsed.settings["Steps"].isdigit()
    assert parsed.settings["Sampler"]
    assert parse_infotext(str(parsed)) == parsed


@given(VALUES)
def test_quoting_comes_back(value: str) -> None:
    assert unquote(quote(value)) == value


@given(
    prompt=st.lists(LINES, max_size=3),
    negative=st.lists(LINES, max_size=3),
    settings=st.dictionaries(KEYS, VALUES, max_size=6),
)
def test_writing_and_reading_come_back(
    prompt: list[str], negative: list[str], settings: dict[str, str]
) -> None:
    wanted = Infotext(
        "\n".join(prompt).strip("\n").removeprefix("Negative prompt:"),
        "\n".join(negative).strip("\n").lstrip(),
        {"Steps": "20", **{key: value for key, value in settings.items() if key != "Steps"}},
    )
    assert parse_infotext(str(wanted)) == wanted


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    parsed = parse_infotext(text)
    assert isinstance(str(parsed), str)
