"""What can be chosen, with names in both languages: presets, poses, tones, outfits, backdrops, ID photos."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from .core import Studio
from .views import Words
from .wishes import MAX_PORTRAITS

_PRESETS_KO: Mapping[str, tuple[str, str]] = {
    "studio": ("스튜디오", "회색 배경의 비즈니스 프로필. 포즈 두 가지를 차가운 빛과 따뜻한 빛으로."),
    "studio-cool": ("스튜디오 쿨톤", "차가운 빛의 또렷한 비즈니스 프로필. 흰 배경에 차콜 정장."),
    "studio-warm": ("스튜디오 웜톤", "따뜻한 빛의 부드러운 프로필. 베이지 배경에 아이보리 니트."),
    "id-photo": ("증명사진", "흰 배경의 단정한 증명사진. 닮은 정도를 가장 중요하게 봅니다."),
}
_FAMILIES = {"sd15": "SD 1.5", "sdxl": "SDXL"}
_TONES: Mapping[str, Words] = {
    "auto": Words(ko="자동 추천", en="Automatic"),
    "both": Words(ko="쿨톤과 웜톤 모두", en="Cool and warm"),
}


class Choice(BaseModel):
    """One thing to choose."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    """For `Wishes`."""
    title: Words
    about: str = ""
    """What it is for, English."""


class PresetChoice(Choice):
    """A preset."""

    family: str
    """"sd15" or "sdxl"."""
    about_ko: str = ""


class PoseChoice(Choice):
    """A pose."""

    framing: str
    """"head_and_shoulders" or "half_body"."""


class IdPhotoChoice(Choice):
    """A format of ID photos."""

    width_mm: float
    height_mm: float
    warning: Words
    """To be shown beside it; empty when there is nothing to say."""


class Options(BaseModel):
    """Everything there is to choose."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    presets: tuple[PresetChoice, ...]
    poses: tuple[PoseChoice, ...]
    tones: tuple[Choice, ...]
    """"auto" and "both" among them."""
    outfits: tuple[Choice, ...]
    backdrops: tuple[Choice, ...]
    id_photos: tuple[IdPhotoChoice, ...]
    max_portraits: int
    max_photos: int
    max_upload_mb: int
    photos_days: int
    """How long photos and models are kept."""
    results_days: int
    """How long portraits are kept."""
    visible_mark: str
    """"on" (unless the user says no), "off" or "required"."""


def options_of(studio: Studio) -> Options:
    """What can be chosen in this studio."""
    settings = studio.settings
    return Options(
        presets=tuple(_preset(studio, name) for name in _preset_names(studio)),
        **_shelves(),
        max_portraits=MAX_PORTRAITS,
        max_photos=settings.max_photos,
        max_upload_mb=settings.max_upload_mb,
        photos_days=settings.photos_days,
        results_days=settings.results_days,
        visible_mark=settings.visible_mark,
    )


def _preset_names(studio: Studio) -> tuple[str, ...]:
    from .work.wished import preset_names

    return preset_names(studio)


def _preset(studio: Studio, name: str) -> PresetChoice:
    base, _, family = name.rpartition("-")
    known = _summaries().get(name)
    own = (studio.layout.root / "presets" / f"{name}.yaml").is_file()
    if known is None or own:
        # The operator's own: called by its name, in whatever language that is.
        return PresetChoice(name=name, title=Words(ko=name, en=name), family=known[1] if known else "")
    title, family, about = known
    korean = _PRESETS_KO.get(base)
    ko = f"{korean[0]}, {_FAMILIES[family]}" if korean else title
    return PresetChoice(
        name=name,
        title=Words(ko=ko, en=title),
        family=family,
        about=about,
        about_ko=korean[1] if korean else about,
    )


@cache
def _summaries() -> dict[str, tuple[str, str, str]]:
    from stages.presets import list_presets

    return {entry.name: (entry.title, entry.family, entry.description) for entry in list_presets()}


@cache
def _shelves() -> dict[str, Any]:
    """What comes from the prompt library and the ID formats; read once a process."""
    from prompt_library import load_library
    from stages.id_photos import ID_FORMATS

    library = load_library()

    def choices(shelf: Mapping[str, Any]) -> tuple[Choice, ...]:
        return tuple(
            Choice(name=name, title=Words(ko=item.title.ko, en=item.title.en), about=item.for_)
            for name, item in shelf.items()
        )

    return {
        "poses": tuple(
            PoseChoice(
                name=name,
                title=Words(ko=pose.title.ko, en=pose.title.en),
                about=pose.for_,
                framing=pose.framing,
            )
            for name, pose in library.poses.items()
        ),
        "tones": (
            *(Choice(name=name, title=title) for name, title in _TONES.items()),
            *choices(library.tones),
        ),
        "outfits": choices(library.outfits),
        "backdrops": choices(library.backdrops),
        "id_photos": tuple(
            IdPhotoChoice(
                name=entry.name,
                title=Words(ko=entry.title["ko"], en=entry.title["en"]),
                width_mm=entry.width_mm,
                height_mm=entry.height_mm,
                warning=Words(**entry.warning) if entry.warning else Words(),
            )
            for entry in ID_FORMATS.values()
        ),
    }
