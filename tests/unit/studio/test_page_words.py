"""The page's texts, places, forms and drawings, without a browser."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Any
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

import studio.web.page
from prompt_library import UnknownName, load_library
from studio.refusals import Refused
from studio.web.page.figures import pose_figure
from studio.web.page.forms import read_wishes, retouch_wishes
from studio.web.page.place import Place
from studio.web.page.texts import TEXTS, words
from studio.wishes import MAX_PORTRAITS, Wishes

FOLDER = Path(studio.web.page.__file__).parent
FILES = [*FOLDER.glob("templates/*.html"), *FOLDER.glob("*.py")]
SOURCES = "\n".join(path.read_text("utf-8") for path in FILES if path.stem != "texts")
FORM = {
    "poses": ["front"],
    "tone": "warm",
    "outfit": "",
    "backdrop": "studio_blue",
    "count": "3",
    "mark": True,
}


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_text_says_the_same_in_both_languages() -> None:
    for key, (ko, en) in TEXTS.items():
        assert ko.strip(), key
        assert en.strip(), key
        assert _fields(ko) == _fields(en), key
        assert re.search("[가-힣]", ko) or key in ("other-language", "job-percent"), key
        assert not re.search("[가-힣]", en) or key == "other-language", key


def test_every_text_is_used() -> None:
    begun = tuple(re.findall(r"""["']([a-z]+-)["'] ~""", SOURCES))
    unused = [
        key for key in TEXTS if not key.startswith(begun) and not re.search(rf"""["']{key}["']""", SOURCES)
    ]
    assert unused == []


def test_every_text_that_is_asked_for_exists() -> None:
    asked = re.findall(r"""\b_?say\(["']([a-z0-9-]+)["'][,)]""", SOURCES)
    assert len(asked) > 80
    assert set(asked) <= set(TEXTS)


def test_what_is_filled_in_is_escaped() -> None:
    text = words("ko")("photo-alt", name="<b>&")
    assert isinstance(text, Markup)
    assert "&lt;b&gt;&amp;" in text


def test_nothing_of_the_page_is_marked_as_safe_html() -> None:
    assert "|safe" not in SOURCES.replace(" ", "")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("#/gallery/0123456789abcdef0123", Place("gallery", "0123456789abcdef0123")),
        ("#/data", Place("data")),
        ("#/job/../../etc", Place()),
        ("#/elsewhere/0123456789abcdef0123", Place()),
        ("#/gallery/<b>", Place()),
        ("", Place()),
        (None, Place()),
        ({"step": "data"}, Place()),
    ],
)
def test_an_address_is_read_or_left_to_the_page(address: Any, place: Place) -> None:
    assert Place.parse(address) == place


def test_a_place_is_written_as_it_is_read() -> None:
    assert str(Place("gallery", "0123456789abcdef0123")) == "#/gallery/0123456789abcdef0123"
    assert str(Place()) == "#/"


def test_the_form_becomes_wishes() -> None:
    assert read_wishes(FORM) == Wishes(
        preset="studio-sd15", poses=("front",), tone="warm", outfit=None, backdrop="studio_blue", count=3,
        seed=None, visible_mark=True, identity=None,
    )  # fmt: skip


def test_a_form_without_the_mark_leaves_it_to_the_operator() -> None:
    assert read_wishes({name: value for name, value in FORM.items() if name != "mark"}).visible_mark is None
    assert read_wishes({**FORM, "mark": False}).visible_mark is False


def test_a_count_beyond_the_range_is_brought_into_it() -> None:
    assert read_wishes({**FORM, "count": "999"}).count == MAX_PORTRAITS
    assert read_wishes({**FORM, "count": "0"}).count == 1


@pytest.mark.parametrize(
    "slip",
    [
        {"tone": "../secret"}, {"tone": "sepia"}, {"poses": ["flying"]}, {"poses": [["front"]]},
        {"outfit": "(naked:2)"}, {"backdrop": "<lora:x:1>"}, {"count": "many"}, {"count": None},
        {"poses": "front, nude"},
    ],
)  # fmt: skip
def test_what_the_form_does_not_offer_is_refused(slip: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        read_wishes({**FORM, **slip})
    assert caught.value.code == "wishes"


def test_a_retouch_keeps_what_it_does_not_change() -> None:
    parent = Wishes.model_validate(
        {"preset": "studio-sd15", "outfit": "suit_navy", "seed": 7, "visible_mark": False}
    )
    retouch = retouch_wishes(parent, {"poses": "front", "tone": "monochrome", "outfit": "", "count": "1"})
    assert retouch == parent.model_copy(update={"poses": ("front",), "tone": "monochrome", "count": 1})


@pytest.mark.parametrize("name", load_library().poses)
def test_a_pose_is_drawn_inside_its_frame(name: str) -> None:
    root = ElementTree.fromstring(str(pose_figure(name)))
    face = root.find("ellipse")
    assert face is not None
    x, y, rx, ry = (float(face.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
    assert x - rx > 4
    assert x + rx < 76
    assert y - ry > 10
    assert {"body", "neck", "hair"} <= {node.attrib["class"] for node in root}


def test_an_unknown_pose_is_not_drawn() -> None:
    with pytest.raises(UnknownName):
        pose_figure("flying")


def test_crossed_arms_show_hands_and_a_profile_one_eye() -> None:
    assert str(pose_figure("arms_crossed")).count('class="hand"') == 2
    assert str(pose_figure("profile_left")).count('class="eye"') == 1
