"""Which trainer comes of which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stubs.trainer import CHECKOUT, fake_base_model, fake_environment
from train_lora import SandboxTrainer, TrainerAsked, TrainError, get_backend
from train_lora.backends import BACKENDS
from train_lora.backends.kohya import KohyaTrainer
from train_lora.backends.kohya.remote import SshKohyaTrainer


def test_the_sandbox() -> None:
    assert isinstance(get_backend(TrainerAsked("sandbox")), SandboxTrainer)


@pytest.mark.parametrize("name", ["sd-scripts", "kohya"])
def test_sd_scripts_of_this_machine(tmp_path: Path, name: str) -> None:
    backend = get_backend(TrainerAsked(name, env=fake_environment(tmp_path)))
    assert isinstance(backend, KohyaTrainer)
    assert backend.setup.sd_scripts == CHECKOUT
    assert backend.setup.base_model == tmp_path / "base.safetensors"


def test_the_named_base_model_goes_before_the_environments(tmp_path: Path) -> None:
    named = fake_base_model(tmp_path / "named.safetensors")
    backend = get_backend(TrainerAsked("sd-scripts", base_model=named, env=fake_environment(tmp_path)))
    assert isinstance(backend, KohyaTrainer)
    assert backend.setup.base_model == named


def test_a_gpu_host_is_not_called_before_it_is_needed(tmp_path: Path) -> None:
    url = "ssh://me@127.0.0.1:9/srv/sd-scripts?base_model=/srv/model.safetensors"
    backend = get_backend(TrainerAsked(url, env={"HOME": str(tmp_path)}))
    assert isinstance(backend, SshKohyaTrainer)


@pytest.mark.parametrize(
    "name",
    [None, "", "onetrainer", "ftp://gpu/srv", "ssh", "sandbox://here", "sd-scripts://gpu", "SSH://gpu/a"],
)
def test_anything_else_names_what_there_is(name: str | None) -> None:
    with pytest.raises(TrainError, match="no trainer") as told:
        get_backend(TrainerAsked(name))
    for known in ("sd-scripts", "ssh://", "sandbox"):
        assert known in told.value.hint


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(TrainError) as told:
        get_backend(TrainerAsked("ssh://me:hunter2@gpu/srv/sd-scripts"))
    assert "hunter2" not in f"{told.value.message} {told.value.hint}"


def test_what_is_listed_is_what_is_advised() -> None:
    assert set(BACKENDS) == {"sandbox", "sd-scripts", "kohya", "ssh"}


def test_who_was_asked_is_shown_without_the_environment() -> None:
    assert "hunter2" not in repr(TrainerAsked("sandbox", env={"SDWEBUI_PASSWORD": "hunter2"}))
