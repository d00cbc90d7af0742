"""What a prompt says that its author hardly meant. Pure; positions are character indexes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from .errors import near_matches
from .text import escape_text
from .tokens import CHUNK_TOKENS, chunks

Level = Literal["error", "warning", "note"]
ATTENTION_RANGE = (0.3, 1.6)
"""Weights of words outside this usually break the picture."""
LORA_RANGE = (-1.5, 1.5)
"""Weights of LoRAs outside this usually break the picture."""

_TAG = re.compile(r"<(\w+):([^<>]*)>")
_WEIGHT = re.compile(r":\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*(?<!\\)\)")
_PAIRS = {")": "(", "]": "[", ">": "<"}
_SUFFIXES = (".safetensors", ".pt", ".ckpt")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth saying about a prompt.

    Attributes:
        level: "error" = not what was meant; "warning" = probably not; "note" = good to know.
        code: Stable name of the rule, e.g. "unbalanced-bracket".
        message: A sentence.
        position: Index of the character it is about.
    """

    level: Level
    code: str
    message: str
    position: int

    def __str__(self) -> str:
        return f"{self.level} at {self.position}: {self.message} [{self.code}]"


def lint(prompt: str, *, known_loras: Collection[str] | None = None) -> list[Finding]:
    """Look a rendered prompt over.

    Args:
        prompt: The prompt as it would be sent.
        known_loras: Names the server has; None = not known, names are not checked.

    Returns:
        Findings in order of position; empty for a prompt without fault.

    Example:
        >>> [finding.code for finding in lint("a (portrait")]
        ['unbalanced-bracket']
    """
    if not _TAG.sub("", prompt).strip(" ,\n\t"):
        return [Finding("error", "empty-prompt", "there are no words in it", 0)]
    findings = [
        *_brackets(prompt),
        *_loras(prompt, known_loras),
        *_weights(prompt),
        *_chunks(prompt),
        *_words(prompt),
        *_commas(prompt),
        *_letters(prompt),
    ]
    return sorted(findings, key=lambda finding: (finding.position, finding.code))


def lint_user_text(text: str) -> list[Finding]:
    """Say what in a name or in a user's words would have been prompt syntax.

    `render_prompt` escapes it, so this is to tell the user, not to protect the server.
    """
    rules = (
        (r"[()\[\]{}]", "brackets weigh or alternate words"),
        (r"<", "`<` begins a LoRA tag"),
        (r"\bBREAK\b", "BREAK cuts the prompt"),
        (r"\bAND\b", "AND makes two prompts of one"),
        (r"\|", "`|` alternates words"),
        (r":", "a colon sets a weight"),
        (r"#", "`#` drops the rest of the line"),
        (r"__", "`__` names a wildcard file"),
    )
    found = []
    for pattern, why in rules:
        match = re.search(pattern, text)
        if match:
            message = (
                f"{match.group()!r} is prompt syntax ({why}); it is taken as {escape_text(text[:300])!r}"
            )
            found.append(Finding("warning", "injection", message, match.start()))
    return sorted(found, key=lambda finding: finding.position)


def _brackets(prompt: str) -> Iterator[Finding]:
    stack: list[tuple[str, int]] = []
    index = 0
    while index < len(prompt):
        char = prompt[index]
        if char == "\\":
            index += 2
            continue
        if char in "([<":
            stack.append((char, index))
        elif char in ")]>":
            if stack and stack[-1][0] == _PAIRS[char]:
                stack.pop()
            else:
                yield Finding(
                    "error", "unbalanced-bracket", f"{char!r} closes nothing; a plain one is \\{char}", index
                )
        index += 1
    for char, position in stack:
        yield Finding("error", "unbalanced-bracket", f"{char!r} is never closed", position)


def _loras(prompt: str, known: Collection[str] | None) -> Iterator[Finding]:
    seen: set[str] = set()
    for match in _TAG.finditer(prompt):
        kind, rest, position = match.group(1), match.group(2), match.start()
        if kind.lower() not in ("lora", "lyco"):
            yield Finding("warning", "unknown-tag", f"<{kind}:…> is no LoRA tag", position)
            continue
        name, _, weights = rest.partition(":")
        if name in seen:
            yield Finding("warning", "duplicate-lora", f"the LoRA {name!r} stands in it twice", position)
        seen.add(name)
        if name.lower().endswith(_SUFFIXES):
            message = f"name the LoRA without its suffix; the server ignores {name!r}"
            yield Finding("error", "lora-suffix", message, position)
        elif known is not None and name not in known:
            near = near_matches(name, known)
            message = f"the server has no LoRA {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            yield Finding("error", "unknown-lora", message, position)
        yield from _lora_weight(name, weights, position)


def _lora_weight(name: str, weights: str, position: int) -> Iterator[Finding]:
    for part in weights.split(":") if weights else ():
        value = part.split("=", 1)[-1]
        try:
            number = float(value)
        except ValueError:
            # Named arguments (te=, unet=, dyn=, lbw=NAME …) belong to the server and its extensions.
            if "=" not in part:
                yield Finding("error", "lora-weight", f"LoRA {name!r}: {value!r} is no weight", position)
            continue
        if not LORA_RANGE[0] <= number <= LORA_RANGE[1]:
            message = f"LoRA {name!r}: weight {number:g} is outside {LORA_RANGE[0]:g} to {LORA_RANGE[1]:g}"
            yield Finding("warning", "weight-range", message, position)


def _weights(prompt: str) -> Iterator[Finding]:
    low, high = ATTENTION_RANGE
    for match in _WEIGHT.finditer(prompt):
        weight = float(match.group(1))
        if not low <= weight <= high:
            message = f"weight {weight:g} is outside {low:g} to {high:g}"
            yield Finding("warning", "weight-range", message, match.start())


def _chunks(prompt: str) -> Iterator[Finding]:
    for chunk in chunks(prompt):
        if chunk.full_at is not None:
            message = (
                f"about {chunk.tokens} tokens, {CHUNK_TOKENS} fit in a chunk; from "
                f"{prompt[chunk.full_at : chunk.full_at + 20]!r} on it is read as another chunk"
            )
            yield Finding("warning", "chunk-overflow", message, chunk.full_at)


def _words(prompt: str) -> Iterator[Finding]:
    for match in re.finditer(r"\{[^{}\s]*\}|[{}]", prompt):
        yield Finding("error", "placeholder", f"{match.group()!r} was not filled in", match.start())
    for match in re.finditer(r"#", prompt):
        yield Finding("warning", "comment", "A1111 drops the rest of the line after `#`", match.start())
    for match in re.finditer(r"\bAND\b", prompt):
        yield Finding("warning", "composition", "AND makes two prompts of one", match.start())


def _commas(prompt: str) -> Iterator[Finding]:
    for match in re.finditer(r",\s*(?=,)", prompt):
        yield Finding("note", "empty-part", "nothing between two commas", match.start())
    last = re.search(r",\s*(?:<[^<>]*>\s*)*\Z", prompt)
    if last:
        yield Finding("note", "trailing-comma", "ends with a comma", last.start())
    first = re.match(r"\s*,", prompt)
    if first:
        yield Finding("note", "leading-comma", "begins with a comma", first.end() - 1)


def _letters(prompt: str) -> Iterator[Finding]:
    match = re.search(r"[^\x00-\x7f]", prompt)
    if match:
        message = f"{match.group()!r}: CLIP was trained on English; other scripts mean little to it"
        yield Finding("note", "non-ascii", message, match.start())
