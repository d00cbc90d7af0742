"""`presets`: list, show, check, schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ._state import make_console

if TYPE_CHECKING:
    from stages.presets import Preset, TrainingPreset


@click.group(short_help="List, show and check presets.")
def presets() -> None:
    """List, show and check presets: the YAML files that hold every number of the recipe.

    \b
    A preset of your own begins with two lines:
      schema: sdwebui-preset/1
      extends: studio-sd15
    and goes on with what shall be different. docs/presets.md explains every key.
    """


@presets.command("list", short_help="The presets that come with the project.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """The presets that come with the project: those for pictures, then those for the training."""
    from stages.presets import list_presets, list_training_presets

    pictures, trainings = list_presets(), list_training_presets()
    found = [*pictures, *trainings]
    if as_json:
        rows = [
            {"name": p.name, "title": p.title, "family": p.family, "description": p.description}
            for p in found
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False, pad_edge=False)
    for title in ("name", "for", "family", "title"):
        table.add_column(title, overflow="fold")
    for preset in found:
        use = "training" if preset in trainings else "pictures"
        table.add_row(*(Text(cell) for cell in (preset.name, use, preset.family, preset.title)))
    make_console(stderr=False).print(table)


@presets.command(short_help="Print a preset with everything it inherits.")
@click.argument("name")
@click.option(
    "--set", "sets", multiple=True, metavar="A.B=C", help="Change one value first; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def show(name: str, sets: tuple[str, ...], as_json: bool) -> None:
    """Print a preset or training preset with everything it inherits, as the recipe will see it."""
    from stages.presets import dump_preset

    preset = _load(name, sets)
    if as_json:
        click.echo(json.dumps(preset.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False))
        return
    click.echo(dump_preset(preset), nl=False)


@presets.command(short_help="Check a preset of your own.")
@click.argument("file")
@click.option(
    "--set", "sets", multiple=True, metavar="A.B=C", help="Change one value first; may be repeated."
)
def check(file: str, sets: tuple[str, ...]) -> None:
    """Check a preset of your own; exit status 2 names each mistake, its place and what was probably meant."""
    from stages.presets import Preset

    preset = _load(file, sets)
    what = ", ".join(preset.stages) if isinstance(preset, Preset) else f"a training for {preset.family}"
    click.echo(f"{file}: good ({preset.title}; {what})")


def _load(name: str, sets: tuple[str, ...]) -> Preset | TrainingPreset:
    from stages.presets import is_training_preset, load_preset, load_training_preset

    return load_training_preset(name, sets=sets) if is_training_preset(name) else load_preset(name, sets=sets)


@presets.command(short_help="Print the JSON Schema.")
@click.option(
    "--resolved", is_flag=True, help="Of a resolved preset, as `presets show` prints and runs keep it."
)
@click.option("--training", is_flag=True, help="Of a training preset's file.")
def schema(resolved: bool, training: bool) -> None:
    """Print the JSON Schema of a preset file, for an editor that completes and checks YAML while you type."""
    from stages.presets import preset_file_schema, preset_schema, training_file_schema

    made = training_file_schema if training else preset_schema if resolved else preset_file_schema
    found = made()
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
