"""What real servers answered, packed by `scripts/pack_recordings.py`.

A1111 1.10.1, Forge 2.0.1 (dfdcbab), reForge (3b56b268) and SD.Next (058a7f0c), run on a CPU with tiny
random-weight models: pictures are noise, the protocol is real. Long base64 is written as
`<base64 png WxH MODE N bytes>`; A1111's `full/…` cases stand whole. Server paths are written as `/srv/…`.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FLAVOURS = ("a1111", "forge", "reforge", "sdnext")


@dataclass(frozen=True)
class Recording:
    """One case. `raw` is the whole of it, for traces and fact sheets that are no plain exchange."""

    name: str
    raw: dict[str, Any]

    @property
    def is_exchange(self) -> bool:
        """Whether the case is one request with one answer."""
        return isinstance(self.raw.get("request"), dict) and isinstance(self.raw.get("response"), dict)

    @property
    def method(self) -> str:
        return str(self.raw["request"].get("method", "GET"))

    @property
    def path(self) -> str:
        return str(self.raw["request"]["path"])

    @property
    def request_json(self) -> Any:
        return self.raw["request"].get("json")

    @property
    def status(self) -> int:
        return int(self.raw["response"]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.raw["response"].get("headers") or {})

    @property
    def body(self) -> Any:
        return self.raw["response"].get("body")

    @property
    def info(self) -> dict[str, Any]:
        """The answer's `info`, which A1111 sends as a JSON string inside the JSON."""
        return dict(json.loads(self.body["info"]))


@cache
def recordings(flavour: str) -> dict[str, Recording]:
    """Every recorded case of a flavour by its name (`full/NAME` for those with whole pictures)."""
    text = gzip.decompress((Path(__file__).parent / f"{flavour}.jsonl.gz").read_bytes()).decode("utf-8")
    cases = (json.loads(line) for line in text.splitlines())
    return {case["name"]: Recording(case["name"], case) for case in cases}


@cache
def training_logs() -> dict[str, tuple[bytes, bytes]]:
    """stdout and stderr of real runs of sd-scripts v0.10.1, by name (`run_lora`, `resume2`, `f_oom2` …)."""
    packed = (Path(__file__).parent / "training_logs.jsonl.gz").read_bytes()
    runs = (json.loads(line) for line in gzip.decompress(packed).decode("utf-8").split("\n"))
    return {run["name"]: (run["out"].encode(), run["err"].encode()) for run in runs}


@cache
def argument_tables() -> dict[str, dict[str, dict[str, Any]]]:
    """sd-scripts v0.10.1's own argument parsers: script -> dest -> flags, type, choices, default."""
    packed = (Path(__file__).parent / "arguments.json.gz").read_bytes()
    tables = json.loads(gzip.decompress(packed))["tables"]
    return {script: {row["dest"]: row for row in rows} for script, rows in tables.items()}


@cache
def lora_tensors() -> dict[str, dict[str, list[int]]]:
    """Family -> tensor name -> shape, as sd-scripts v0.10.1's own network makes them at rank 7."""
    packed = (Path(__file__).parent / "lora_tensors.json.gz").read_bytes()
    tensors = json.loads(gzip.decompress(packed))["tensors"]
    return {family: dict(shapes) for family, shapes in tensors.items()}


def openapi(flavour: str) -> dict[str, Any]:
    """The server's OpenAPI document, routes of all extensions included."""
    raw = recordings(flavour)["openapi"].raw
    document = raw.get("response", {}).get("body", raw)
    return dict(document)
