"""Recorded exchanges as the client sees them: probed, typed again, with pictures of the stated size."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from sdwebui_client._interpret import interpret
from sdwebui_client._prepare import Prepared, assemble, group_units, make_context, prepare
from sdwebui_client.capabilities import Capabilities
from sdwebui_client.errors import CapabilityMissing, EffectMissing, InvalidRequest
from sdwebui_client.probe import ProbeAnswer, probe
from sdwebui_client.types import GenerationRequest, GenerationResult, Img2ImgRequest, Txt2ImgRequest
from sdwebui_client.types.result import Effect
from sdwebui_client.units import ADetailer, AlwaysOnScript, ControlNet, Script, UltimateSDUpscale, Unit
from sdwebui_client.units.ultimate_upscale import REDRAW_MODES, SEAMS_FIXES, TARGETS

from . import Recording, openapi, recordings

SHORTENED = re.compile(r"^<(?:base64 )?(?:data-uri )?(png|jpeg|webp) (\d+)x(\d+) (\w+) (\d+) bytes>$")
AD_FIELDS = {theirs: ours for ours, theirs in ADetailer.FIELDS.items()}
AD_SWITCHES = set(ADetailer.SWITCHES.values())
CN_FIELDS = {name for name in ControlNet.model_fields if name != "kind"}


class NotOurs(Exception):
    """The recorded request is of a shape that the typed client cannot even express."""


def fake_png(width: int, height: int, mode: str = "RGB", salt: int = 0) -> bytes:
    """A valid PNG of one colour and the stated size; `salt` makes pictures of one size differ."""
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    colour = bytes((salt * 37 + 11 * channel) % 256 for channel in range(channels))
    row = b"\0" + colour * width
    kind = {1: 0, 3: 2, 4: 6}[channels]
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(row * height, 1))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def _fake(text: str) -> str:
    match = SHORTENED.match(text)
    assert match is not None
    kind, width, height, mode, size = match.groups()
    if kind == "jpeg":
        from io import BytesIO

        from PIL import Image

        out = BytesIO()
        Image.new("RGB", (int(width), int(height)), (int(size) % 256, 0, 0)).save(out, "JPEG")
        return base64.b64encode(out.getvalue()).decode()
    return base64.b64encode(fake_png(int(width), int(height), mode, int(size))).decode()


def revive(value: Any) -> Any:
    """Put a picture of the stated size wherever a recording was shortened."""
    if isinstance(value, str):
        return _fake(value) if SHORTENED.match(value) else value
    if isinstance(value, list):
        return [revive(item) for item in value]
    if isinstance(value, dict):
        return {key: revive(item) for key, item in value.items()}
    return value


@cache
def recorded_caps(flavour: str) -> Capabilities:
    """What the recorded server could do, through the real probe."""
    return probe(recorded_get(flavour))


def recorded_get(flavour: str, *, hide: tuple[str, ...] = (), headers: dict[str, str] | None = None) -> Any:
    """A `get` for `probe` that answers from the recordings; paths that start with one of `hide` are 404."""
    by_path: dict[str, Recording] = {}
    for case in recordings(flavour).values():
        if (
            case.is_exchange
            and case.method == "GET"
            and case.name.startswith(("get_", "a_webui_none_sysinfo"))
        ):
            by_path.setdefault(case.path, case)

    def get(path: str) -> ProbeAnswer:
        if path == "/openapi.json" and not any(path.startswith(part) for part in hide):
            return ProbeAnswer(200, openapi(flavour), headers or {})
        case = by_path.get(path)
        if case is None or any(path.startswith(part) for part in hide):
            return ProbeAnswer(404, {"detail": "Not Found"}, headers or {})
        return ProbeAnswer(case.status, case.body, headers or {})

    return get


@dataclass(frozen=True)
class Asked:
    """A recorded request as a user of the typed client would have written it."""

    endpoint: str
    request: GenerationRequest
    units: tuple[Unit, ...]
    script: Script | None


def asked(case: Recording, caps: Capabilities) -> Asked:
    """Type a recorded request.

    Raises:
        NotOurs: The client cannot express it.
        InvalidRequest: Its own models refuse it (ImageError and ValueError likewise).
    """
    payload = revive(case.request_json)
    if not isinstance(payload, dict):
        raise NotOurs("no object")
    endpoint = case.path.rpartition("/")[2]
    scripts = payload.pop("alwayson_scripts", None) or {}
    if not isinstance(scripts, dict):
        raise NotOurs("alwayson_scripts is no object")
    script = _script(payload, caps)
    units = [unit for name, body in scripts.items() for unit in _units(name, body)]
    model = Txt2ImgRequest if endpoint == "txt2img" else Img2ImgRequest
    payload.pop("force_task_id", None)
    try:
        request = model(**payload)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    return Asked(endpoint, request, tuple(units), script)


def _script(payload: dict[str, Any], caps: Capabilities) -> Script | None:
    if str(payload.get("script_name", "")).lower() != "ultimate sd upscale":
        return None
    args = payload.pop("script_args", [])
    payload.pop("script_name")
    if len(args) != 18 or not all(isinstance(args[at], int) for at in (8, 10, 13, 14)):
        raise NotOurs("not 18 positions")
    if args[8] >= len(caps.upscalers):
        raise NotOurs("an upscaler beyond the list")
    return UltimateSDUpscale(
        tile_width=args[1],
        tile_height=args[2],
        mask_blur=args[3],
        padding=args[4],
        seams_fix_width=args[5],
        seams_fix_denoise=args[6],
        seams_fix_padding=args[7],
        upscaler=caps.upscalers[args[8]],
        save_upscaled=args[9],
        redraw_mode=REDRAW_MODES[args[10]],
        save_seams_fix=args[11],
        seams_fix_mask_blur=args[12],
        seams_fix=SEAMS_FIXES[args[13]],
        target=TARGETS[args[14]],
        width=args[15],
        height=args[16],
        scale=args[17],
    )


def _units(name: str, body: Any) -> list[Unit]:
    args = body.get("args") if isinstance(body, dict) else None
    if not isinstance(args, list):
        raise NotOurs(f"{name} without a list of args")
    if name.strip().lower() == "adetailer":
        if name != name.strip():
            raise NotOurs("a name with spaces")
        return _adetailers(args)
    if name.lower() == "controlnet":
        if not all(isinstance(unit, dict) for unit in args):
            raise NotOurs("a unit that is no object")
        return [_controlnet(unit) for unit in args if unit.get("enabled", True)]
    return [AlwaysOnScript(name=name, args=args)]


def _adetailers(args: list[Any]) -> list[Unit]:
    if len(args) < 3 or args[0] is not True or not isinstance(args[1], bool):
        raise NotOurs("without the two leading booleans or without a unit")
    return [
        ADetailer(
            **{AD_FIELDS.get(key, key): value for key, value in unit.items() if key not in AD_SWITCHES},
            skip_img2img=args[1],
        )
        for unit in args[2:]
    ]


def _controlnet(unit: dict[str, Any]) -> Unit:
    return ControlNet(**{key: value for key, value in unit.items() if key != "enabled"})


@dataclass(frozen=True)
class Verdict:
    """What the client makes of a recorded exchange."""

    refused: str
    """Why nothing would have been sent; empty when it would have."""
    effects: tuple[Effect, ...] = ()
    """What the answer would have shown, had it been sent all the same (a catalogue may be out of date)."""
    result: GenerationResult | None = None

    def status(self, name: str) -> str:
        """Status of the effects whose name starts so; "" when there is none."""
        found = {effect.status for effect in self.effects if effect.name.startswith(name)}
        assert len(found) < 2, found
        return found.pop() if found else ""


def judge(flavour: str, name: str) -> Verdict:
    """Run a recorded 200 exchange through `prepare` and, refused or not, through `interpret`.

    Raises:
        NotOurs: The client cannot express the request.
    """
    case = recordings(flavour)[name]
    caps = recorded_caps(flavour)
    try:
        wish = asked(case, caps)
    except (InvalidRequest, ValueError) as error:
        return Verdict(refused=str(error))
    refused = ""
    try:
        prepared = prepare(wish.endpoint, wish.request, wish.units, wish.script, caps)
    except CapabilityMissing as error:
        refused = str(error)
        prepared = unchecked(wish, caps)
    try:
        result = interpret(prepared, revive(case.body), caps, task_id="t", elapsed_s=0.0)
    except EffectMissing as error:
        result = error.result
    return Verdict(refused, result.verified.effects, result)


def unchecked(wish: Asked, caps: Capabilities) -> Prepared:
    """What would be sent if nobody asked whether the server can do it."""
    context = make_context(wish.endpoint, wish.request, wish.script)
    return assemble(wish.request, group_units(wish.units), wish.script, caps, context)


def generations(flavour: str) -> list[str]:
    """Names of the recorded txt2img and img2img exchanges that answered 200 with `info`."""
    found = []
    for name, case in recordings(flavour).items():
        if not case.is_exchange or case.method != "POST" or name.startswith("full/"):
            continue
        if case.path not in ("/sdapi/v1/txt2img", "/sdapi/v1/img2img") or case.status != 200:
            continue
        if isinstance(case.body, dict) and isinstance(case.body.get("info"), str):
            found.append(name)
    return found


def info_of(case: Recording) -> dict[str, Any]:
    """The decoded `info`."""
    return dict(json.loads(case.body["info"]))
