"""The words that will call a person up in prompts: a token rare in CLIP's vocabulary, and a class.

A word the model knows already brings its own pictures along ("rose" a flower, "alice" a dress), and the
training has to overcome them. A rare whole-word token has nearly nothing to overcome, and one token is learnt
more easily than the four pieces an invented name falls into. SD 1.5 and both text encoders of SDXL share the
vocabulary.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from .captions import check_trigger

_DATA = Path(__file__).parent / "data"
_CLASSES = frozenset({"person", "woman", "man", "girl", "boy", "lady", "guy", "male", "female", "human"})
_RARE_BUT_TAKEN = {"sks": "a rifle"}
"""Rare by the vocabulary, and pictured all the same."""


def pick_trigger(person: str, *, class_word: str = "person") -> str:
    """Give a person a trigger, the same one each time.

    Two people may get the same token; that matters only where both LoRAs stand in one prompt.

    Args:
        person: What tells the person from others: a name, or the name of their folder.
        class_word: What the person is: "person", "woman", "man".

    Raises:
        RecipeError: The class word cannot stand in a caption.

    Example:
        >>> pick_trigger("alice").endswith(" person")
        True
    """
    tokens = rare_tokens()
    number = int.from_bytes(hashlib.sha256(f"trigger:{person}".encode()).digest()[:8], "big")
    trigger = f"{tokens[number % len(tokens)]} {class_word}".strip()
    check_trigger(trigger)
    return trigger


def check_trigger_rarity(trigger: str) -> str | None:
    """Say what is wrong with a trigger the model may know already; None when nothing is.

    Words of two letters and less, and others than a to z, are not judged.

    Args:
        trigger: A token and a class, or any words.
    """
    check_trigger(trigger)
    words = [word for word in trigger.casefold().split() if word not in _CLASSES]
    better = "Choose a rare one, such as " + ", ".join(f'"{token}"' for token in rare_tokens()[-3:]) + "."
    if not words:
        return f"The trigger {trigger!r} is only a class: everybody of it would become this person. {better}"
    taken = next((word for word in words if word in _RARE_BUT_TAKEN), None)
    if taken is not None:
        return f"The model knows {taken!r} as {_RARE_BUT_TAKEN[taken]}. {better}"
    if any(word not in known_words() for word in words):
        return None
    known = " ".join(words)
    return f"The model knows {known!r} already and will mix what it knows with the person. {better}"


@cache
def rare_tokens() -> tuple[str, ...]:
    """Tokens to choose from, the rarest last."""
    return tuple(_read("rare_tokens.txt"))


@cache
def known_words() -> frozenset[str]:
    """Words the model knows well."""
    return frozenset(_read("known_words.txt"))


def _read(name: str) -> list[str]:
    lines = (_DATA / name).read_text(encoding="ascii").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]
