"""What is kept of how a picture came about: enough to make it again.

A sidecar `NAME.provenance.json` lies beside each portrait. It names no file of this machine, no server
address and no time: the same picture has the same sidecar.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdwebui_client import EncodedImage

from .engine import Outcome
from .errors import ProvenanceError

SCHEMA = "sdwebui-provenance/1"
SUFFIX = ".provenance.json"
_SHORTEST_PICTURE = 400
"""Base64 texts shorter than this are no picture: the smallest PNG of a useful size is longer."""


def sidecar_of(picture: Path) -> Path:
    """Where a picture's sidecar lies."""
    return picture.with_name(picture.stem + SUFFIX)


def summarise_request(value: Any) -> Any:
    """A request as sent, each picture replaced by `{"picture": SHA-256}`, without the job's random name.

    Args:
        value: The payload, or any part of it.
    """
    if isinstance(value, EncodedImage):
        return {"picture": value.sha256}
    if isinstance(value, Mapping):
        return {str(key): summarise_request(item) for key, item in value.items() if key != "force_task_id"}
    if isinstance(value, (list, tuple)):
        return [summarise_request(item) for item in value]
    if isinstance(value, str) and len(value) >= _SHORTEST_PICTURE:
        return _picture_or_text(value)
    return value


def _picture_or_text(text: str) -> Any:
    try:
        return {"picture": EncodedImage.from_base64(text).sha256}
    except ValueError:
        return text


def stage_entry(outcome: Outcome) -> dict[str, Any]:
    """One stage of a sidecar."""
    material, payload = outcome.record.material, outcome.payload
    entry = {
        "stage": material["stage"],
        "version": material["version"],
        "key": outcome.record.key,
        "params": material["params"],
        "inputs": material["inputs"],
        "output": outcome.record.outputs.get("image"),
    }
    if material["server"] is None:
        return entry
    return {
        **entry,
        "endpoint": payload["endpoint"],
        "request": payload["request"],
        "reported": {
            "seed": payload["seed"],
            "model_name": payload["model_name"],
            "model_hash": payload["model_hash"],
            "infotext": payload["infotext"],
        },
        "server": {**payload["server"], "identity": material["server"]},
        "evidence": payload["evidence"],
    }


def sidecar(
    *,
    picture: str,
    shot: str,
    lora: Mapping[str, Any] | None,
    preset_sha256: str,
    stages: Sequence[Outcome],
    score: Mapping[str, Any],
    sandbox: bool,
) -> dict[str, Any]:
    """The whole sidecar of one picture.

    Args:
        picture: SHA-256 of the delivered file.
        shot: Its identifier in the run.
        lora: Name and hash of the person's LoRA; None where photos stood for it.
        preset_sha256: Of the resolved preset.
        stages: From the first to the last.
        score: What was measured in the delivered picture.
        sandbox: Whether a stand-in made it.
    """
    return {
        "schema": SCHEMA,
        "sandbox": sandbox,
        "picture": picture,
        "shot": shot,
        "lora": dict(lora) if lora is not None else None,
        "preset": preset_sha256,
        "stages": [stage_entry(outcome) for outcome in stages],
        "score": dict(score),
    }


def read_sidecar(picture: Path) -> dict[str, Any]:
    """Read the sidecar of a picture.

    Raises:
        ProvenanceError: It is missing, damaged, or of another version.
    """
    path = sidecar_of(picture)
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ProvenanceError(
            f"{picture} has no provenance: {path.name} is not beside it",
            hint="Name a picture in the portraits folder of a run.",
        ) from error
    except (OSError, ValueError) as error:
        raise ProvenanceError(f"{path} cannot be read: {error}") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise ProvenanceError(f"{path} is of the schema {schema!r}; this version reads {SCHEMA!r}")
    return dict(content)
