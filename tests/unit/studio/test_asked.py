"""The options of make-profile, before a server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.cli._asked import read_asked
from studio.errors import BadInput


def given(folder: Path, **options: Any) -> dict[str, Any]:
    names = ("name", "out", "lora", "pose_from", "count", "seed", "subject", "models_dir", "api_auth_file")
    others = ("ca_file", "trainer", "base_model", "tone", "identity")
    return {
        **dict.fromkeys((*names, *others)),
        "user": str(folder),
        "webui": (),
        "insecure": False,
        "preset": "studio-sd15",
        "sets": (),
        "explain": False,
        **options,
    }


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.jpg").touch()
    return folder


def test_a_folders_name_is_nobodys(photos: Path) -> None:
    asked = read_asked(given(photos))
    assert asked.name == "photos"
    assert asked.profile_options().person is None


def test_a_name_that_was_given_stands_in_the_headings(photos: Path) -> None:
    assert read_asked(given(photos, name="지민")).profile_options().person == "지민"


@pytest.mark.parametrize("option", ["lora", "out"])
def test_an_empty_option_is_refused(photos: Path, option: str) -> None:
    with pytest.raises(BadInput, match=f"--{option} is empty"):
        read_asked(given(photos, **{option: " "}))
