from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.accounts import normal_address
from studio.accounts.addresses import MAX_ADDRESS
from studio.refusals import Refused


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("kim@example.org", "kim@example.org"),
        ("  Kim.Lee+studio@Example.ORG \n", "kim.lee+studio@example.org"),
        ("kim@한국.kr", "kim@xn--3e0b707e.kr"),
        ("kim@XN--3E0B707E.kr", "kim@xn--3e0b707e.kr"),
        ("kim@bücher.example", "kim@xn--bcher-kva.example"),
        ("ｋｉｍ＠ｅｘａｍｐｌｅ．ｏｒｇ", "kim@example.org"),
        ("\u212aim@example.org", "kim@example.org"),
        ("kim@example。org", "kim@example.org"),
        ("o'hara_1=x@a-b.example.co.kr", "o'hara_1=x@a-b.example.co.kr"),
    ],
)
def test_one_spelling_for_each_address(typed: str, kept: str) -> None:
    assert normal_address(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "kim",
        "kim@",
        "@example.org",
        "kim@localhost",
        "kim@127.0.0.1",
        "kim@[127.0.0.1]",
        "kim@example..org",
        "kim@.example.org",
        "kim@-a.example",
        "kim@example.org.",
        ".kim@example.org",
        "kim.@example.org",
        "ki..m@example.org",
        "ki m@example.org",
        '"ki m"@example.org',
        "kim@lee@example.org",
        "김@example.org",
        "kim@exa mple.org",
        "kim@example.org\r\nBcc: everybody@example.org",
        "kim\r\nBcc: x@example.org",
        "kim@example.org\0",
        "kim@example.org,lee@example.org",
        "<kim@example.org>",
        "Kim <kim@example.org>",
        "kim@exam\u202eple.org",
        "\ud800@example.org",
        "kim@\ud800.org",
        "k" * 65 + "@example.org",
        "kim@" + "a" * 64 + ".org",
        "kim@" + "abcdefghi." * 26 + "org",
        "k" * 1_000_000 + "@example.org",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(Refused) as caught:
        normal_address(typed)
    assert caught.value.code == "bad-address"
    assert caught.value.hints["ko"]


_PIECES = st.sampled_from(
    ["a", "Z", "9", ".", "-", "_", "+", "@", " ", "\r\n", "한", "＠", "ß", "\0", "<", ",", "org"]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(_PIECES, max_size=20).map("".join), st.emails()))
def test_whatever_is_typed_comes_out_harmless_or_not_at_all(typed: str) -> None:
    try:
        kept = normal_address(typed)
    except Refused:
        return
    assert kept.isascii()
    assert kept.isprintable()
    assert not set(kept) & set(' ,;:<>"\\()[]')
    assert kept.count("@") == 1
    assert len(kept) <= MAX_ADDRESS
    assert normal_address(kept) == kept
    assert normal_address(f" {kept.upper()} ") == kept


@settings(deadline=None)
@given(st.from_regex(r"[a-z0-9]([a-z0-9.+_-]?[a-z0-9]){0,20}@([a-z]{1,10}\.){1,3}[a-z]{2,8}", fullmatch=True))
def test_usual_addresses_stay_as_they_are(address: str) -> None:
    assert normal_address(address) == address
