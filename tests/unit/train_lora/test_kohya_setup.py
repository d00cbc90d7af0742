"""Who has no trainer is told the exact next step."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.stubs.trainer import CHECKOUT, fake_base_model, fake_environment, fake_python
from train_lora import TrainError
from train_lora.backends.kohya import find_setup, setup
from train_lora.errors import TrainerMissing

ROOT = Path(__file__).parents[3]


def test_everything_is_found_where_the_variables_say(tmp_path: Path) -> None:
    env = fake_environment(tmp_path)
    found = find_setup(env)
    assert found.sd_scripts == CHECKOUT
    assert found.python == tmp_path / "bin" / "python"
    assert found.tokenizers == tmp_path / "tokenizers"
    assert found.base_model == tmp_path / "base.safetensors"


def test_a_base_model_that_was_asked_for_goes_before_the_variable(tmp_path: Path) -> None:
    env = fake_environment(tmp_path)
    other = fake_base_model(tmp_path / "other.safetensors")
    assert find_setup(env, base_model=other).base_model == other


def test_no_base_model_is_no_error_yet(tmp_path: Path) -> None:
    env = {name: value for name, value in fake_environment(tmp_path).items() if name != "SDWEBUI_BASE_MODEL"}
    assert find_setup(env).base_model is None


def _without_submodule(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(setup, "SUBMODULE", folder / "train_lora" / "sd-scripts")


def test_without_anything_the_next_steps_are_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_submodule(monkeypatch, tmp_path)
    with pytest.raises(TrainerMissing) as missing:
        find_setup({})
    assert isinstance(missing.value, TrainError)
    assert "not here" in missing.value.message
    for part in (
        "git submodule update --init train_lora/sd-scripts",
        "sh scripts/setup_trainer.sh",
        "--base-model",
        "SDWEBUI_BASE_MODEL",
        "SD_SCRIPTS_DIR",
        "--trainer ssh://",
    ):
        assert part in setup.first_steps(ROOT)


def test_an_installed_package_has_no_submodule_to_fetch(tmp_path: Path) -> None:
    steps = setup.first_steps(tmp_path)
    assert "submodule" not in steps
    assert f"git clone --branch {setup.VERSION}" in steps
    assert "export SD_SCRIPTS_DIR" in steps


def test_an_empty_submodule_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_submodule(monkeypatch, tmp_path)
    setup.SUBMODULE.mkdir(parents=True)
    with pytest.raises(TrainerMissing):
        find_setup({})


@pytest.mark.parametrize("folder", ["venv", ".venv"])
def test_a_checkouts_own_python_is_found(tmp_path: Path, folder: str) -> None:
    (tmp_path / "train_network.py").touch()
    python = tmp_path / folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    # The link itself, not what it points to: where it lies makes it the environment's.
    assert find_setup({"SD_SCRIPTS_DIR": str(tmp_path)}).python == python


def test_a_checkout_without_python_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train_network.py").touch()
    with pytest.raises(TrainerMissing) as missing:
        find_setup({"SD_SCRIPTS_DIR": str(tmp_path)})
    assert f"cd {tmp_path} && python3 -m venv venv" in missing.value.hint
    monkeypatch.setattr(setup, "SUBMODULE", tmp_path)
    with pytest.raises(TrainerMissing) as missing:
        find_setup({})
    assert "sh scripts/setup_trainer.sh" in missing.value.hint


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SD_SCRIPTS_DIR", "/nowhere", "no checkout of sd-scripts"),
        ("SD_SCRIPTS_PYTHON", "/nowhere/python", "cannot be run"),
        ("SD_SCRIPTS_PYTHON", "/", "cannot be run"),
        ("SD_SCRIPTS_TOKENIZERS", "/nowhere", "is no folder"),
        ("SDWEBUI_BASE_MODEL", "/nowhere.safetensors", "is not there"),
        ("SDWEBUI_BASE_MODEL", "/", "is a folder"),
    ],
)
def test_what_was_named_and_is_not_there_is_told_by_its_variable(
    tmp_path: Path, name: str, value: str, says: str
) -> None:
    env = {**fake_environment(tmp_path), name: value}
    with pytest.raises(TrainerMissing, match=says) as missing:
        find_setup(env)
    assert name in missing.value.message
    assert missing.value.hint


def test_a_missing_base_model_option_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(TrainerMissing, match=r"--base-model names .*x\.safetensors, which is not there"):
        find_setup(fake_environment(tmp_path), base_model=tmp_path / "x.safetensors")


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    env = {**fake_environment(tmp_path), "SD_SCRIPTS_TOKENIZERS": "", "SDWEBUI_BASE_MODEL": ""}
    found = find_setup(env)
    assert found.tokenizers is None
    assert found.base_model is None


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = fake_environment(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = find_setup(
        {**env, "SD_SCRIPTS_PYTHON": "~/bin/python", "SDWEBUI_BASE_MODEL": "~/base.safetensors"}
    )
    assert found.python == fake_python(tmp_path)
    assert found.base_model == tmp_path / "base.safetensors"


# ---- scripts/make_random_model.py


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_random_model", ROOT / "scripts" / "make_random_model.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_byte_letters_are_clips(script: ModuleType) -> None:
    letters = script.byte_letters()
    assert len(letters) == len(set(letters)) == 256
    # Of openai/clip-vit-large-patch14's vocab.json: "!" is 0, "a" is 64, a blank is written as "Ġ".
    assert letters[0] == "!"
    assert letters.index("a") == 64
    assert "Ġ" in letters
    assert not any(letter.isspace() for letter in letters)


def test_the_tokenizer_has_clips_shape(script: ModuleType) -> None:
    merges = "\n".join(f"{number} x</w>" for number in range(script.MERGES + 5))
    files = script.tokenizer_files(f'"bpe_simple_vocab_16e6.txt#version: 0.2\n{merges}\n')
    vocabulary = json.loads(files["vocab.json"])
    assert len(vocabulary) == 49408
    assert vocabulary["<|startoftext|>"] == 49406
    assert vocabulary["<|endoftext|>"] == 49407
    assert vocabulary["0x</w>"] == 512
    assert files["merges.txt"].splitlines()[0] == "#version: 0.2"
    assert len(files["merges.txt"].splitlines()) == 1 + script.MERGES
    assert json.loads(files["tokenizer_config.json"])["model_max_length"] == 77


def test_another_word_list_is_refused(script: ModuleType) -> None:
    with pytest.raises(SystemExit, match="not CLIP's"):
        script.tokenizer_files("first line\na b\n")


def test_the_sitecustomize_is_python(script: ModuleType) -> None:
    compile(script.SITECUSTOMIZE, "sitecustomize.py", "exec")
