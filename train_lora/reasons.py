"""Why a photo was refused, in words a person understands: one entry a code, in English and Korean.

The words live here and nowhere else, so that a page in another language renders the same verdict by its code.
Placeholders in braces are filled from the verdict's facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("en", "ko")


@dataclass(frozen=True, slots=True)
class Words:
    """What is said about one code in one language."""

    reason: str
    advice: str = ""


_EN = {
    "ok": Words("One clear face."),
    "ok_turned": Words("One clear face; the picture was lying on its side and has been turned upright."),
    "ok_background": Words("One clear face; the small ones in the background are left out."),
    "ok_dark_glasses": Words(
        "One clear face, but the eyes seem to be behind dark glasses.",
        "A photo without them shows more of the person.",
    ),
    "ok_mask": Words(
        "One clear face, but mouth and nose seem to be covered.", "A photo of the whole face is worth more."
    ),
    "ok_unlike": Words(
        "One clear face, but less like the other photos than these are like each other.",
        "Make sure that it is the same person; if not, take it out.",
    ),
    "empty_file": Words("The file is empty (0 bytes).", "Copy it again from the camera or phone."),
    "unreadable": Words(
        "The file cannot be opened: {why}.", "Check that you may read it and that it is not a broken link."
    ),
    "not_a_file": Words("This is not an ordinary file.", "Put the photo itself into the folder."),
    "subfolder": Words(
        "This is a folder; photos inside folders are not looked at.", "Move its photos one level up."
    ),
    "video": Words("This is a video, not a photo.", "Take a still picture out of it, at full size."),
    "not_an_image": Words("This is not a picture.", "Use JPEG, PNG, WebP or HEIC photos."),
    "unsupported_format": Words("{format} pictures are not read.", "Save it as JPEG or PNG."),
    "heic_support_missing": Words(
        "HEIC photos need the package pillow-heif, which is not installed.",
        'Run `pip install -e ".[profile]"`, or save the photo as JPEG.',
    ),
    "damaged": Words(
        "The picture is damaged or cut short and cannot be decoded.",
        "Copy it again from the camera or phone.",
    ),
    "file_too_large": Words(
        "The file has {megabytes} MB; the limit is {limit_megabytes} MB.",
        "Save it as a JPEG of ordinary size.",
    ),
    "too_many_pixels": Words(
        "The picture claims {width} x {height} pixels; the limit is {limit_megapixels} megapixels.",
        "Save it smaller: 4000 pixels on the long side are plenty.",
    ),
    "picture_too_small": Words(
        "The picture has only {width} x {height} pixels; the shorter side needs {min_side}.",
        "Use the original photo instead of a thumbnail or screenshot.",
    ),
    "no_face": Words(
        "No face was found.",
        "Use a photo with the whole face in view: no mask, not from behind, not in the dark.",
    ),
    "several_faces": Words(
        "{count} faces of similar size: it is not clear whose photo this is.",
        "Use a photo of one person alone, or crop it to that person.",
    ),
    "face_too_small": Words(
        "The face is only {face_px} pixels high; it needs {min_face_px}.",
        "Come closer, or crop less sharply from the original.",
    ),
    "face_cut_off": Words(
        "Part of the face lies outside the picture.", "Use a photo with the whole head in it."
    ),
    "blurred": Words("The face is blurred.", "Use a sharp photo: hold still, more light, focus on the eyes."),
    "too_dark": Words(
        "The face is too dark to make out.", "Take it by a window or outdoors, with light on the face."
    ),
    "too_bright": Words(
        "The face is overexposed: too much of it is pure white.", "Avoid direct flash and harsh sun."
    ),
    "turned_away": Words(
        "The head is turned too far to the side (about {yaw} degrees).",
        "Use photos where both eyes can be seen.",
    ),
    "duplicate_file": Words("The same file as {other}.", "Each photo counts once; add a different one."),
    "near_duplicate": Words(
        "Almost the same picture as {other}, which is the better of the two.",
        "Add a photo from another moment or angle.",
    ),
    "someone_else": Words(
        "This does not seem to be the person on the other photos.",
        "Leave it out, or, if it is the same person, use a clearer photo.",
    ),
    "two_people": Words(
        "The photos show more than one person, and it is unclear who is meant (this is in group {group}).",
        "Keep the photos of one person only.",
    ),
    "too_many_photos": Words("Only the first {limit} photos are used.", "Keep the best ones."),
}

_KO = {
    "ok": Words("얼굴이 하나 또렷하게 보입니다."),
    "ok_turned": Words("얼굴이 하나 또렷하게 보입니다. 옆으로 누운 사진이라 바로 세웠습니다."),
    "ok_background": Words("얼굴이 하나 또렷하게 보입니다. 배경의 작은 얼굴은 제외했습니다."),
    "ok_dark_glasses": Words(
        "얼굴이 하나 또렷하게 보이지만 눈이 짙은 안경에 가려진 것 같습니다.",
        "안경을 벗은 사진이 그 사람을 더 잘 보여 줍니다.",
    ),
    "ok_mask": Words(
        "얼굴이 하나 또렷하게 보이지만 입과 코가 가려진 것 같습니다.",
        "얼굴 전체가 보이는 사진이 더 좋습니다.",
    ),
    "ok_unlike": Words(
        "얼굴이 하나 또렷하게 보이지만 다른 사진들과 덜 닮았습니다.",
        "같은 사람이 맞는지 확인하고, 아니면 빼세요.",
    ),
    "empty_file": Words("파일이 비어 있습니다(0바이트).", "카메라나 휴대폰에서 다시 복사하세요."),
    "unreadable": Words(
        "파일을 열 수 없습니다: {why}.", "읽기 권한이 있는지, 끊어진 링크가 아닌지 확인하세요."
    ),
    "not_a_file": Words("일반 파일이 아닙니다.", "사진 파일 자체를 폴더에 넣으세요."),
    "subfolder": Words(
        "폴더입니다. 폴더 안의 사진은 보지 않습니다.", "안에 있는 사진을 한 단계 위로 옮기세요."
    ),
    "video": Words("사진이 아니라 동영상입니다.", "동영상에서 원본 크기의 정지 화면을 저장해 쓰세요."),
    "not_an_image": Words("사진 파일이 아닙니다.", "JPEG, PNG, WebP, HEIC 사진을 쓰세요."),
    "unsupported_format": Words("{format} 형식은 읽지 않습니다.", "JPEG나 PNG로 저장하세요."),
    "heic_support_missing": Words(
        "HEIC 사진을 읽으려면 pillow-heif 패키지가 필요한데 설치되어 있지 않습니다.",
        '`pip install -e ".[profile]"`을 실행하거나 사진을 JPEG로 저장하세요.',
    ),
    "damaged": Words(
        "사진이 손상되었거나 중간에 잘려 읽을 수 없습니다.", "카메라나 휴대폰에서 다시 복사하세요."
    ),
    "file_too_large": Words(
        "파일 크기가 {megabytes} MB입니다. 최대 {limit_megabytes} MB까지 됩니다.",
        "보통 크기의 JPEG로 저장하세요.",
    ),
    "too_many_pixels": Words(
        "사진 크기가 {width} x {height} 픽셀로 적혀 있습니다. 최대 {limit_megapixels}메가픽셀까지 됩니다.",
        "더 작게 저장하세요. 긴 변 4000픽셀이면 충분합니다.",
    ),
    "picture_too_small": Words(
        "사진이 {width} x {height} 픽셀밖에 되지 않습니다. 짧은 변이 {min_side}픽셀은 되어야 합니다.",
        "미리보기나 화면 캡처 말고 원본 사진을 쓰세요.",
    ),
    "no_face": Words(
        "얼굴을 찾지 못했습니다.",
        "얼굴 전체가 보이는 사진을 쓰세요. 마스크, 뒷모습, 어두운 사진은 안 됩니다.",
    ),
    "several_faces": Words(
        "비슷한 크기의 얼굴이 {count}개 있어 누구의 사진인지 알 수 없습니다.",
        "혼자 찍은 사진을 쓰거나 그 사람만 남기고 자르세요.",
    ),
    "face_too_small": Words(
        "얼굴 높이가 {face_px}픽셀밖에 되지 않습니다. {min_face_px}픽셀은 되어야 합니다.",
        "더 가까이에서 찍거나 원본에서 덜 줄여 자르세요.",
    ),
    "face_cut_off": Words("얼굴 일부가 사진 밖으로 나갔습니다.", "머리 전체가 나온 사진을 쓰세요."),
    "blurred": Words(
        "얼굴이 흐릿합니다.", "선명한 사진을 쓰세요. 흔들리지 않게, 밝은 곳에서, 눈에 초점을 맞추세요."
    ),
    "too_dark": Words("얼굴이 너무 어두워 알아볼 수 없습니다.", "창가나 실외에서 얼굴에 빛이 들게 찍으세요."),
    "too_bright": Words("얼굴이 너무 밝아 하얗게 날아갔습니다.", "직접 플래시나 강한 햇빛을 피하세요."),
    "turned_away": Words(
        "고개를 옆으로 너무 많이 돌렸습니다(약 {yaw}도).", "두 눈이 모두 보이는 사진을 쓰세요."
    ),
    "duplicate_file": Words(
        "{other} 파일과 똑같은 파일입니다.", "같은 사진은 한 번만 셉니다. 다른 사진을 넣으세요."
    ),
    "near_duplicate": Words(
        "{other} 사진과 거의 같고, 그 사진이 더 좋습니다.", "다른 순간이나 다른 각도의 사진을 넣으세요."
    ),
    "someone_else": Words(
        "다른 사진들과 같은 사람이 아닌 것 같습니다.", "빼거나, 같은 사람이라면 더 또렷한 사진을 쓰세요."
    ),
    "two_people": Words(
        "사진에 두 사람 이상이 섞여 있어 누구인지 알 수 없습니다(이 사진은 {group}번 묶음).",
        "한 사람의 사진만 남기세요.",
    ),
    "too_many_photos": Words("처음 {limit}장만 사용합니다.", "가장 좋은 사진만 남기세요."),
}

CATALOGUE: Mapping[str, Mapping[str, Words]] = {"en": _EN, "ko": _KO}
"""Language -> code -> words."""

CODES = tuple(_EN)
"""Every code a verdict can carry. Those that begin with "ok" are accepted."""


def describe(code: str, facts: Mapping[str, str | int], language: str = "en") -> Words:
    """The reason and advice of a code with its placeholders filled.

    Raises:
        KeyError: No such code or language, or a placeholder without a fact.
    """
    words = CATALOGUE[language][code]
    return Words(words.reason.format_map(facts), words.advice.format_map(facts))
