"""What would make a training fail is said before a model is loaded."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stubs.trainer import fake_base_model, fake_environment, fake_python
from tests.unit.train_lora.kohya_jobs import small_dataset
from train_lora import TrainError, TrainRecipe, make_recipe
from train_lora.backends import TrainerBackend
from train_lora.backends.kohya import KohyaTrainer, find_setup
from train_lora.backends.kohya.checks import disk_bytes, least_gpu_mib, problems_of
from train_lora.backends.kohya.facts import device_of, lasting_facts, precision_of
from train_lora.backends.kohya.machine import LOCK, is_running, training_lock
from train_lora.backends.kohya.supervisor import proc_stat
from train_lora.errors import TrainerMissing

GPU = {"name": "RTX 3060", "total_mib": 12288, "free_mib": 11500, "capability": "8.6", "bf16": True}
OLD_GPU = {"name": "Tesla T4", "total_mib": 15360, "free_mib": 15000, "capability": "7.5", "bf16": False}


def facts(**changes: Any) -> dict[str, Any]:
    """A machine on which everything is there."""
    return {
        "gpus": [GPU],
        "no_gpu": None,
        "torch": {"version": "2.6.0+cu124", "cuda": "12.4", "hip": None},
        "packages": {"transformers": "4.54.1", "diffusers": "0.32.1", "bitsandbytes": None, "xformers": None},
        "missing": [],
        "sd_scripts": {"exists": True, "version": "v0.10.1"},
        "base_model": {"exists": True, "bytes": 2, "mtime": 1.0, "header": None},
        "tokenizers": {"openai/clip-vit-large-patch14": "folder"},
        "disk": {"free_bytes": 1 << 40},
        **changes,
    }


def header(tmp_path: Path, family: str) -> dict[str, Any]:
    from train_lora.backends.kohya.probe_trainer import base_model

    return base_model(fake_base_model(tmp_path / f"{family}.safetensors", family))


def recipe(**changes: object) -> TrainRecipe:
    return make_recipe(name="alice", steps=600, **changes)


def found(given: Mapping[str, Any], **changes: object) -> list[str]:
    return problems_of(given, recipe(**changes), base_model="/home/me/v1-5.safetensors")


def test_nothing_is_wrong_with_a_whole_setup() -> None:
    assert found(facts()) == []


@pytest.mark.parametrize(
    ("changes", "settings", "says"),
    [
        ({"sd_scripts": {"exists": False}}, {}, r"no train_network\.py"),
        ({"missing": ["einops", "toml"]}, {}, "lacks einops, toml"),
        ({"packages": {"transformers": "5.2.0"}}, {}, r"transformers 5\.2\.0; it needs 4\.54\.1"),
        ({"packages": {"diffusers": "0.42.1"}}, {}, r"diffusers 0\.42\.1; it needs 0\.32\.1"),
        ({}, {"optimizer_type": "AdamW8bit"}, "bitsandbytes"),
        ({}, {"optimizer_type": "Prodigy"}, "prodigyopt"),
        ({}, {"optimizer_type": "Lion"}, "lion"),
        ({}, {"attention": "xformers"}, "xformers"),
        ({"base_model": {"exists": False, "error": "No such file"}}, {}, r"no base model v1-5\.safetensors"),
        ({"base_model": {"exists": True, "header": {}, "whole": False}}, {}, "cut short"),
        ({"base_model": {"exists": True, "header": None, "error": "bad"}}, {}, r"cannot be read \(bad\)"),
        ({"base_model": {"exists": True, "header": {"lora_te": {}}, "whole": True}}, {}, "is a LoRA"),
        ({"tokenizers": {"openai/clip-vit-large-patch14": "missing"}}, {}, "SD_SCRIPTS_TOKENIZERS"),
        ({"gpus": [OLD_GPU]}, {"mixed_precision": "bf16"}, "Tesla T4 does not compute in bf16"),
        ({"gpus": [{**GPU, "total_mib": 2048}]}, {}, r"has 2\.0 GiB of memory"),
        ({"gpus": [{**GPU, "free_mib": 1024}]}, {}, r"only 1\.0 GiB of memory free"),
        ({"torch": {"version": "2.6.0+cpu", "cuda": None, "hip": None}}, {}, "without CUDA"),
        ({"disk": {"free_bytes": 1 << 20}}, {}, "GiB of disk"),
        ({}, {"full_bf16": True, "mixed_precision": "fp16"}, "full_bf16"),
    ],
)
def test_each_lack_is_a_sentence(changes: dict[str, Any], settings: dict[str, object], says: str) -> None:
    import re

    told = found(facts(**changes), **settings)
    assert len(told) == 1, told
    assert re.search(says, told[0]), told
    assert "/home/me" not in told[0]


def test_all_of_it_is_told_at_once() -> None:
    told = found(facts(missing=["toml"], disk={"free_bytes": 1}), optimizer_type="Prodigy")
    assert len(told) == 3


@pytest.mark.parametrize(("model", "settings"), [("sdxl", "sd15"), ("sd15", "sdxl")])
def test_settings_for_another_family_are_refused(tmp_path: Path, model: str, settings: str) -> None:
    given = facts(base_model=header(tmp_path, model), gpus=[{**GPU, "total_mib": 40_000, "free_mib": 40_000}])
    assert found(given, family=model, text_encoder_lr=0.0) == []
    told = found(given, family=settings, text_encoder_lr=0.0)
    assert len(told) == 1
    assert "v1-5.safetensors" in told[0]
    assert {"sdxl": "SDXL", "sd15": "Stable Diffusion 1"}[model] in told[0]


def test_a_gpu_too_small_for_the_first_try_may_do_for_the_lighter_one() -> None:
    heavy = {"batch_size": 8}
    small = facts(gpus=[{**GPU, "total_mib": 6144, "free_mib": 6000}])
    assert len(found(small, **heavy)) == 1
    assert found(small, **heavy, lighter={"batch_size": 1}) == []


def test_memory_needs_grow_with_what_costs_memory() -> None:
    least = least_gpu_mib(recipe())
    assert 2048 < least < 8192
    assert least_gpu_mib(recipe(resolution=768)) > least
    assert least_gpu_mib(recipe(batch_size=2)) > least
    assert least_gpu_mib(recipe(mixed_precision="no")) > least
    assert least_gpu_mib(recipe(gradient_checkpointing=True)) < least
    assert least_gpu_mib(recipe(fp8_base=True)) < least
    sdxl = recipe(family="sdxl", resolution=1024, text_encoder_lr=0.0)
    assert 8192 < least_gpu_mib(sdxl) < 24_576


def test_disk_needs_grow_with_rank_and_checkpoints() -> None:
    assert disk_bytes(recipe(network_dim=64)) > disk_bytes(recipe(network_dim=32))
    assert disk_bytes(recipe(save_every_n_steps=50)) > disk_bytes(recipe(save_every_n_steps=None))


def test_days_on_a_cpu_are_doubted_and_minutes_are_not() -> None:
    none = facts(
        gpus=[], no_gpu="nvidia-smi is not there", torch={"version": "2.6.0", "cuda": None, "hip": None}
    )
    short = problems_of(none, make_recipe(name="a", steps=6, resolution=128), base_model="x")
    assert short == []
    told = found(none, resolution=1024, batch_size=4)
    assert len(told) == 1
    assert "days" in told[0]
    assert "nvidia-smi is not there" in told[0]
    assert "--trainer ssh://" in told[0]


# ---- what it runs on


def test_the_device_needs_a_gpu_and_a_torch_that_knows_it() -> None:
    assert device_of(facts()) == "cuda"
    assert device_of(facts(torch={"version": "2.6", "cuda": None, "hip": "6.2"})) == "cuda"
    assert device_of(facts(torch={"version": "2.6", "cuda": None, "hip": None})) == "cpu"
    assert device_of(facts(gpus=[])) == "cpu"
    assert device_of({}) == "cpu"


def test_auto_is_what_the_machine_has() -> None:
    assert precision_of(facts(), recipe()) == "bf16"
    assert precision_of(facts(gpus=[OLD_GPU]), recipe()) == "fp16"
    assert precision_of(facts(gpus=[{**GPU, "bf16": None}]), recipe()) == "fp16"
    assert precision_of(facts(gpus=[]), recipe()) == "no"
    assert precision_of(facts(), recipe(mixed_precision="fp16")) == "fp16"


def test_kept_facts_hold_no_path() -> None:
    kept = lasting_facts({**facts(), "states": [{"dir": "/home/me"}]}, recipe(), ["warning: a", "warning: a"])
    assert "/home/me" not in json.dumps(kept)
    assert kept["warnings"] == ["warning: a"]
    assert kept["sd_scripts"] == {"version": "v0.10.1", "commit": None}


# ---- the trainer


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return fake_environment(tmp_path)


def _small() -> TrainRecipe:
    return make_recipe(name="alice", steps=4, resolution=128, network_dim=2, network_alpha=1.0)


def test_it_is_a_trainer_backend(env: dict[str, str]) -> None:
    trainer: TrainerBackend = KohyaTrainer(find_setup(env))
    assert (trainer.name, trainer.sandbox) == ("sd-scripts", False)
    assert trainer.version.startswith("v0.10.1?")  # the stub has no history to tell by
    assert trainer.check(_small()) == []


def test_the_machine_is_asked_once(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from train_lora.backends.kohya import trainer as module

    asked: list[Mapping[str, Any]] = []
    real = module.run_probe

    def counted(python: Path, request: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return real(python, request)

    monkeypatch.setattr(module, "run_probe", counted)
    trainer = KohyaTrainer(find_setup(env))
    trainer.check(_small())
    trainer.check(_small())
    assert trainer.version
    machine = trainer.machine()
    assert machine is not None
    assert machine["cpus"] >= 1
    assert len(asked) == 1


def test_the_base_model_is_known_by_its_hash(env: dict[str, str], tmp_path: Path) -> None:
    identity = KohyaTrainer(find_setup(env)).identity()
    assert identity["name"] == "base"
    assert identity["family"] == "sd15"
    assert len(identity["sha256"]) == 64
    assert str(tmp_path) not in json.dumps(dict(identity))


def test_without_a_base_model_the_next_step_is_named(env: dict[str, str], tmp_path: Path) -> None:
    del env["SDWEBUI_BASE_MODEL"]
    trainer = KohyaTrainer(find_setup(env))
    told = trainer.check(_small())
    assert len(told) == 1
    assert "--base-model FILE" in told[0]
    dataset = small_dataset(tmp_path / "dataset")
    with pytest.raises(TrainerMissing, match="--base-model FILE"):
        trainer.train(dataset, _small(), tmp_path / "out")
    with pytest.raises(TrainerMissing):
        trainer.identity()


def test_a_pickled_base_model_is_looked_at_too(env: dict[str, str], tmp_path: Path) -> None:
    model = tmp_path / "model.ckpt"
    model.write_bytes(b"<html>sorry</html>")
    told = KohyaTrainer(find_setup(env, base_model=model)).check(_small())
    assert len(told) == 1
    assert "web page" in told[0]


def test_a_broken_python_is_a_sentence_and_no_machine(env: dict[str, str], tmp_path: Path) -> None:
    python = tmp_path / "broken"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    trainer = KohyaTrainer(find_setup({**env, "SD_SCRIPTS_PYTHON": str(python)}))
    assert trainer.machine() is None
    told = trainer.check(_small())
    assert len(told) == 1
    assert "setup_trainer.sh" in told[0]


def test_an_environment_that_is_too_new_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    python = fake_python(tmp_path / "new", packages={"transformers": "5.0.1", "diffusers": "0.42.0"})
    told = KohyaTrainer(find_setup({**env, "SD_SCRIPTS_PYTHON": str(python)})).check(_small())
    assert len(told) == 2


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_an_sdxl_file_with_settings_for_sd15_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    model = fake_base_model(tmp_path / "xl.safetensors", "sdxl")
    told = KohyaTrainer(find_setup(env, base_model=model)).check(_small())
    assert len(told) == 1
    assert "xl.safetensors" in told[0]
    assert "SDXL" in told[0]


# ---- locks and processes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_pid_that_was_given_again_is_not_running() -> None:
    import os

    stat = proc_stat(os.getpid())
    assert stat is not None
    assert is_running(os.getpid(), stat[3])
    assert not is_running(os.getpid(), stat[3] - 1)
    assert is_running(os.getpid(), None)
    assert not is_running(None, None)
    assert not is_running(2**22 + 1, None)


def _lock(folder: Path, what: str) -> None:
    with training_lock(folder, what):
        pass


def test_a_lock_names_its_owner_and_is_freed(tmp_path: Path) -> None:
    named = pytest.raises(TrainError, match=r"Process \d+ \(alice, since \d\d:\d\d\)")
    with training_lock(tmp_path / "new", "alice"), named:
        _lock(tmp_path / "new", "bob")
    _lock(tmp_path / "new", "bob")


def test_a_damaged_lock_file_still_locks(tmp_path: Path) -> None:
    with training_lock(tmp_path, "alice"):
        (tmp_path / LOCK).write_text("no JSON")
        with pytest.raises(TrainError, match="Another process"):
            _lock(tmp_path, "bob")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainError, match="cannot be written to"):
        _lock(tmp_path / "file" / "x", "alice")
