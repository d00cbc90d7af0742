"""The infotext: what a WebUI writes into a picture about how it was made.

    a portrait of a woman
    Negative prompt: lowres, blurry
    Steps: 20, Sampler: Euler a, Lora hashes: "alice: 8a4d, film: 77c1", Version: v1.10.1

Prompt and negative prompt may run over lines; the last line holds the settings. A value with a comma, a
colon, a quote or a line break in it stands as a JSON string (modules/infotext_utils.py quote@A1111 v1.10.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_NEGATIVE = "Negative prompt:"
_KEY = re.compile(r"\s*(\w[\w \-/+.()]*):")
_QUOTED = re.compile(r'\s*("(?:\\.|[^\\"])*")\s*(?:,|$)')
_PLAIN = re.compile(r"([^,]*)(?:,|$)")
_FEWEST = 3
"""A last line with fewer settings is taken for prompt,
unless it begins with "Steps:" (the WebUI's own rule)."""


@dataclass(frozen=True, slots=True)
class Infotext:
    """An infotext taken apart.

    Example:
        >>> text = parse_infotext('cat\\nSteps: 2, Sampler: Euler a, Lora hashes: "x: 12, y: 34"')
        >>> text.settings["Sampler"], text.lora_hashes
        ('Euler a', {'x': '12', 'y': '34'})
    """

    prompt: str = ""
    """May run over several lines."""
    negative_prompt: str = ""
    """May run over several lines."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By name as shown, in order; values are text as they stand, without quotes."""

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) asked for, pixels; None when not stated."""
        found = re.fullmatch(r"(\d+)x(\d+)", self.settings.get("Size", ""))
        return (int(found[1]), int(found[2])) if found else None

    @property
    def lora_hashes(self) -> dict[str, str]:
        """Hash by name of each LoRA that was applied."""
        return named_hashes(self.settings.get("Lora hashes", ""))

    def __str__(self) -> str:
        lines = [self.prompt] if self.prompt else []
        if self.negative_prompt:
            lines.append(f"{_NEGATIVE} {self.negative_prompt}")
        if self.settings:
            lines.append(", ".join(f"{key}: {quote(value)}" for key, value in self.settings.items()))
        return "\n".join(lines)


def parse_infotext(text: str) -> Infotext:
    """Take an infotext apart; any text is one, in the worst case all prompt."""
    body, settings = text.rstrip("\n"), {}
    head, _, last = body.rpartition("\n")
    found = dict(_settings(last))
    if len(found) >= _FEWEST or last.startswith("Steps: "):
        body, settings = head, found
    prompt, negative = _split_negative(body)
    return Infotext(prompt, negative, settings)


def named_hashes(value: str) -> dict[str, str]:
    """Return "name: hash, name: hash" ("Lora hashes") as a mapping of name to hash."""
    pairs = (part.rpartition(":") for part in value.split(","))
    return {name.strip(): digest.strip() for name, _, digest in pairs if name.strip()}


def quote(value: str) -> str:
    """Return a setting's value as it stands in an infotext."""
    if value != value.strip() or any(sign in value for sign in ',:"\n\r\\'):
        return json.dumps(value, ensure_ascii=False)
    return value


def unquote(value: str) -> str:
    """Return the value of a setting as it stands in an infotext."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        plain = json.loads(value)
    except ValueError:
        return value
    return plain if isinstance(plain, str) else value


def _settings(line: str) -> Iterator[tuple[str, str]]:
    at = 0
    while key := _KEY.match(line, at):
        value = _QUOTED.match(line, key.end()) or _PLAIN.match(line, key.end())
        if value is None:
            return
        yield key[1].strip(), unquote(value[1].strip())
        at = value.end()


def _split_negative(body: str) -> tuple[str, str]:
    if body.startswith(_NEGATIVE):
        return "", body.removeprefix(_NEGATIVE).removeprefix(" ")
    prompt, found, negative = body.partition(f"\n{_NEGATIVE}")
    return prompt, negative.removeprefix(" ") if found else ""
