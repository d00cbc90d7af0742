"""Sends a recorded request to a sandbox and compares the answers, leaving out only what cannot be equal.

What cannot: drawn seeds, time stamps, the size of a compressed picture, hashes of files that differ, the
sandbox's own mark.
"""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image, PngImagePlugin

from tests.recorded import Recording

_PLACEHOLDER = re.compile(r"^<base64 (data-uri )?(png|jpeg) (\d+)x(\d+) (\w+) \d+ bytes>$")
_TINY = {
    "ss_base_model_version": "sd_v1",
    "ss_network_alpha": "4.0",
    "ss_network_dim": "4",
    "ss_network_module": "networks.lora",
    "ss_tag_frequency": '{"10_ohwx woman": {"ohwx woman": 10, "portrait": 7}}',
}
VOLATILE_INFO = ("job_timestamp", "subseed", "all_subseeds", "sd_vae_hash")


def write_lora(folder: Path, name: str, alias: str) -> Path:
    """Write a LoRA file like those of the recorded server: metadata, and a tensor of no consequence."""
    header = {
        "__metadata__": {**_TINY, "ss_output_name": alias},
        "weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
    }
    packed = json.dumps(header).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    path.write_bytes(struct.pack("<Q", len(packed)) + packed + bytes(16))
    return path


def picture(kind: str, width: int, height: int, mode: str) -> str:
    """A picture of a size, as base64: a gradient, the same every time."""
    ramp = np.linspace(0, 255, width * height, dtype=np.uint8).reshape(height, width)
    image = Image.fromarray(ramp).convert(mode)
    out = io.BytesIO()
    image.save(out, kind.upper())
    return base64.b64encode(out.getvalue()).decode()


def expand(value: Any) -> Any:
    """Put pictures where the recordings were cut short."""
    if isinstance(value, dict):
        return {key: expand(item) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item) for item in value]
    match = _PLACEHOLDER.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    uri, kind, width, height, mode = match.groups()
    encoded = picture(kind, int(width), int(height), mode)
    return f"data:image/{kind};base64,{encoded}" if uri else encoded


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]


def with_infotext(encoded: str, text: str) -> str:
    """Write an infotext into a PNG, as the recorded picture carried it."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", text)
    out = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(encoded))).save(out, "PNG", pnginfo=chunks)
    return base64.b64encode(out.getvalue()).decode()


def send(session: requests.Session, url: str, case: Recording) -> Answer:
    """Send a recorded request."""
    request = case.raw["request"]
    headers = dict(request.get("headers") or {})
    data: str | None = None
    if "raw_body" in request:
        data = request["raw_body"]
        headers.setdefault("Content-Type", "application/json")
    elif request.get("json") is not None:
        body = expand(request["json"])
        if case.path.endswith("/png-info") and case.status == 200 and case.body["info"]:
            body["image"] = with_infotext(body["image"].rpartition(",")[2], case.body["info"])
        data = json.dumps(body)
        headers["Content-Type"] = "application/json"
    answer = session.request(
        case.method, url + case.path, data=data, headers=headers, timeout=30, allow_redirects=False
    )
    try:
        body = answer.json() if case.method != "HEAD" else ""
    except ValueError:
        body = answer.text
    return Answer(answer.status_code, body, {key.lower(): item for key, item in answer.headers.items()})


def image_facts(text: str) -> str:
    """`png 256x256 RGB` of a picture in an answer, recorded or real."""
    match = _PLACEHOLDER.match(text)
    if match is not None:
        _, kind, width, height, mode = match.groups()
        return f"{kind} {width}x{height} {mode}"
    data = base64.b64decode(text.rpartition(",")[2])
    with Image.open(io.BytesIO(data)) as image:
        return f"{(image.format or '').lower()} {image.width}x{image.height} {image.mode}"


def differences(case: Recording, answer: Answer) -> list[str]:
    """Say in which ways an answer is not the recorded one; empty: it is."""
    if answer.status != case.status:
        return [f"status {answer.status}, recorded {case.status}: {str(answer.body)[:300]}"]
    found = list(_compare("body", _cleaned(case.body, case), _cleaned(answer.body, case)))
    if "location" in case.headers and "/".join(
        case.headers["location"].split("/")[3:]
    ) not in answer.headers.get("location", ""):
        found.append(f"location {answer.headers.get('location')}, recorded {case.headers['location']}")
    return found


def _placeless(value: Any) -> Any:
    """Folders differ from machine to machine: only the last part of a path is compared."""
    if isinstance(value, dict):
        return {
            key: Path(item).name
            if key in ("path", "filename", "lora_dir") and isinstance(item, str)
            else _placeless(item)
            for key, item in value.items()
        }
    return [_placeless(item) for item in value] if isinstance(value, list) else value


def _cleaned(body: Any, case: Recording) -> Any:
    body = _placeless(body)
    if isinstance(body, str) and body.lstrip().startswith(("<!", "<html", "\n")):
        return "HTML"
    if not isinstance(body, dict):
        return body
    body = dict(body)
    for key in ("images", "image"):
        if isinstance(body.get(key), list):
            body[key] = [image_facts(item) for item in body[key]]
        elif isinstance(body.get(key), str):
            body[key] = image_facts(body[key])
    if "images" in body and isinstance(body.get("info"), str) and body["info"].startswith("{"):
        body["info"] = _cleaned_info(json.loads(body["info"]), case)
    if isinstance(body.get("parameters"), dict):
        body["parameters"] = json.loads(_imageless(body["parameters"]))
    if "state" in body:
        body["state"] = {key: item for key, item in body["state"].items() if key != "job_timestamp"}
    if case.path.endswith("/png-info") and "info" in body:
        body["info"] = body["info"].replace(", Sandbox: true", "")
    if "detail" in body and isinstance(body["detail"], list):
        body["detail"] = json.loads(_imageless(body["detail"]))
    return body


def _imageless(value: Any) -> str:
    """Pictures inside an echo are not compared byte for byte."""

    def walk(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: walk(entry) for key, entry in item.items()}
        if isinstance(item, list):
            return [walk(entry) for entry in item]
        if isinstance(item, str) and (len(item) > 200 or item.startswith("<base64")):
            return "A PICTURE" if not item.startswith("{") else item
        return item

    return json.dumps(walk(value))


def _cleaned_info(info: dict[str, Any], case: Recording) -> dict[str, Any]:
    info = {key: item for key, item in info.items() if key not in VOLATILE_INFO}
    request = case.request_json if isinstance(case.request_json, dict) else {}
    drawn = request.get("seed", -1) in (-1, None) and "infotext" not in request
    texts = json.dumps(info, ensure_ascii=False)
    texts = re.sub(r', Sandbox: true|"Sandbox": "true"', "", texts)
    texts = re.sub(
        r"(Lora hashes\W+)([^\"]*)", lambda m: m[1] + re.sub(r": [0-9a-f]{12}", ": #", m[2]), texts
    )
    texts = re.sub(r"VAE hash: [0-9a-f]{10}", "VAE hash: #", texts)
    texts = texts.replace(", }", "}")
    if drawn:
        texts = re.sub(r"Seed: \d+", "Seed: #", texts)
        texts = re.sub(r'"seed": \d+', '"seed": 0', texts)
        texts = re.sub(r'"all_seeds": \[[^\]]*\]', '"all_seeds": 0', texts)
    return dict(json.loads(texts))


def _compare(where: str, recorded: Any, got: Any) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(got, dict):
        missing, extra = sorted(set(recorded) - set(got)), sorted(set(got) - set(recorded))
        if missing or extra:
            yield f"{where}: keys missing {missing}, too many {extra}"
        for key in recorded:
            if key in got:
                yield from _compare(f"{where}.{key}", recorded[key], got[key])
    elif isinstance(recorded, list) and isinstance(got, list):
        if len(recorded) != len(got):
            yield f"{where}: {len(got)} items, recorded {len(recorded)}: {got} / {recorded}"[:600]
            return
        for index, (one, other) in enumerate(zip(recorded, got, strict=True)):
            yield from _compare(f"{where}[{index}]", one, other)
    elif recorded != got:
        yield f"{where}: {got!r}, recorded {recorded!r}"[:900]
