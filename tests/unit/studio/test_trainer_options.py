"""--trainer and --base-model, and what the environment says where they are left out."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from studio.cli._trainer import read_trainer_options, trainer_options
from studio.errors import BadInput


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SDWEBUI_TRAINER", "SDWEBUI_BASE_MODEL"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_asked_lets_the_webui_decide() -> None:
    asked = read_trainer_options(None, None)
    assert (asked.name, asked.base_model) == (None, None)


@pytest.mark.parametrize(
    ("option", "variable", "name"),
    [
        ("sandbox", "sd-scripts", "sandbox"),
        (None, "sd-scripts", "sd-scripts"),
        (None, " ssh://me@gpu/srv ", "ssh://me@gpu/srv"),
        (None, "  ", None),
        ("", "", None),
    ],
)
def test_the_option_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str, name: str | None
) -> None:
    monkeypatch.setenv("SDWEBUI_TRAINER", variable)
    assert read_trainer_options(option, None).name == name


def test_the_environment_goes_along_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDWEBUI_PASSWORD", "hunter2")
    asked = read_trainer_options(None, None)
    assert asked.env["SDWEBUI_PASSWORD"] == "hunter2"
    assert "hunter2" not in repr(asked)


def test_a_base_model_must_be_there(tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    with pytest.raises(BadInput, match="--base-model") as told:
        read_trainer_options(None, str(model))
    assert model.name in str(told.value)
    model.touch()
    assert read_trainer_options(None, str(model)).base_model == model


def test_a_command_gets_both_options() -> None:
    seen: list[tuple[str | None, str | None]] = []

    @click.command()
    @trainer_options
    def train(trainer: str | None, base_model: str | None) -> None:
        seen.append((trainer, base_model))

    runner = CliRunner()
    assert runner.invoke(train, ["--trainer", "sandbox", "--base-model", "x"]).exit_code == 0
    assert runner.invoke(train, []).exit_code == 0
    assert seen == [("sandbox", "x"), (None, None)]
    told = runner.invoke(train, ["--help"]).output
    assert told.index("--trainer") < told.index("--base-model")
    assert "ssh://USER@HOST" in told
