from __future__ import annotations

import random
import string
import unicodedata

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from studio.accounts import check_new_password, passwords
from studio.refusals import Refused
from tests.stubs.accounts import CHEAP, GOOD

EMAIL = "minji.park@example.org"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "HASHER", CHEAP)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "kurz-8,x",
        "p" * 501,
        "Password123!",
        "P@ssw0rd2024",
        "iloveyou1234",
        "1q2w3e4r5t6y",
        "qwertyuiop",
        "Qwerty12345",
        "1234567890",
        "8403957261",
        "0987654321",
        "abcdefghijkl",
        "aaaaaaaaaaaa",
        "xk9xk9xk9xk9xk9",
        "sunshine-dragon",
        "비밀번호비밀번호1",
        "사랑해요!!2026",
        "qlalfqjsgh1234",
        "dkssudgktpdy",
        "가나다라마바사아자차",
        EMAIL,
        "minji.park2026",
        "Minji_Park!!",
        "minjipark.example.org",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(Refused) as caught:
        check_new_password(password, EMAIL)
    assert caught.value.code == "weak-password"
    assert caught.value.texts["ko"] != caught.value.texts["en"]
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "correct horse battery",
        "가을 하늘 아래 파란 우산",
        "xT9-vq2LmZ",
        "passwordless otters",
        "park bench at minus six",
    ],
)
def test_others_are_taken(password: str) -> None:
    check_new_password(password, EMAIL)


def test_random_ones_are_taken() -> None:
    chance = random.Random(4)
    for _ in range(300):
        check_new_password("".join(chance.choices(string.ascii_letters + string.digits, k=12)), EMAIL)
        check_new_password("".join(chance.choices(string.digits, k=20)), EMAIL)


def test_the_default_is_argon2id_with_64_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert passwords.HASHER.type is Type.ID
    assert passwords.HASHER.memory_cost >= 64 * 1024
    assert passwords.HASHER.time_cost >= 3


def test_only_the_right_one_is_right() -> None:
    kept = passwords.new_hash(GOOD)
    assert kept.startswith("$argon2id$")
    assert GOOD not in kept
    assert passwords.is_right(kept, GOOD)
    assert not passwords.is_right(kept, GOOD.title())
    assert not passwords.is_right(kept, "")
    assert not passwords.is_right(None, GOOD)
    assert not passwords.is_right("no hash at all", GOOD)
    assert kept != passwords.new_hash(GOOD)


def test_a_word_counts_however_a_system_composes_its_letters() -> None:
    composed = unicodedata.normalize("NFC", "가을 하늘 아래 우산")
    apart = unicodedata.normalize("NFD", composed)
    assert apart != composed
    assert passwords.is_right(passwords.new_hash(composed), apart)


def test_the_password_of_nobody_is_no_password() -> None:
    assert not passwords.is_right(None, "the password of nobody")


def test_half_a_character_is_refused_without_an_accident() -> None:
    assert not passwords.is_right(passwords.new_hash(GOOD), "\ud800" * 12)


def test_as_much_is_computed_without_a_hash_as_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    class Watched(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            compared.append(str(hash).split("$")[3])
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "HASHER", Watched(time_cost=2, memory_cost=16, parallelism=1))
    passwords.is_right(passwords.new_hash(GOOD), "wrong one, sorry")
    passwords.is_right(None, "wrong one, sorry")
    assert compared == ["m=16,t=2,p=1"] * 2


def test_older_parameters_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = passwords.new_hash(GOOD)
    assert not passwords.is_outdated(kept)
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert passwords.is_outdated(kept)
