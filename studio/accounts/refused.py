"""The ways accounts say no, in both languages. None of them tells whether an address is known."""

from __future__ import annotations

import math

from ..refusals import Refused


def too_many(retry_after_s: float) -> Refused:
    """Tried too often; how many seconds until it is worth trying again."""
    minutes = max(1, math.ceil(retry_after_s / 60))
    return Refused(
        "too-many",
        en="That was tried too often.",
        ko="시도 횟수가 너무 많습니다.",
        hint_en=f"Try again in {minutes} minute{'s' if minutes > 1 else ''}.",
        hint_ko=f"{minutes}분 뒤에 다시 시도해 주세요.",
        status=429,
        retry_after_s=max(1.0, retry_after_s),
    )


def wrong_sign_in() -> Refused:
    """No such account, another password, an address that is not proved yet, or a closed account."""
    return Refused(
        "wrong-sign-in",
        en="The e-mail address or the password is not right.",
        ko="이메일 주소 또는 비밀번호가 맞지 않습니다.",
        hint_en="If you have just signed up, open the link in our mail first. "
        "You can also have a sign-in link mailed to you.",
        hint_ko="방금 가입하셨다면 먼저 메일에 있는 링크를 열어 주세요. "
        "로그인 링크를 메일로 받으실 수도 있습니다.",
        status=401,
    )


def wrong_password() -> Refused:
    """The password that was to be changed is another."""
    return Refused(
        "wrong-password",
        en="The current password is not right.",
        ko="현재 비밀번호가 맞지 않습니다.",
        hint_en="If you forgot it, have a link mailed to you that sets a new one.",
        hint_ko="잊으셨다면 비밀번호를 새로 정하는 링크를 메일로 받으세요.",
        status=403,
    )


def bad_address() -> Refused:
    """Not an address mail can be sent to."""
    return Refused(
        "bad-address",
        en="This is not a complete e-mail address.",
        ko="올바른 이메일 주소가 아닙니다.",
        hint_en="It looks like name@example.org, with Latin letters before the @.",
        hint_ko="name@example.org와 같은 형식으로, @ 앞에는 영문자로 입력해 주세요.",
    )


def address_taken() -> Refused:
    """Only operators, who make accounts for others, are told so."""
    return Refused(
        "address-taken",
        en="There is an account with this address already.",
        ko="이 주소로 만든 계정이 이미 있습니다.",
        status=409,
    )


def sign_up_closed() -> Refused:
    """Strangers make no accounts here."""
    return Refused(
        "sign-up-closed",
        en="This studio takes no new sign-ups.",
        ko="지금은 새로 가입하실 수 없습니다.",
        hint_en="Ask its operator for an account.",
        hint_ko="운영자에게 계정을 요청해 주세요.",
        status=403,
    )


def weak_password(en: str, ko: str) -> Refused:
    """Too easy to guess, and why."""
    return Refused(
        "weak-password",
        en=en,
        ko=ko,
        hint_en="Three or four words that have nothing to do with each other make a good password.",
        hint_ko="서로 관련 없는 단어 서너 개를 이어 붙이면 좋은 비밀번호가 됩니다.",
    )


def dead_link() -> Refused:
    """Used, too old, replaced, or never one of ours: nobody learns which."""
    return Refused(
        "dead-link",
        en="This link was used already, or it is too old.",
        ko="이미 사용했거나 기한이 지난 링크입니다.",
        hint_en="Ask for a new one.",
        hint_ko="새 링크를 요청해 주세요.",
        status=410,
    )


def too_many_tokens(most: int) -> Refused:
    """The user has as many API tokens as one may have."""
    return Refused(
        "too-many-tokens",
        en=f"There are {most} tokens already.",
        ko=f"토큰이 이미 {most}개 있습니다.",
        hint_en="Revoke one that is not used any more.",
        hint_ko="더 이상 쓰지 않는 토큰을 먼저 폐기해 주세요.",
        status=409,
    )


def bad_token_wish() -> Refused:
    """A token without a name, or with an impossible lifetime."""
    return Refused(
        "bad-token",
        en="A token needs a name of 1 to 80 characters, and 1 to 3650 days or none.",
        ko="토큰에는 1~80자의 이름이 필요하고, 유효 기간은 1~3650일이거나 없어야 합니다.",
    )


def bad_language() -> Refused:
    """Neither Korean nor English."""
    return Refused(
        "bad-language",
        en="The languages are Korean (ko) and English (en).",
        ko="언어는 한국어(ko)와 영어(en)만 고를 수 있습니다.",
    )
