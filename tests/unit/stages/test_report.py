"""The report: self-contained, everything escaped, readable without pictures; the contact sheet beside it."""

from __future__ import annotations

import base64
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from sdwebui_client import EncodedImage
from stages.contact_sheet import SheetEntry, contact_sheet
from stages.report import (
    CandidateView,
    EffectView,
    PhotoView,
    PortraitView,
    PoseView,
    RejectedView,
    ReportView,
    StageView,
    render_report,
    thumbnail,
)

EVIL = '<script>alert("x")</script>'
PIXEL = "data:image/jpeg;base64,AAAA"


def _view(*, sandbox: bool = True, delivered: bool = True) -> ReportView:
    stage = StageView(
        "txt2img", PIXEL, "512 × 768", (("prompt", EVIL),), (EffectView("lora:a", "ran", "listed"),)
    )
    portrait = PortraitView("portraits/01.png", EVIL, PIXEL, "1 × 1", 0.9, "a sharp face", 7, PIXEL, (stage,))
    return ReportView(
        title=EVIL,
        sandbox=sandbox,
        facts=(("LoRA", EVIL),),
        min_likeness=0.5,
        photos=(PhotoView(EVIL, False, EVIL, None), PhotoView("a.jpg", True, "", PIXEL)),
        portraits=(portrait,) if delivered else (),
        poses=(PoseView("Front", None, (CandidateView("front-1", PIXEL, 0.2, None, 1, False, "no face"),)),),
        rejected=(RejectedView("front-1-cool", PIXEL, 0.3, EVIL),),
        notes=(EVIL,),
        preset_yaml=f"title: {EVIL}",
    )


def test_nothing_of_the_users_becomes_markup() -> None:
    html = render_report(_view())
    assert EVIL not in html
    assert html.count("<script>") == 1


def test_the_sandbox_is_said_only_of_the_sandbox() -> None:
    assert 'class="sandbox"' in render_report(_view())
    assert 'class="sandbox"' not in render_report(_view(sandbox=False))


def test_an_empty_delivery_says_so_and_shows_what_was_tried() -> None:
    html = render_report(_view(delivered=False))
    assert "No portrait reached the asked likeness" in html
    assert "front-1-cool" in html


def test_pictures_have_words_for_those_who_do_not_see_them() -> None:
    html = render_report(_view())
    assert html.count("<img ") == html.count('alt="')


def test_the_same_view_gives_the_same_page() -> None:
    assert render_report(_view()) == render_report(_view())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16"])
def test_thumbnails_of_every_mode_are_small_jpegs(mode: str) -> None:
    uri = thumbnail(Image.new(mode, (900, 300)), 90)
    image = Image.open(BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert image.format == "JPEG"
    assert image.size == (90, 30)


def test_a_small_picture_is_not_enlarged() -> None:
    uri = thumbnail(Image.new("RGB", (20, 10)), 90)
    assert Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))).size == (20, 10)


@pytest.mark.parametrize("number", [1, 4, 5, 7, 12])
def test_a_contact_sheet_has_room_for_all(number: int) -> None:
    picture = EncodedImage.from_pil(Image.new("RGB", (1024, 1536), "navy"))
    entries = [SheetEntry(picture, f"{index:02d}  Front, cool", "likeness 0.9") for index in range(number)]
    sheet = contact_sheet(entries, title="Studio portraits of 지민", sandbox=True)
    assert sheet == contact_sheet(entries, title="Studio portraits of 지민", sandbox=True)
    image = Image.open(BytesIO(sheet)).convert("RGB")
    # Every cell shows its picture: as many navy areas as entries.
    columns, rows = range(0, image.width, 4), range(0, image.height, 4)
    navy = sum(
        image.getpixel((x, y))[2] > 100 > image.getpixel((x, y))[0] + 60 for x in columns for y in rows
    )  # type: ignore[index,operator]
    assert abs(navy * 16 - number * 440 * 660) < number * 440 * 660 * 0.05


def test_a_sheet_names_nobody_in_letters_its_font_lacks() -> None:
    entries = [
        SheetEntry(EncodedImage.from_pil(Image.new("RGB", (20, 30))), "01  Front, cool", "likeness 0.9")
    ]
    plain = contact_sheet(entries, title="Studio portraits", sandbox=False)
    assert contact_sheet(entries, title="Studio portraits of 지민", sandbox=False) == plain
    assert contact_sheet(entries, title="Studio portraits of Alice", sandbox=False) != plain


def test_a_long_title_stays_on_the_sheet() -> None:
    entries = [
        SheetEntry(EncodedImage.from_pil(Image.new("RGB", (20, 30))), "01  Front, cool", "likeness 0.9")
    ]
    sheet = Image.open(
        BytesIO(contact_sheet(entries, title="Studio portraits of " + "w" * 64, sandbox=False))
    )
    right_edge = sheet.convert("L").crop((sheet.width - 20, 0, sheet.width, 100))
    assert right_edge.getextrema()[0] > 200  # paper only


def test_what_was_refused_says_so_and_why() -> None:
    view = _view()
    spare = CandidateView("front-2", PIXEL, 0.9, 0.2, 2, False, "another was better")
    refused = CandidateView("front-3", PIXEL, 0.2, 0.7, 3, False, "too far below", refused=True)
    html = render_report(replace(view, rejected=(), poses=(PoseView("Front", None, (spare, refused)),)))
    assert html.count('class="badge bad">refused') == 1
    assert (
        html.index("another was better")
        < html.index('class="badge bad">refused')
        < html.index("too far below")
    )


def test_a_stage_counts_what_was_seen_to_run() -> None:
    effects = tuple(EffectView(name, status, "") for name, status in (("a", "ran"), ("b", "unverified")))
    stage = StageView("txt2img", PIXEL, "1 × 1", (), effects)
    assert (stage.seen, stage.unseen) == (1, 1)
