"""How many CLIP tokens a prompt has, estimated on the safe side and without a tokenizer.

CLIP cuts text into words, single digits and runs of other characters, then joins letters to tokens by a table
of 48,894 merges. Counting exactly needs that table (1.3 MB); here:

- words of `data/clip_words.txt` have their measured count;
- other words of n ASCII letters count `min(n, ceil(0.7n) + 1)`: none of 18,000 random letter strings, the
  worst case of names and tokens like "ohwx", needs more; an ordinary English word needs about a third of it;
- digits and punctuation count one each; other characters count their UTF-8 bytes, which no merge can exceed.

WebUIs send chunks of 75 tokens to CLIP. A longer prompt works, but each chunk is read without knowing the
others; `BREAK` starts a new chunk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHUNK_TOKENS = 75

_WORD = re.compile(r"[A-Za-z]+|\d|[^\sA-Za-z\d]")
# What the WebUI reads as syntax reaches no tokenizer: extra networks, escapes, brackets, weights, BREAK.
_SYNTAX = re.compile(
    r"<[A-Za-z]\w*:[^<>]*>|:\s*[-+]?[.\d]+\s*(?=(?<!\\)[)\]])|(?<!\\)[()\[\]]|\\(?=[()\[\]\\])"
)
_BREAK = re.compile(r"\bBREAK\b")


@dataclass(frozen=True, slots=True)
class Chunk:
    """What stands between two BREAKs.

    Attributes:
        start: Index of its first character in the prompt.
        end: Index after its last character.
        tokens: Estimated tokens.
        full_at: Index of the first word that no longer fits in 75 tokens; None when all do.
    """

    start: int
    end: int
    tokens: int
    full_at: int | None


def estimate_tokens(text: str) -> int:
    """Estimated tokens of a whole prompt, syntax and LoRA tags not counted. Never below the number of words.

    Example:
        >>> estimate_tokens("studio portrait, <lora:alice:0.8>")
        3
    """
    return sum(chunk.tokens for chunk in chunks(text))


def chunks(prompt: str) -> tuple[Chunk, ...]:
    """The prompt cut at each BREAK, with the estimated tokens of each piece."""
    plain = _SYNTAX.sub(lambda match: " " * len(match.group()), prompt)
    edges = [0]
    for match in _BREAK.finditer(plain):
        edges += [match.start(), match.end()]
    edges.append(len(plain))
    return tuple(_measure(plain, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True))


def _measure(plain: str, start: int, end: int) -> Chunk:
    tokens, full_at = 0, None
    for match in _WORD.finditer(plain, start, end):
        tokens += _word_tokens(match.group())
        if tokens > CHUNK_TOKENS and full_at is None:
            full_at = match.start()
    return Chunk(start, end, tokens, full_at)


def _word_tokens(word: str) -> int:
    lower = word.lower()
    known = _known_words().get(lower)
    if known is not None:
        return known
    if word.isascii():
        length = len(word)
        return min(length, -(-7 * length // 10) + 1)
    return len(lower.encode("utf-8", "surrogatepass"))


@cache
def _known_words() -> dict[str, int]:
    known: dict[str, int] = {}
    file = Path(__file__).parent / "data" / "clip_words.txt"
    for line in file.read_text(encoding="utf-8").splitlines():
        count, colon, words = line.partition(":")
        if colon and not line.startswith("#"):
            known.update(dict.fromkeys(words.split(), int(count)))
    return known
