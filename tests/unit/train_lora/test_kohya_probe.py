"""What the trainer's Python says of its machine, without importing anything heavy."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.stubs.trainer import CHECKOUT, fake_base_model, fake_python
from train_lora import TrainError
from train_lora.backends.kohya import probe_trainer
from train_lora.backends.kohya.runner import run_probe

SMI = """#!/bin/sh
cat <<'END'
NVIDIA GeForce RTX 3060, 12288, 11000, 8.6, GPU-aaa
Tesla T4, 15360, 15000, 7.5, GPU-bbb
END
"""


def nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = SMI) -> None:
    """Put a stand-in into the PATH."""
    program = folder / "path" / "nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def build(cuda: str | None = "12.8") -> dict[str, str | None]:
    return {"version": "2.6.0", "cuda": cuda, "hip": None}


def test_the_facts_of_a_whole_setup(tmp_path: Path) -> None:
    model = fake_base_model(tmp_path / "base.safetensors")
    facts = run_probe(
        fake_python(tmp_path),
        {
            "sd_scripts": str(CHECKOUT),
            "base_model": str(model),
            "tokenizers": str(tmp_path),
            "families": ["sd15"],
            "disk": str(tmp_path / "not" / "yet"),
            "states": str(tmp_path),
            "name": "alice",
        },
    )
    assert facts["packages"]["transformers"] == "4.54.1"
    assert facts["packages"]["bitsandbytes"] is None
    assert facts["missing"] == []
    assert facts["torch"] == {"version": "2.6.0", "cuda": None, "hip": None}
    assert facts["sd_scripts"]["exists"] is True
    assert len(facts["sd_scripts"]["script_sha256"]) == 64
    assert facts["base_model"]["bytes"] == model.stat().st_size
    assert facts["base_model"]["whole"] is True
    assert len(facts["base_model"]["header"]) == 4
    assert facts["tokenizers"] == {"openai/clip-vit-large-patch14": "missing"}
    assert facts["disk"]["free_bytes"] > 0
    assert facts["states"] == []
    assert facts["ram_mib"]["total"] > 0


def test_missing_packages_are_named(tmp_path: Path) -> None:
    facts = run_probe(fake_python(tmp_path, packages={"diffusers": "", "torch": ""}), {})
    assert set(facts["missing"]) == {"diffusers", "torch"}
    assert facts["torch"] is None


def test_a_checkout_without_history_does_not_answer_for_the_one_around_it() -> None:
    assert probe_trainer.checkout(CHECKOUT)["version"] is None


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_checkouts_tag_is_told(tmp_path: Path) -> None:
    (tmp_path / "train_network.py").touch()
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -q -m x", "tag v9.9"):
        subprocess.run(["git", "-C", str(tmp_path), *command.split()], check=True)
    found = probe_trainer.checkout(tmp_path)
    assert found["version"] == "v9.9"
    assert len(found["commit"]) == 40


# ---- GPUs


def test_gpus_are_read_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, monkeypatch)
    found, why_none = probe_trainer.gpus(build())
    assert why_none is None
    first = {"name": "NVIDIA GeForce RTX 3060", "total_mib": 12288, "free_mib": 11000, "capability": "8.6"}
    assert found[0] == {**first, "bf16": True}
    assert found[1]["bf16"] is False


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        ("1", ["Tesla T4"]),
        ("1,0", ["Tesla T4", "NVIDIA GeForce RTX 3060"]),
        ("GPU-bbb", ["Tesla T4"]),
        ("0,7,1", ["NVIDIA GeForce RTX 3060"]),
        ("", []),
        ("-1", []),
    ],
)
def test_hidden_gpus_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]
) -> None:
    nvidia_smi(tmp_path, monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found, why_none = probe_trainer.gpus(build())
    assert [gpu["name"] for gpu in found] == names
    assert (why_none is None) == bool(names)


def test_numbers_a_gpu_does_not_tell_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, monkeypatch, "#!/bin/sh\necho 'GRID, [N/A], [N/A], [N/A], GPU-x'\n")
    assert probe_trainer.gpus(build())[0] == [
        {"name": "GRID", "total_mib": None, "free_mib": None, "capability": None, "bf16": None}
    ]


def test_a_broken_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi(tmp_path, monkeypatch, "#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    found, why_none = probe_trainer.gpus(build())
    assert found == []
    assert why_none == "nvidia-smi: NVIDIA-SMI has failed"


def test_torch_is_only_asked_where_nvidia_smi_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_trainer.shutil, "which", lambda name: None)
    asked: list[str] = []
    monkeypatch.setattr(probe_trainer.importlib, "import_module", lambda name: asked.append(name) or Torch)
    assert probe_trainer.gpus(build(cuda=None)) == ([], "nvidia-smi is not there")
    assert asked == []
    found, _ = probe_trainer.gpus({"version": "2.6.0", "cuda": None, "hip": "6.2"})
    assert asked == ["torch"]
    assert found[0]["total_mib"] == 16384


class Torch:
    """What the probe asks of torch."""

    class cuda:  # noqa: N801
        @staticmethod
        def is_available() -> bool:
            return True

        @staticmethod
        def device_count() -> int:
            return 1

        @staticmethod
        def mem_get_info(index: int) -> tuple[int, int]:
            return 8 << 30, 16 << 30

        @staticmethod
        def get_device_name(index: int) -> str:
            return "Radeon"

        @staticmethod
        def is_bf16_supported() -> bool:
            return True


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("cuda: Optional[str] = '12.8'\n", "12.8"),
        ("cuda = '11.8'\n", "11.8"),
        ("cuda: str | None = None\n", None),
    ],
)
def test_torchs_build_is_read_from_its_version_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cuda: str | None
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "torch" / "version.py").write_text(
        f"__version__ = '2.6.0'\n{text}hip: Optional[str] = None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert probe_trainer.torch_build() == {"version": "2.6.0", "cuda": cuda, "hip": None}


# ---- tokenizers


def test_where_a_tokenizer_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "openai/clip-vit-large-patch14"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setattr(probe_trainer, "_hub_answers", lambda: False)
    assert probe_trainer.tokenizer(name, None) == "missing"
    monkeypatch.setattr(probe_trainer, "_hub_answers", lambda: True)
    assert probe_trainer.tokenizer(name, None) == "hub"
    # With a folder of its own the trainer is started offline.
    assert probe_trainer.tokenizer(name, str(tmp_path)) == "missing"
    snapshot = tmp_path / "hf" / "hub" / "models--openai--clip-vit-large-patch14" / "snapshots" / "x"
    snapshot.mkdir(parents=True)
    (snapshot / "vocab.json").touch()
    assert probe_trainer.tokenizer(name, None) == "hub cache"
    (tmp_path / "openai_clip-vit-large-patch14").mkdir()
    assert probe_trainer.tokenizer(name, str(tmp_path)) == "folder"


def test_nobody_is_asked_when_the_hub_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert probe_trainer._hub_answers() is False


# ---- base models


def test_a_base_model_cut_short_is_noticed(tmp_path: Path) -> None:
    model = fake_base_model(tmp_path / "base.safetensors")
    os.truncate(model, model.stat().st_size - 1)
    assert probe_trainer.base_model(model)["whole"] is False


@pytest.mark.parametrize(
    "data", [b"", b"<html>", struct.pack("<Q", 10**15) + b"{}", struct.pack("<Q", 2) + b"[]"]
)
def test_something_else_under_its_name_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "base.safetensors"
    path.write_bytes(data)
    facts = probe_trainer.base_model(path)
    assert facts["header"] is None
    assert facts["error"]


def test_a_missing_base_model_is_told(tmp_path: Path) -> None:
    facts = probe_trainer.base_model(tmp_path / "none.safetensors")
    assert facts == {"exists": False, "error": "No such file or directory"}


# ---- states


def state(folder: Path, step: int, *, told: int | None = None) -> Path:
    """A saved state as accelerate 1.6.0 leaves it."""
    path = folder / f"alice-step{step:08d}-state"
    path.mkdir()
    (path / "train_state.json").write_text(json.dumps({"current_epoch": 1, "current_step": told or step}))
    (path / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    for name in ("optimizer.bin", "scheduler.bin"):
        with zipfile.ZipFile(path / name, "w") as archive:
            archive.writestr("data.pkl", b"x" * 1000)
    (path / "random_states_0.pkl").write_bytes(b"x")
    return path


def problem(folder: Path) -> Any:
    return probe_trainer.states(folder, "alice")[-1]["problem"]


def test_whole_states_are_found_in_order(tmp_path: Path) -> None:
    for step in (400, 200):
        state(tmp_path, step)
    (tmp_path / "alice-state").mkdir()
    (tmp_path / "alice-step00000600-state").touch()
    found = probe_trainer.states(tmp_path, "alice")
    assert [(entry["step"], entry["problem"]) for entry in found] == [(200, None), (400, None)]
    assert found[1]["dir"] == str(tmp_path / "alice-step00000400-state")


def test_another_persons_states_are_not_ours(tmp_path: Path) -> None:
    state(tmp_path, 200)
    assert probe_trainer.states(tmp_path, "ali") == []
    assert probe_trainer.states(tmp_path, "[a]lice") == []


@pytest.mark.parametrize("name", ["train_state.json", "model.safetensors", "optimizer.bin", "scheduler.bin"])
def test_a_state_that_lacks_a_file_is_not_whole(tmp_path: Path, name: str) -> None:
    (state(tmp_path, 200) / name).unlink()
    assert problem(tmp_path)


@pytest.mark.parametrize("name", ["train_state.json", "model.safetensors", "optimizer.bin"])
def test_a_state_with_half_a_file_is_not_whole(tmp_path: Path, name: str) -> None:
    path = state(tmp_path, 200) / name
    os.truncate(path, path.stat().st_size // 2)
    assert problem(tmp_path)


def test_what_is_written_last_must_be_there(tmp_path: Path) -> None:
    (state(tmp_path, 200) / "random_states_0.pkl").unlink()
    assert "not written to its end" in problem(tmp_path)


def test_a_state_of_another_step_is_not_gone_on_from(tmp_path: Path) -> None:
    state(tmp_path, 200, told=300)
    assert "another step" in problem(tmp_path)


# ---- the interpreter


def test_a_python_that_cannot_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="cannot be run") as failed:
        run_probe(tmp_path / "python", {})
    assert "SD_SCRIPTS_PYTHON" in failed.value.hint


def test_a_python_that_fails_is_told_in_its_own_words(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'too old' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(TrainError, match="too old"):
        run_probe(python, {})


def test_it_is_one_file_of_the_standard_library() -> None:
    text = Path(probe_trainer.__file__).read_text(encoding="utf-8")
    imports = [line.split() for line in text.splitlines() if line.strip().startswith(("import ", "from "))]
    assert {words[1].partition(".")[0] for words in imports} <= set(sys.stdlib_module_names)
