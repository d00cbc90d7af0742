"""Names a person chooses, which become a folder, a LoRA's file name and a word in a prompt."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

from .errors import BadInput

MAX_LENGTH = 64
"""Characters; with `.safetensors` a LoRA's file name stays below 255 bytes even in Korean."""

# Windows cannot make files of these names, and the models folder may lie on a Windows share.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def slug(text: str) -> str:
    """The nearest usable name to a text: letters, digits, `-`, `_`; "" when nothing of it is usable.

    Letters of any script stay, since folders and LoRA names may hold them; `<lora:…>` cannot be closed from
    inside, as `:`, `<`, `>`, brackets and commas never survive.

    Example:
        >>> slug("Alice B. (2024)")
        'alice-b-2024'
    """
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in unicodedata.normalize("NFC", text).lower())
    name = re.sub(r"-{2,}", "-", kept)[:MAX_LENGTH].strip("-_")
    return "" if name in _RESERVED else name


def check_name(text: str, what: str) -> str:
    """A name somebody typed, unchanged but for its Unicode form.

    Args:
        text: the name.
        what: the option, for the error.

    Raises:
        BadInput: empty, too long, or with characters that have a meaning in a path or in a prompt.
    """
    name = unicodedata.normalize("NFC", text)
    near = slug(name)
    hint = f"Try {what} {near}." if near and near != name.lower() else "Use letters, digits, `-` and `_`."
    if not name.strip():
        raise BadInput(f"{what} is empty.", hint=hint)
    if len(name) > MAX_LENGTH:
        raise BadInput(f"{what} has {len(name)} characters; at most {MAX_LENGTH}.", hint=hint)
    if near != name.lower():
        raise BadInput(f"{what} {name!r} cannot name a folder and a LoRA.", hint=hint)
    return name


def derive_name(folder: Path) -> str:
    """A name from a folder of photos: its own, made safe.

    Example:
        >>> derive_name(Path("people/Alice B."))
        'alice-b'
    """
    resolved = folder.resolve()
    # A name of nothing but symbols still needs a folder that is the same next time.
    return slug(resolved.name) or f"person-{hashlib.sha256(str(resolved).encode()).hexdigest()[:8]}"
