"""--tone and --identity of make-profile: keys of the preset with an option of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.presets import PresetError
from studio.cli._asked import read_asked
from studio.errors import BadInput


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.jpg").touch()
    return folder


def preset_of(folder: Path, **options: Any) -> Any:
    names = ("name", "out", "lora", "pose_from", "count", "seed", "subject", "models_dir", "api_auth_file")
    others = ("ca_file", "trainer", "base_model", "tone", "identity")
    given = {
        **dict.fromkeys((*names, *others)),
        "user": str(folder),
        "webui": (),
        "insecure": False,
        "preset": "studio-sd15",
        "sets": (),
        "explain": False,
        **options,
    }
    return read_asked(given).profile_options().preset


def test_without_them_the_preset_stays_as_it_is(photos: Path) -> None:
    preset = preset_of(photos)
    assert (preset.tone, preset.tones, preset.identity) == (None, ("cool", "warm"), "lora")


@pytest.mark.parametrize("tone", ["auto", "both", "warm", "monochrome"])
def test_a_tone_is_taken(photos: Path, tone: str) -> None:
    assert preset_of(photos, tone=tone).tone == tone


def test_an_option_wins_over_set(photos: Path) -> None:
    preset = preset_of(photos, tone="cool", identity="both", sets=("tone=warm", "identity=ip_adapter"))
    assert (preset.tone, preset.identity) == ("cool", "both")


@pytest.mark.parametrize("tone", ["no", "wram", "", "1e3", '"'])
def test_a_tone_that_is_none_is_refused_by_its_name(photos: Path, tone: str) -> None:
    """YAML would read some of these as something else than text."""
    with pytest.raises(PresetError, match="tone"):
        preset_of(photos, tone=tone)


def test_a_lora_and_an_identity_without_one_contradict(photos: Path) -> None:
    for options in ({"identity": "ip_adapter"}, {"sets": ("identity=ip_adapter",)}):
        with pytest.raises(BadInput, match="ip_adapter uses none") as caught:
            preset_of(photos, lora="alice", **options)
        assert "--identity both" in caught.value.hint
    assert preset_of(photos, lora="alice", identity="both").identity == "both"
