"""Whether this machine could train, as `doctor` says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import train_lora
from stages.presets import load_preset
from studio.doctor_trainer import GROUP, check_trainer
from tests.stubs.trainer import fake_environment, fake_python
from train_lora import TrainRecipe

PRESET = load_preset("studio-sd15")


@pytest.fixture
def trainer(tmp_path: Path) -> dict[str, str]:
    """A whole fake installation."""
    return fake_environment(tmp_path)


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mapping[str, str]:
    """A machine without sd-scripts."""
    monkeypatch.setattr("train_lora.backends.kohya.setup.SUBMODULE", tmp_path / "empty")
    return {}


def test_a_whole_installation_is_ready(trainer: dict[str, str]) -> None:
    (check,) = check_trainer(None, trainer, PRESET)
    assert (check.group, check.name, check.status) == (GROUP, "sd-scripts", "ok")
    assert "ready to train sd15" in check.detail


@pytest.mark.parametrize(("asked", "status"), [(None, "note"), ("sd-scripts", "missing")])
def test_without_sd_scripts_only_who_asked_for_it_is_stopped(
    nothing: Mapping[str, str], asked: str | None, status: str
) -> None:
    (check,) = check_trainer(asked, nothing, PRESET)
    assert check.status == status
    assert "sd-scripts" in check.detail
    assert check.advice, "the next step"


def test_every_lack_is_a_line_of_its_own(trainer: dict[str, str], tmp_path: Path) -> None:
    fake_python(tmp_path / "poor", packages={"diffusers": "", "transformers": ""})
    poor = trainer | {"SD_SCRIPTS_PYTHON": str(tmp_path / "poor" / "bin" / "python")}
    poor["SDWEBUI_BASE_MODEL"] = ""
    checks = check_trainer(None, poor, PRESET)
    assert len(checks) >= 2
    assert {check.status for check in checks} == {"missing"}
    told = "\n".join(check.detail for check in checks)
    assert "diffusers" in told
    assert "base model" in told


def test_the_sandbox_lacks_nothing() -> None:
    (check,) = check_trainer("sandbox", {}, PRESET)
    assert (check.name, check.status) == ("sandbox", "ok")


@pytest.mark.parametrize("asked", ["onetrainer", "ftp://gpu/srv"])
def test_a_trainer_that_is_not_known_is_named(asked: str) -> None:
    (check,) = check_trainer(asked, {}, PRESET)
    assert check.status == "missing"
    assert asked in check.detail
    assert "sd-scripts" in check.advice


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_the_presets_own_settings_are_checked(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    seen: list[TrainRecipe] = []

    class Backend:
        version = "v0.10.1"

        def check(self, recipe: TrainRecipe) -> list[str]:
            seen.append(recipe)
            return []

    def made(asked: Any) -> Backend:
        return Backend()

    monkeypatch.setattr(train_lora, "get_backend", made)
    preset = load_preset(f"studio-{family}", sets=["train.network_dim=24", "train.trigger=zwx woman"])
    (check,) = check_trainer(None, {}, preset)
    assert family in check.detail
    (recipe,) = seen
    assert (recipe.network_dim, recipe.trigger, recipe.family) == (24, "zwx woman", family)
    assert recipe.resolution == preset.train.resolution
