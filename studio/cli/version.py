"""`version`: what is installed."""

from __future__ import annotations

import platform

import click

from ..extras import EXTRAS, missing_modules, project_version


@click.command(short_help="Show versions and which extras are installed.")
def version() -> None:
    """Show versions and which extras are installed."""
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    click.echo(f"sdwebui-client {project_version()}, {system}")
    for extra in EXTRAS:
        missing = missing_modules(extra)
        click.echo(
            f"  [{extra}]".ljust(12) + ("installed" if not missing else f"missing: {', '.join(missing)}")
        )
