"""E-mail addresses: one spelling for each, and nothing that could end up as a second header of a mail."""

from __future__ import annotations

import re
import unicodedata

import idna

from .refused import bad_address

MAX_ADDRESS = 254
"""RFC 5321's limit of a forward path, less its angle brackets."""
MAX_LOCAL = 64

# RFC 5322's dot-atom. Quoted local parts, comments and address literals are legal and nobody's address.
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def normal_address(given: str) -> str:
    """The one spelling of an address: NFKC, trimmed, lower case, the domain as in DNS (`xn--…`).

    Two accounts never differ only by spelling, and what is returned is ASCII without spaces or control
    characters: it can stand in a header.

    Args:
        given: What somebody typed.

    Raises:
        Refused: `bad-address`.
    """
    # Looked at before anything is made of it: normalising a megabyte is work for an attacker to hand out.
    if len(given) > 4 * MAX_ADDRESS:
        raise bad_address()
    text = unicodedata.normalize("NFKC", given).strip().lower()
    local, at, domain = text.rpartition("@")
    if not at or len(local) > MAX_LOCAL or not _LOCAL.fullmatch(local):
        raise bad_address()
    address = f"{local}@{_domain(domain)}"
    if len(address) > MAX_ADDRESS:
        raise bad_address()
    return address


def _domain(text: str) -> str:
    try:
        domain = idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise bad_address() from None
    labels = domain.split(".")
    # The last label of a domain is never a number: that would be an IP address.
    if len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise bad_address()
    return domain
