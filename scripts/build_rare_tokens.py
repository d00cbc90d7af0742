"""Write train_lora/data/: the rare tokens triggers are picked from, and the words CLIP knows well.

    python scripts/build_rare_tokens.py bpe_simple_vocab_16e6.txt.gz
    python scripts/build_rare_tokens.py bpe_simple_vocab_16e6.txt.gz --candidates

CLIP's vocabulary (openai/CLIP, clip/bpe_simple_vocab_16e6.txt.gz, MIT; also inside the open_clip_torch
wheel) lists its merges from the most to the least frequent in the text it was made of, so a word that is a
token by a late merge was rare there. Which of them are no word, name, brand or place cannot be told by rank:
the tokens in rare_tokens.txt were judged by eye. To change them edit that file and run this again; it checks
each one, sorts them and writes the header. `--candidates` prints what could be judged next.
"""

from __future__ import annotations

import argparse
import gzip
import re
from pathlib import Path

DATA = Path(__file__).parents[1] / "train_lora" / "data"
MERGES = 49152 - 256 - 2
"""Merges CLIP uses of the file (openai/CLIP, clip/simple_tokenizer.py)."""
RARE_FROM = 40_000
"""Merge from which a token counts as rare."""
KNOWN_BELOW = 20_000
"""Merge below which a word counts as well known."""
SOURCE = (
    "# Whole-word tokens of CLIP's vocabulary (openai/CLIP, bpe_simple_vocab_16e6.txt.gz,",
    "# Copyright (c) 2021 OpenAI, MIT licence). Written by scripts/build_rare_tokens.py.",
)


def read_words(path: Path) -> dict[str, int]:
    """Whole words of letters a-z that are one token -> the merge that makes them, from 0."""
    opened = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    merges = opened.decode("utf-8").splitlines()[1 : MERGES + 1]
    if len(merges) < MERGES or any(len(line.split()) != 2 for line in merges):
        raise SystemExit(f"{path} is not CLIP's vocabulary: it needs {MERGES} lines of two parts each.")
    words: dict[str, int] = {}
    for rank, line in enumerate(merges):
        found = re.fullmatch(r"([a-z]+)</w>", line.replace(" ", ""))
        if found:
            words.setdefault(found[1], rank)
    return words


def candidates(words: dict[str, int]) -> list[str]:
    """Tokens of three to five letters that are rare, the rarest last."""
    rare = [word for word, rank in words.items() if rank >= RARE_FROM and 3 <= len(word) <= 5]
    return sorted(rare, key=lambda word: words[word])


def known(words: dict[str, int]) -> list[str]:
    """Words of three letters or more that are well known, the best known first."""
    return sorted(
        (w for w, rank in words.items() if rank < KNOWN_BELOW and len(w) >= 3), key=lambda w: words[w]
    )


def read_list(path: Path) -> list[str]:
    """The words of a data file, without its header."""
    lines = path.read_text(encoding="ascii").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def write_list(path: Path, notes: tuple[str, ...], words: list[str]) -> None:
    """Write a data file: header, then lines of words."""
    lines: list[str] = []
    line = ""
    for word in words:
        if len(line) + len(word) >= 110:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    path.write_text("\n".join([*SOURCE, *notes, *lines, line]) + "\n", encoding="ascii")


def main() -> None:
    """Parse, check, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("vocabulary", type=Path, help="bpe_simple_vocab_16e6.txt or .txt.gz")
    parser.add_argument("--candidates", action="store_true", help="print rare tokens that were not chosen")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the two lists")
    wish = parser.parse_args()
    words = read_words(wish.vocabulary)
    rare, path = candidates(words), wish.data / "rare_tokens.txt"
    judged = set(read_list(path)) if path.exists() else set()
    if wish.candidates:
        print(" ".join(word for word in rare if word not in judged))
        return
    wrong = sorted(judged - set(rare))
    if wrong:
        raise SystemExit(f"{path}: no rare tokens of three to five letters: {', '.join(wrong)}")
    write_list(
        path,
        (f"# Each is one token, made by merge {RARE_FROM} or later of {MERGES}; judged by eye to be no word,",
         "# name, brand or place. The rarest last."),
        [word for word in rare if word in judged],
    )  # fmt: skip
    write_list(
        wish.data / "known_words.txt",
        (f"# Made by a merge before {KNOWN_BELOW}: words the model knows well. The best known first.",),
        known(words),
    )


if __name__ == "__main__":
    main()
