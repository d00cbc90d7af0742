"""Wishes become presets: by names only."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.presets import PresetError
from studio.core import Studio
from studio.refusals import Refused
from studio.wishes import Wishes
from studio.work import preset_names, preset_of
from studio.work.wished import sets_of
from tests.stubs.studios import make_studio

MINE = "schema: sdwebui-preset/1\nextends: studio-sd15\ntitle: Mine\nshots: 5\n"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """One whose operator has a preset, and files that are none."""
    studio = make_studio(tmp_path / "data")
    folder = studio.layout.root / "presets"
    folder.mkdir()
    (folder / "mine.yaml").write_text(MINE, encoding="utf-8")
    (folder / "not a name.yaml").write_text(MINE, encoding="utf-8")
    (studio.layout.root / "outside.yaml").write_text(MINE, encoding="utf-8")
    return studio


def test_the_wishes_are_laid_over_the_preset(studio: Studio) -> None:
    wishes = Wishes(
        preset="studio-sd15", poses=("front",), tone="warm", outfit="blouse_white", backdrop="studio_white",
        identity="both",
    )  # fmt: skip
    preset = preset_of(studio, wishes)
    assert (preset.poses, preset.tone) == (("front",), "warm")
    assert (preset.outfit, preset.backdrop, preset.identity) == ("blouse_white", "studio_white", "both")


def test_what_was_not_wished_for_is_the_presets(studio: Studio) -> None:
    plain = preset_of(studio, Wishes(tone="both"))
    assert plain.outfit == preset_of(studio, Wishes(tone="both", count=9, seed=3)).outfit
    assert sets_of(Wishes(tone="auto")) == ('tone="auto"',)


def test_an_operators_preset_is_found_and_read_again_when_it_changed(studio: Studio) -> None:
    assert preset_of(studio, Wishes(preset="mine")).shots == 5
    path = studio.layout.root / "presets" / "mine.yaml"
    path.write_text(MINE.replace("shots: 5", "shots: 7"), encoding="utf-8")
    assert preset_of(studio, Wishes(preset="mine")).shots == 7


def test_only_names_are_listed(studio: Studio) -> None:
    names = preset_names(studio)
    assert {"mine", "studio-sd15"} <= set(names)
    assert "not a name" not in names
    assert not any(name.startswith("_") for name in names)


@pytest.mark.parametrize(
    "name", ["nowhere", "_base", "..", "../outside", "presets/mine", "/etc/passwd", "mine.yaml", ""]
)
def test_anything_but_a_known_name_is_refused(studio: Studio, name: str) -> None:
    asked = Wishes.model_construct(
        preset=name, poses=(), tone="auto", outfit=None, backdrop=None, count=1, seed=None
    )
    with pytest.raises(Refused) as raised:
        preset_of(studio, asked)
    assert raised.value.code == "unknown-preset"
    assert str(studio.layout.root) not in str(raised.value.to_json())


@pytest.mark.parametrize(
    "changed", [{"poses": ("nowhere",)}, {"tone": "green"}, {"outfit": "armour"}, {"backdrop": "moon"}]
)
def test_names_the_library_does_not_have_are_refused(studio: Studio, changed: dict[str, object]) -> None:
    with pytest.raises(Refused) as raised:
        preset_of(studio, Wishes.model_validate({"preset": "mine", **changed}))
    assert raised.value.code == "unknown-wish"
    assert raised.value.texts["ko"]


def test_no_text_of_a_user_reaches_the_settings() -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        Wishes(poses=("front], shots: 99, x: [",))
    forged = Wishes.model_construct(
        preset="mine", poses=('front", "x',), tone="a: b", outfit=None, backdrop=None, identity=None
    )
    assert sets_of(forged) == ('poses=["front\\", \\"x"]', 'tone="a: b"')


def test_a_preset_that_is_broken_is_the_operators_to_mend(studio: Studio) -> None:
    (studio.layout.root / "presets" / "mine.yaml").write_text(MINE + "shotz: 3\n", encoding="utf-8")
    with pytest.raises(PresetError):
        preset_of(studio, Wishes(preset="mine"))
