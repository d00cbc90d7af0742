from __future__ import annotations

import gzip
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import train_lora
from train_lora import RecipeError
from train_lora.captions import check_trigger
from train_lora.trigger import check_trigger_rarity, known_words, pick_trigger, rare_tokens

SCRIPT = Path(__file__).parents[3] / "scripts" / "build_rare_tokens.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_rare_tokens", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lists_are_what_they_say() -> None:
    assert len(rare_tokens()) >= 150
    assert len(set(rare_tokens())) == len(rare_tokens())
    assert all(re.fullmatch("[a-z]{3,5}", token) for token in rare_tokens())
    assert not set(rare_tokens()) & known_words()
    assert "ohwx" in rare_tokens()
    assert {"person", "alice", "woman", "seoul", "flower"} <= known_words()
    for token in rare_tokens():
        check_trigger(f"{token} person")


@pytest.mark.parametrize("name", ["rare_tokens.txt", "known_words.txt"])
def test_the_lists_name_their_source_and_licence(name: str) -> None:
    head = (Path(train_lora.__file__).parent / "data" / name).read_text(encoding="ascii").splitlines()[:2]
    assert "openai/CLIP" in head[0]
    assert "MIT licence" in head[1]


def test_a_person_always_gets_the_same_trigger() -> None:
    assert pick_trigger("alice") == pick_trigger("alice")
    token, class_word = pick_trigger("김민지", class_word="woman").split()
    assert token in rare_tokens()
    assert class_word == "woman"
    assert len({pick_trigger(f"person {number}") for number in range(300)}) > 100


def test_picked_triggers_are_never_warned_about() -> None:
    for number in range(50):
        assert check_trigger_rarity(pick_trigger(str(number), class_word="woman")) is None


def test_a_class_that_breaks_captions_is_refused() -> None:
    with pytest.raises(RecipeError):
        pick_trigger("alice", class_word="woman:1.2")


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        ("alice", "knows 'alice'"),
        ("Rose Flower", "knows 'rose flower'"),
        ("woman", "only a class"),
        ("sks person", "a rifle"),
        ("alice ohwx", None),
        ("ohwx person", None),
        ("zxqvw man", None),
        ("김민지", None),
    ],
)
def test_words_the_model_knows_are_named(trigger: str, words: str | None) -> None:
    warning = check_trigger_rarity(trigger)
    if words is None:
        assert warning is None
    else:
        assert warning is not None
        assert words in warning
        assert f'"{rare_tokens()[-1]}"' in warning


def vocabulary(script: ModuleType, tmp_path: Path, rare: str = "zqxv") -> Path:
    """A small vocabulary of the real one's shape: many made-up merges, a known word, and one rare token."""
    lines = ["a b"] * script.MERGES
    lines[5], lines[7], lines[script.RARE_FROM + 3] = "al ice</w>", "x y</w>", f"{rare[:2]} {rare[2:]}</w>"
    path = tmp_path / "bpe.txt.gz"
    path.write_bytes(gzip.compress("\n".join(["#version", *lines, "more m</w>"]).encode()))
    return path


def test_the_script_keeps_what_was_judged_and_is_a_rare_token(script: ModuleType, tmp_path: Path) -> None:
    path, data = vocabulary(script, tmp_path), tmp_path / "data"
    data.mkdir()
    (data / "rare_tokens.txt").write_text("# old\nzqxv\n")
    done = subprocess.run([sys.executable, SCRIPT, path, "--data", data], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert script.read_list(data / "rare_tokens.txt") == ["zqxv"]
    assert script.read_list(data / "known_words.txt") == ["alice"]
    (data / "rare_tokens.txt").write_text("zqxv alice\n")
    done = subprocess.run([sys.executable, SCRIPT, path, "--data", data], capture_output=True, text=True)
    assert done.returncode != 0
    assert "alice" in done.stderr


def test_the_script_names_what_could_be_judged(script: ModuleType, tmp_path: Path) -> None:
    words = script.read_words(vocabulary(script, tmp_path, rare="wvut"))
    assert script.candidates(words) == ["wvut"]
    assert script.known(words) == ["alice"]


def test_the_script_refuses_another_file(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("one two\n")
    with pytest.raises(SystemExit, match="not CLIP's vocabulary"):
        script.read_words(tmp_path / "x.txt")
