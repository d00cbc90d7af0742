"""docs/operations.md says what is true of the settings, the metrics, the failures and the commands."""

from __future__ import annotations

import re

import click
import pytest
from pydantic_core import PydanticUndefined

from studio.cli._app import app
from studio.metrics import FAMILIES
from studio.service_settings import _SECRETS, StudioSettings

from .conftest import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMPUTED = {
    *("data_dir", "secret", "database_url", "jobs_database_url", "public_url", "trusted_proxies", "url"),
    *("models_dir", "confirm_email", "smtp_ca_file"),
}
"""Settings whose default is said in words."""


def rows(first: str) -> dict[str, list[str]]:
    """A table's rows by what stands first in each, the column being named `first`."""
    _, _, rest = PAGE.partition(f"\n| {first} |")
    table = rest.partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]
    return {row[0].strip("` "): row[1:] for row in cells}


def test_every_setting_stands_in_the_table_and_no_other() -> None:
    names = [f"SDWEBUI_{name.upper()}" for name in StudioSettings.model_fields]
    assert list(rows("variable")) == names


@pytest.mark.parametrize("name", [name for name in StudioSettings.model_fields if name not in COMPUTED])
def test_a_default_is_the_one_that_is_told(name: str) -> None:
    default = StudioSettings.model_fields[name].default
    assert default is not PydanticUndefined
    told = rows("variable")[f"SDWEBUI_{name.upper()}"][0]
    assert told == ("none" if default is None else f"`{default}`")


def test_every_secret_may_be_a_file() -> None:
    for name in _SECRETS:
        assert f"`SDWEBUI_{name.upper()}_FILE" in PAGE.replace("=/run/secrets/x", "")


def test_every_metric_stands_in_the_table() -> None:
    table = rows("metric")
    assert list(table) == list(FAMILIES)
    for name, (labels, meaning) in table.items():
        assert labels == ", ".join(FAMILIES[name].labels)
        assert meaning.startswith(FAMILIES[name].meaning)


def test_every_code_of_a_failed_job_stands_in_the_table() -> None:
    source = (ROOT / "studio" / "work" / "failures.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'^ +"([a-z]+(?:-[a-z]+)*)",$', source, re.MULTILINE))
    assert len(codes) > 15
    assert codes <= set(rows("code"))


def test_every_command_that_is_named_exists() -> None:
    group = app.get_command(click.Context(app), "studio")
    assert isinstance(group, click.Group)
    named = set(re.findall(r"`studio ([a-z-]+)", PAGE))
    assert len(named) >= 12
    assert named <= set(group.commands)


def test_every_alert_that_is_named_exists() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    for name in re.findall(r"alert\s+`([A-Z]\w+)`", PAGE):
        assert f"alert: {name}\n" in rules
