"""What would make a set of photos better, in words: only what was measured, English and Korean.

A LoRA learns what all its photos share. One side, one light, one crop in all of them becomes part of the
person; what is missing in all of them is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from .crops import plan_half_body
from .hold_out import light, view
from .photo_set import Photo, PhotoSet

GOOD_NUMBER = 8
"""Photos from which a set is not called small; recipes people report use 5 to 20, mostly about 10."""
_SOFT = 25.0
"""`faces.Quality.sharpness` that counts as soft."""
_SMALL_PX = 200.0
"""Height of a face below which a 512 px picture has to enlarge it or show it small."""
_SAME_GREY, _SAME_SIDE = 0.1, 0.08
"""Spread of brightness and of the light's side within which photos have the same light. (The example photos,
one moment lit ten ways by computer: 0.28 and 0.09.)"""
_ONE_SESSION = timedelta(hours=2)
_DATED_SHARE = 0.8
"""Share of photos with a date from which their dates say something about all."""
_MOST = 0.5

CATALOGUE: Mapping[str, Mapping[str, str]] = {
    "en": {
        "few_photos": "{count} photos are few: with ten to fifteen the person is learnt better. Add some of "
        "other days and places.",
        "only_front": "Every photo shows the face from the front: add one from the left and one from the "
        "right side, with both eyes in view.",
        "no_left": "No photo shows the head turned to the picture's left: add one.",
        "no_right": "No photo shows the head turned to the picture's right: add one.",
        "no_front": "No photo shows the face from the front: add one that looks into the camera.",
        "one_light": "All photos have about the same light: add one from elsewhere, by a window or outdoors.",
        "all_dim": "All photos are dim: add some in daylight, with light on the face.",
        "all_bright": "All photos are very bright: add some in softer light, away from sun and flash.",
        "one_session": "The photos were all taken within two hours: add some from another day, with other "
        "clothes and another place.",
        "all_close": "Every photo is cut close to the face: add one or two that reach down to the waist.",
        "soft": "{count} of {total} photos are somewhat soft: sharper ones show more of the person.",
        "small_faces": "In {count} of {total} photos the face is small: come closer, or use the originals "
        "instead of reduced copies.",
        "dark_glasses": "In {count} of {total} photos the eyes seem to be behind dark glasses: add photos "
        "without them.",
        "masks": "In {count} of {total} photos mouth and nose seem covered: add some of the whole face.",
    },
    "ko": {
        "few_photos": "사진이 {count}장으로 적습니다. 열 장에서 열다섯 장이면 더 닮게 배웁니다. 다른 날, "
        "다른 장소의 사진을 더하세요.",
        "only_front": "모든 사진이 정면입니다. 두 눈이 보이게 왼쪽과 오른쪽으로 돌린 사진을 "
        "한 장씩 더하세요.",
        "no_left": "사진에서 왼쪽으로 고개를 돌린 모습이 없습니다. 한 장 더하세요.",
        "no_right": "사진에서 오른쪽으로 고개를 돌린 모습이 없습니다. 한 장 더하세요.",
        "no_front": "정면 사진이 없습니다. 카메라를 똑바로 보는 사진을 한 장 더하세요.",
        "one_light": "모든 사진의 빛이 거의 같습니다. 창가나 실외처럼 다른 곳에서 찍은 사진을 더하세요.",
        "all_dim": "모든 사진이 어둡습니다. 낮에 얼굴에 빛이 드는 곳에서 찍은 사진을 더하세요.",
        "all_bright": "모든 사진이 매우 밝습니다. 직사광선과 플래시를 피한 부드러운 빛의 사진을 더하세요.",
        "one_session": "모든 사진이 두 시간 안에 찍혔습니다. 다른 날, 다른 옷, 다른 장소의 사진을 더하세요.",
        "all_close": "모든 사진이 얼굴만 가깝게 나왔습니다. 허리까지 보이는 사진을 한두 장 더하세요.",
        "soft": "{total}장 중 {count}장이 조금 흐립니다. 더 선명한 사진이 이목구비를 잘 보여 줍니다.",
        "small_faces": "{total}장 중 {count}장에서 얼굴이 작습니다. 더 가까이에서 찍거나 줄이지 않은 원본을 "
        "쓰세요.",
        "dark_glasses": "{total}장 중 {count}장에서 눈이 짙은 안경에 가려진 것 같습니다. 안경을 벗은 사진을 "
        "더하세요.",
        "masks": "{total}장 중 {count}장에서 입과 코가 가려진 것 같습니다. 얼굴 전체가 보이는 사진을 "
        "더하세요.",
    },
}
"""Language -> code -> sentence."""

CODES = tuple(CATALOGUE["en"])
"""Every advice there is, the weightiest first: the order in which `advise` gives them."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that would make the set better."""

    code: str
    """Stable key: an entry of `CODES`."""
    facts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """What fills the sentence's placeholders."""

    def describe(self, language: str = "en") -> str:
        """The sentence in "en" or "ko".

        Raises:
            KeyError: No such language.
        """
        return CATALOGUE[language][self.code].format_map(self.facts)


def advise(photos: PhotoSet | Sequence[Photo]) -> tuple[Advice, ...]:
    """What would make a set of accepted photos better; nothing when nothing measured speaks against it.

    Measured: number, turn of the head, light (brightness and side), dates where the files have them, room
    below the face, sharpness, size, dark glasses and masks. Not measured: expressions, hair, clothes, places.

    Args:
        photos: What `load_photos` accepted.
    """
    accepted = photos.accepted if isinstance(photos, PhotoSet) else tuple(photos)
    if not accepted:
        return ()
    found = [*_number(accepted), *_views(accepted), *_lights(accepted), *_framings(accepted)]
    found += _single_photos(accepted)
    return tuple(sorted(found, key=lambda advice: CODES.index(advice.code)))


def _number(photos: Sequence[Photo]) -> Iterator[Advice]:
    if len(photos) < GOOD_NUMBER:
        yield Advice("few_photos", MappingProxyType({"count": len(photos)}))
    dates = sorted(photo.taken for photo in photos if photo.taken is not None)
    if len(dates) >= max(2, _DATED_SHARE * len(photos)) and dates[-1] - dates[0] <= _ONE_SESSION:
        yield Advice("one_session")


def _views(photos: Sequence[Photo]) -> Iterator[Advice]:
    views = {view(photo) for photo in photos}
    if views == {"front"}:
        yield Advice("only_front")
        return
    for side in ("left", "right", "front"):
        if side not in views:
            yield Advice(f"no_{side}")


def _lights(photos: Sequence[Photo]) -> Iterator[Advice]:
    greys = [photo.quality.brightness for photo in photos]
    sides = [photo.quality.side_light for photo in photos]
    lights = {light(photo) for photo in photos}
    if lights == {"dim"}:
        yield Advice("all_dim")
    elif lights == {"bright"}:
        yield Advice("all_bright")
    elif len(photos) > 1 and max(greys) - min(greys) <= _SAME_GREY and max(sides) - min(sides) <= _SAME_SIDE:
        yield Advice("one_light")


def _framings(photos: Sequence[Photo]) -> Iterator[Advice]:
    if all(plan_half_body(photo.picture_size, photo.face) is None for photo in photos):
        yield Advice("all_close")


def _single_photos(photos: Sequence[Photo]) -> Iterator[Advice]:
    """What many photos have in common, and each would be better without."""
    total = len(photos)
    counts = {
        "soft": sum(photo.quality.sharpness < _SOFT for photo in photos),
        "small_faces": sum(photo.quality.face_px < _SMALL_PX for photo in photos),
        "dark_glasses": sum(photo.quality.eyes_covered for photo in photos),
        "masks": sum(photo.quality.mouth_covered for photo in photos),
    }
    least = {"soft": _MOST, "small_faces": _MOST, "dark_glasses": 0.3, "masks": 0.3}
    for code, count in counts.items():
        if count and count >= least[code] * total:
            yield Advice(code, MappingProxyType({"count": count, "total": total}))
