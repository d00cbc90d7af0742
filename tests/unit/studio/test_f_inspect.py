"""`inspect` tells a person and a program what a picture says of itself."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from stages.marks import make_signer, mark_picture
from studio.cli import main
from studio.cli.inspect import lines
from tests.stubs.certificates import make_chain


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    out = BytesIO()
    Image.new("RGB", (64, 48), "white").save(out, "PNG")
    chain = make_chain()
    (tmp_path / "root.pem").write_bytes(chain.root)
    path = tmp_path / "a.png"
    path.write_bytes(
        mark_picture(
            out.getvalue(),
            visible=True,
            language="ko",
            sandbox=True,
            signer=make_signer(chain.cert, chain.key),
            description="첫 사진\x1b[31m",
        )
    )
    return path


def test_a_marked_picture(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(marked)]) == 0
    shown = capsys.readouterr().out
    for words in (
        "PNG, 64 x 48",
        "trainedAlgorithmicMedia",
        "첫 사진",
        "Test signer",
        "language ko",
        "sandbox",
    ):
        assert words in shown
    assert "\x1b" not in shown
    assert "--trust" in shown


def test_as_json_with_a_trusted_authority(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(marked), "--trust", str(marked.parent / "root.pem"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["c2pa"]["state"] == "trusted"
    assert (row["generated"], row["visible_mark"], row["sandbox"]) == (True, "ko", True)
    assert (row["width"], row["height"], row["infotext"]) == (64, 48, False)


def test_a_changed_picture_is_called_broken(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = marked.read_bytes()
    marked.write_bytes(data.replace("첫".encode(), "끝".encode()))
    assert main(["inspect", str(marked)]) == 0
    shown = capsys.readouterr().out
    assert "BROKEN" in shown
    assert "assertion.dataHash.mismatch" in shown


def test_a_plain_picture_says_nothing_and_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.jpg")
    assert main(["inspect", str(tmp_path / "a.jpg")]) == 0
    assert "the file does not say so" in capsys.readouterr().out


def test_several_files_in_their_order(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (9, 9)).save(marked.parent / "b.webp")
    assert main(["inspect", str(marked), str(marked.parent / "b.webp"), "--json"]) == 0
    assert [row["format"] for row in json.loads(capsys.readouterr().out)] == ["PNG", "WEBP"]


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("no picture")
    assert main(["inspect", str(tmp_path / "a.txt")]) == 2
    assert "a.txt" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "none.png")]) == 2
    assert main(["inspect"]) == 2


def test_every_state_has_words(marked: Path) -> None:
    from dataclasses import replace

    from stages.marks import inspect_file

    found = inspect_file(marked)
    for state in ("absent", "trusted", "untrusted", "invalid", "unreadable", "not-checked"):
        text = "\n".join(lines(replace(found, c2pa=replace(found.c2pa, state=state))))
        assert f" {state}\n" not in text
