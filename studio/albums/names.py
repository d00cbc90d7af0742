"""What a user's device calls a file, made fit to be shown. It is never used for anything else."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 120
"""Characters, as the table keeps them."""
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Control, format (writing direction!), surrogate, private, unassigned characters and line ends."""


def clean_name(given: object, *, longest: int = LONGEST) -> str:
    """Make a name safe to show: its last part, in one line, without characters nobody sees.

    Args:
        given: What was sent; anything.
        longest: In characters; longer names keep their beginning and their ending.
    """
    text = str(given or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    # Macs send Korean names taken apart into letters (NFD).
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if char.isspace() else char for char in text)
    text = "".join(char for char in text if unicodedata.category(char) not in _UNSEEN)
    text = re.sub(" +", " ", text).strip()
    if len(text) <= longest:
        return text
    stem, dot, ending = text.rpartition(".")
    if not dot or len(ending) > 10:
        return text[: longest - 1].rstrip() + "…"
    return stem[: longest - len(ending) - 2].rstrip() + "…." + ending
