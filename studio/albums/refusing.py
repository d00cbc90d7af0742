"""Why a photo is not taken in, or an album cannot begin, in both languages."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from ..refusals import Refused

_STATUS: Mapping[str, tuple[str, int]] = {
    "empty_file": ("empty-file", 400),
    "unreadable": ("unreadable", 400),
    "not_a_file": ("not-a-picture", 415),
    "file_too_large": ("too-large", 413),
    "too_many_pixels": ("too-many-pixels", 413),
    "picture_too_small": ("too-small", 422),
    "not_an_image": ("not-a-picture", 415),
    "unsupported_format": ("unsupported-format", 415),
    "heic_support_missing": ("unsupported-format", 415),
    "video": ("video", 415),
    "damaged": ("damaged", 422),
}
"""The photo check's code -> ours and the HTTP status."""


def refuse_upload(code: str, facts: Mapping[str, str | int]) -> Refused:
    """In the words of the photo check, which has them in both languages.

    Raises:
        KeyError: The check has a code that an upload cannot meet.
    """
    from train_lora.reasons import describe

    ours, status = _STATUS[code]
    if code == "heic_support_missing":
        # What to install is no answer for somebody with a phone.
        code, facts = "unsupported_format", {"format": "HEIC"}
    en, ko = describe(code, facts, "en"), describe(code, facts, "ko")
    return Refused(ours, en=en.reason, ko=ko.reason, hint_en=en.advice, hint_ko=ko.advice, status=status)


def photos_locked() -> Refused:
    """While a job works on them."""
    return Refused(
        "photos-locked",
        en="Portraits are being made of these photos, so they cannot be changed now.",
        ko="이 사진들로 인물사진을 만드는 중이라 지금은 바꿀 수 없습니다.",
        hint_en="Wait until they are ready, or cancel them.",
        hint_ko="완성될 때까지 기다리거나 작업을 취소하세요.",
        status=409,
    )


def too_many_photos(limit: int) -> Refused:
    """The album is full."""
    return Refused(
        "too-many-photos",
        en=f"An album holds at most {limit} photos.",
        ko=f"앨범 하나에는 사진을 {limit}장까지 넣을 수 있습니다.",
        hint_en="Ten to fifteen good ones are enough; remove some first.",
        hint_ko="좋은 사진 열 장에서 열다섯 장이면 충분합니다. 먼저 몇 장을 지우세요.",
        status=409,
    )


def too_many_albums(limit: int) -> Refused:
    """Nobody needs so many; a program that runs wild does."""
    return Refused(
        "too-many-albums",
        en=f"You can have at most {limit} albums.",
        ko=f"앨범은 {limit}개까지 만들 수 있습니다.",
        hint_en="Delete one you no longer need.",
        hint_ko="더 이상 필요 없는 앨범을 삭제하세요.",
        status=409,
    )


def bad_subject(known: tuple[str, ...]) -> Refused:
    """The class word of prompts is one of a few."""
    names = ", ".join(known)
    return Refused(
        "bad-subject",
        en=f"The photos show one of: {names}.",
        ko=f"사진 속 대상은 다음 중 하나여야 합니다: {names}.",
        status=422,
    )


def consent_changed() -> Refused:
    """The text was changed while the page was open."""
    return Refused(
        "consent-changed",
        en="The statement has changed since it was shown.",
        ko="동의 내용이 화면에 표시된 뒤에 바뀌었습니다.",
        hint_en="Read it again and agree once more.",
        hint_ko="내용을 다시 읽고 동의해 주세요.",
        status=409,
    )


def consent_needed() -> Refused:
    """Nothing is made of photos without it."""
    return Refused(
        "consent-needed",
        en="Please agree first that these photos may be used.",
        ko="먼저 이 사진들을 사용해도 된다는 데 동의해 주세요.",
        hint_en="Tick the statement below the photos.",
        hint_ko="사진 아래의 동의 문장에 표시하세요.",
        status=409,
    )


def photos_deleted() -> Refused:
    """Nothing can be compared with photos that are gone."""
    return Refused(
        "photos-deleted",
        en="The photos of this album were deleted.",
        ko="이 앨범의 사진은 삭제되었습니다.",
        hint_en="Add photos again; portraits are compared with them.",
        hint_ko="사진을 다시 올려 주세요. 만들어진 사진을 원본과 비교해야 합니다.",
        status=409,
    )


def not_judged() -> Refused:
    """Some were just uploaded."""
    return Refused(
        "photos-not-checked",
        en="Some photos have not been checked yet.",
        ko="아직 확인하지 않은 사진이 있습니다.",
        hint_en="Wait a few seconds and try again.",
        hint_ko="몇 초 뒤에 다시 시도하세요.",
        status=409,
        retry_after_s=5,
    )


def two_people() -> Refused:
    """It is unclear whose portraits are meant."""
    return Refused(
        "two-people",
        en="The photos show two people about equally often.",
        ko="사진에 두 사람이 비슷하게 많이 나와 누구인지 알 수 없습니다.",
        hint_en="Remove the photos of one of them.",
        hint_ko="둘 중 한 사람의 사진을 지우세요.",
        status=409,
    )


def too_few_photos(accepted: int, needed: int) -> Refused:
    """Not enough to learn a face from."""
    missing = needed - accepted
    return Refused(
        "too-few-photos",
        en=f"{accepted} of the photos can be used; {needed} are needed.",
        ko=f"쓸 수 있는 사진이 {accepted}장입니다. {needed}장이 필요합니다.",
        hint_en=f"Add {missing} more clear photos of the same person; about ten are best.",
        hint_ko=f"같은 사람의 또렷한 사진을 {missing}장 더 올리세요. 열 장쯤이 가장 좋습니다.",
        status=409,
    )


def disk_full() -> Refused:
    """The operator's trouble, told to the user without blame."""
    return Refused(
        "disk-full",
        en="The studio has no room left for new photos right now.",
        ko="지금 스튜디오에 사진을 저장할 공간이 없습니다.",
        hint_en="Please try again later; nothing was saved.",
        hint_ko="나중에 다시 시도해 주세요. 저장된 것은 없습니다.",
        status=507,
        retry_after_s=600,
    )


@contextmanager
def told_when_full() -> Iterator[None]:
    """Turn a full disk, of files or of the database, into `disk_full`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full() from error
        raise
    except OperationalError as error:
        # SQLITE_FULL = 13; PostgreSQL's disk_full is SQLSTATE 53100.
        code = getattr(error.orig, "sqlite_errorcode", None), getattr(error.orig, "sqlstate", None)
        if code[0] == 13 or code[1] == "53100":
            raise disk_full() from error
        raise
