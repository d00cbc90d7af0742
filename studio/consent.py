"""The one question that is asked: may these photos be used?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .errors import BadInput

STATEMENT = "These are photos of me, or I have the person's permission."

EXAMPLE_PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
"""The public-domain pictures that come with the project; nobody has to be asked about them."""


def settle(
    photos_dir: Path, *, given: bool, ask: Callable[[str], bool] | None, note: Callable[[str], None]
) -> str:
    """Find out whether the photos may be used.

    Args:
        photos_dir: the folder.
        given: whether --consent was given.
        ask: asks a yes/no question; None when nobody is there to answer.
        note: prints a line.

    Returns:
        The sentence that is kept in run.json, saying how consent was given.

    Raises:
        BadInput: the answer was no.
    """
    if given:
        return f"stated with --consent: {STATEMENT}"
    if EXAMPLE_PHOTOS.is_dir() and photos_dir.resolve() == EXAMPLE_PHOTOS:
        return "the project's own example photos, in the public domain"
    if ask is None:
        note(f"By going on you state: {STATEMENT} (--consent says so and drops this note.)")
        return f"taken as stated, nobody there to ask: {STATEMENT}"
    if not ask(f"{STATEMENT} Is that so?"):
        raise BadInput("Without the person's permission no portraits are made.")
    return f"stated when asked: {STATEMENT}"
