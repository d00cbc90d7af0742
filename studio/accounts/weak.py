"""Which passwords are guessed first: a few rules catch what the published lists are full of."""

from __future__ import annotations

import re
from itertools import pairwise

from .refused import weak_password

MIN_PASSWORD = 10
MIN_DIFFERENT = 5
MIN_WITHOUT_LETTERS = 16

# What most of the commonest passwords are made of, before digits and signs are put around it. Korean words
# also as they come out of a keyboard that is switched to Latin letters.
_WORDS = """
password passwort passw0rd pass word pw secret letmein welcome hello qwerty asdf zxcvbn qazwsx
iloveyou love you my admin administrator root user guest test login master dragon monkey football
baseball soccer sunshine princess superman batman pokemon starwars shadow michael jordan charlie
freedom whatever trustno computer internet samsung google apple naver kakao daum korea korean seoul
busan hello world changeme default temp temporary new old the i is a studio portrait photo photos
picture sdwebui stable diffusion summer winter spring autumn january december birthday family mother
father angel baby lovely flower chocolate cookie blink army 비밀번호 암호 사랑 사랑해 사랑해요 안녕
안녕하세요 대한민국 한국 서울 부산 사진 스튜디오 가족 엄마 아빠 행복 천사 qlalfqjsgh dkagh tkfkd
tkfkdgo tkfkdgody dkssud dkssudgktpdy eogksalsrnr gksrnr tjdnf tkwls
"""
_COMMON = frozenset(_WORDS.split())
_LONGEST = max(map(len, _COMMON))
# Rows of keys, the alphabet, and the same backwards.
_ROWS = (
    "12345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ",
    "가나다라마바사아자차카타파하",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
)
_STEPS = frozenset(pair for row in _ROWS for pair in [*pairwise(row), *pairwise(row[::-1])])
_LEET = str.maketrans("0134578@$!", "oieastbasi")


def refuse_weak(password: str, email: str, *, most: int) -> None:
    """Say no to a password that is easily guessed.

    Args:
        password: Normalised.
        email: The account's address.
        most: Characters it may have.

    Raises:
        Refused: `weak-password`, with the reason.
    """
    if len(password) < MIN_PASSWORD:
        raise weak_password(
            f"A password has at least {MIN_PASSWORD} characters.",
            f"비밀번호는 {MIN_PASSWORD}자 이상이어야 합니다.",
        )
    if len(password) > most:
        raise weak_password(
            f"A password has at most {most} characters.", f"비밀번호는 {most}자 이하여야 합니다."
        )
    folded = password.casefold()
    if _is_the_address(folded, email.casefold()):
        raise weak_password(
            "The password is too much like the e-mail address.", "비밀번호가 이메일 주소와 너무 비슷합니다."
        )
    if len(set(folded)) < MIN_DIFFERENT or _repeats(folded) or _is_a_row(folded) or _is_common(folded):
        raise weak_password(
            "This password is among the first that are guessed.", "너무 쉽게 추측할 수 있는 비밀번호입니다."
        )


def _is_the_address(folded: str, email: str) -> bool:
    local, _, domain = email.partition("@")
    bare = _words(folded)
    parts = {
        _words(text) for text in (email, local, domain, local.partition("+")[0], domain.partition(".")[0])
    }
    # Digits around a name are the first thing that is tried.
    return bool(bare) and (bare in parts or bare.strip("0123456789") in parts - {""})


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _repeats(folded: str) -> bool:
    """The same few characters over and over: at most half of it, from the start."""
    return any(
        (folded[:size] * (len(folded) // size + 1))[: len(folded)] == folded
        for size in range(1, len(folded) // 2 + 1)
    )


def _is_a_row(folded: str) -> bool:
    """Neighbours on a keyboard or in an alphabet, with at most two jumps or doublings."""
    steps = list(pairwise(folded))
    return sum(step not in _STEPS for step in steps) <= 2


def _is_common(folded: str) -> bool:
    """Nothing but common words, with digits and signs around or between them, or in place of letters."""
    middle = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)
    if not middle:
        # A telephone number, a birthday.
        return len(folded) < MIN_WITHOUT_LETTERS
    return any(_is_made_of_common(_words(text)) for text in (middle, middle.translate(_LEET)))


def _is_made_of_common(text: str) -> bool:
    letters = re.sub(r"\d+", "", text)
    # reachable[n]: the first n letters are words.
    reachable = [True] + [False] * len(letters)
    for end in range(1, len(letters) + 1):
        reachable[end] = any(
            reachable[start] and letters[start:end] in _COMMON for start in range(max(0, end - _LONGEST), end)
        )
    return reachable[-1]
