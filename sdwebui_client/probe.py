"""Ask a live server what it can do, by GETs alone, and keep the answers as `Capabilities`.

Not asked: /sdapi/v1/cmd-flags, which shows the API password on A1111 and fails with 500 on Forge.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .capabilities import ADetailerCaps, Capabilities, CheckpointInfo, ControlNetCaps, Flavour, LoraInfo
from .errors import NotFound, UnexpectedResponse, WebUIError
from .flavours import Signs, recognise

SANDBOX_HEADER = "x-sdwebui-sandbox"
DEFAULT_CONTROLNET_UNITS = 3
DEFAULT_ADETAILER_UNITS = 4
KEPT_OPTIONS = (
    "CLIP_stop_at_last_layers",
    "ad_max_models",
    "control_net_no_detectmap",
    "control_net_unit_count",
    "forge_additional_modules",
    "grid_save",
    "lora_add_hashes_to_infotext",
    "return_grid",
    "samples_format",
    "sd_checkpoint_hash",
    "sd_model_checkpoint",
    "sd_vae",
    "show_progress_every_n_steps",
    "live_previews_enable",
)
"""Settings that change how requests are written or read.
The others may hold tokens and paths and are not kept."""
DISPENSABLE = frozenset({"/openapi.json", "/internal/sysinfo", "/internal/pending-tasks"})
"""Routes a server may refuse (401, 403) and be used all the same: it is then less well known."""

log = logging.getLogger("sdwebui_client")


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """One GET's answer."""

    status: int
    """HTTP status; 404 means the route is not there (yet)."""
    body: Any = None
    """The decoded JSON, None when it was none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers by lower-case name."""
    error: WebUIError | None = None
    """Why there is no body, with the server's own words."""


Get = Callable[[str], ProbeAnswer]


class _Asker:
    """Remembers answers, so that each route is asked once."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._answers: dict[str, ProbeAnswer] = {}

    def answer(self, path: str) -> ProbeAnswer:
        if path not in self._answers:
            answer = self._answers[path] = self._get(path)
            if answer.status >= 500:
                log.warning("%s is left out: it was answered %d", path, answer.status)
        return self._answers[path]

    def body(self, path: str) -> Any:
        """The body of a 200, else None."""
        answer = self.answer(path)
        return answer.body if answer.status == 200 else None

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        body = self.body(path)
        return [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []

    def names(self, path: str, key: str = "name") -> tuple[str, ...]:
        """One text of each object of a list."""
        return _strings(row.get(key) for row in self.rows(path))

    def texts(self, path: str, key: str) -> tuple[str, ...]:
        """A list of texts under `key` of an object."""
        body = self.body(path)
        values = body.get(key) if isinstance(body, dict) else None
        return _strings(values) if isinstance(values, list) else ()

    def has(self, path: str) -> bool:
        return self.answer(path).status == 200


def probe(get: Get) -> Capabilities:
    """Return what a server can do.

    Args:
        get: GETs a path and returns its answer whatever the status is; raises only when the server cannot
            be reached or refuses the credentials.

    Raises:
        NotFound: There is no API: started without --api, still starting, or no WebUI.
        UnexpectedResponse: The settings are no JSON object.
        WebUIError: The settings cannot be had.
    """
    ask = _Asker(get)
    first = ask.answer("/sdapi/v1/options")
    words = first.error.server_text if first.error is not None else ""
    if first.status == 404:
        hint = "start the WebUI with --api; when it has just been started, wait until it answers"
        raise NotFound("there is no API at this address", hint=hint, status=404, server_text=words)
    options = first.body if first.status == 200 else None
    if first.error is not None:
        raise first.error
    if not isinstance(options, dict):
        raise UnexpectedResponse("the server's settings are no JSON object", status=first.status)
    routes, document = _openapi(ask)
    flavour, version = _identity(ask, document, routes)
    scripts = ask.body("/sdapi/v1/scripts")
    scripts = scripts if isinstance(scripts, dict) else {}
    info = ask.rows("/sdapi/v1/script-info")
    controlnet, adetailer = _units(ask, flavour, info)
    return Capabilities(
        flavour=flavour,
        version=version,
        sandbox=any(key.lower() == SANDBOX_HEADER for key in first.headers),
        still_starting=_still_starting(ask, flavour, scripts, controlnet, adetailer),
        routes=routes,
        scripts_txt2img=_lower(scripts.get("txt2img")),
        scripts_img2img=_lower(scripts.get("img2img")),
        alwayson=_marked(info, True),
        selectable=_marked(info, False),
        controlnet=controlnet,
        adetailer=adetailer,
        extensions=_extensions(ask),
        options=MappingProxyType({key: options[key] for key in KEPT_OPTIONS if key in options}),
        option_keys=frozenset(options),
        loaded_checkpoint=_text_or_none(options.get("sd_model_checkpoint")),
        txt2img_fields=_schema_fields(document, "/sdapi/v1/txt2img"),
        img2img_fields=_schema_fields(document, "/sdapi/v1/img2img"),
        has_task_ids=_has_task_ids(ask, flavour),
        **_catalogues(ask, flavour),
    )


def _openapi(ask: _Asker) -> tuple[frozenset[str], dict[str, Any]]:
    document = ask.body("/openapi.json")
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        return frozenset(), {}
    return frozenset(document["paths"]), document


def _identity(ask: _Asker, document: dict[str, Any], routes: frozenset[str]) -> tuple[Flavour, str]:
    about = document.get("info")
    title = str(about.get("title", "")) if isinstance(about, dict) else ""
    own = ask.body("/sdapi/v1/version") if not routes or "/sdapi/v1/version" in routes else None
    own_version = isinstance(own, dict) and str(own.get("app", "")).lower() in ("sd.next", "sdnext")
    if own_version or title == "SD.Next":
        # Its commit is what changes; a checkout without git says "unknown".
        told = own if isinstance(own, dict) else {}
        return Flavour.SDNEXT, str(told.get("commit") or told.get("updated") or "")
    version = _sysinfo_version(ask, routes)
    signs = Signs(
        title=title,
        version=version,
        sd_modules=ask.has("/sdapi/v1/sd-modules"),
        controlnet_version=ask.has("/controlnet/version"),
        controlnet_modules=ask.texts("/controlnet/module_list", "module_list"),
    )
    return recognise(signs), version


def _sysinfo_version(ask: _Asker, routes: frozenset[str]) -> str:
    # The only GET that states the version; about 2 s, and absent with --nowebui.
    if routes and "/internal/sysinfo" not in routes:
        return ""
    body = ask.body("/internal/sysinfo")
    version = str(body.get("Version", "")) if isinstance(body, dict) else ""
    return version if re.match(r"^[vf]\d", version) else ""


def _catalogues(ask: _Asker, flavour: Flavour) -> dict[str, Any]:
    samplers = [row for row in ask.rows("/sdapi/v1/samplers") if isinstance(row.get("name"), str)]
    # GET /schedulers answers 500 on SD.Next, which ignores the field anyway.
    schedulers = [] if flavour is Flavour.SDNEXT else ask.rows("/sdapi/v1/schedulers")
    forge = flavour is Flavour.FORGE
    return {
        "samplers": tuple(row["name"] for row in samplers),
        "sampler_aliases": tuple(
            (alias, row["name"])
            for row in samplers
            if isinstance(row.get("aliases"), list)
            for alias in _strings(row["aliases"])
        ),
        "schedulers": tuple(
            (row["name"], str(row.get("label") or row["name"]))
            for row in schedulers
            if isinstance(row.get("name"), str)
        ),
        "upscalers": ask.names("/sdapi/v1/upscalers"),
        "latent_upscalers": () if flavour is Flavour.SDNEXT else ask.names("/sdapi/v1/latent-upscale-modes"),
        "checkpoints": tuple(_checkpoint(row) for row in ask.rows("/sdapi/v1/sd-models") if row.get("title")),
        "vaes": () if forge else ask.names("/sdapi/v1/sd-vae", "model_name"),
        "modules": ask.names("/sdapi/v1/sd-modules", "model_name") if forge else (),
        "loras": tuple(_lora(row) for row in ask.rows("/sdapi/v1/loras") if row.get("name")),
        "embeddings": _embeddings(ask),
        # Forge lists divider rows among its styles; their prompt is null.
        "styles": tuple(
            str(row["name"])
            for row in ask.rows("/sdapi/v1/prompt-styles")
            if row.get("name") and row.get("prompt") is not None
        ),
    }


def _checkpoint(row: dict[str, Any]) -> CheckpointInfo:
    return CheckpointInfo(
        title=str(row["title"]),
        model_name=str(row.get("model_name") or row["title"]),
        filename=str(row.get("filename") or ""),
        hash=_text_or_none(row.get("hash")),
        sha256=_text_or_none(row.get("sha256")),
    )


def _lora(row: dict[str, Any]) -> LoraInfo:
    metadata = row.get("metadata")
    return LoraInfo(
        name=str(row["name"]),
        alias=str(row.get("alias") or ""),
        path=str(row.get("path") or ""),
        metadata=MappingProxyType(dict(metadata) if isinstance(metadata, dict) else {}),
    )


def _embeddings(ask: _Asker) -> tuple[str, ...]:
    body = ask.body("/sdapi/v1/embeddings")
    loaded = body.get("loaded") if isinstance(body, dict) else None
    # A mapping on A1111, a list on SD.Next.
    return _strings(loaded) if isinstance(loaded, dict | list) else ()


def _units(
    ask: _Asker, flavour: Flavour, info: list[dict[str, Any]]
) -> tuple[ControlNetCaps | None, ADetailerCaps | None]:
    if flavour is Flavour.SDNEXT:
        detectors = ask.names("/sdapi/v1/detailers")
        body = ask.body("/sdapi/v1/control-models")
        models = _strings(body) if isinstance(body, list) else ()
        controlnet = ControlNetCaps(models, ("None",), DEFAULT_CONTROLNET_UNITS) if models else None
        return controlnet, ADetailerCaps("", detectors, frozenset(), len(detectors)) if detectors else None
    return _controlnet(ask, info), _adetailer(ask, info)


def _controlnet(ask: _Asker, info: list[dict[str, Any]]) -> ControlNetCaps | None:
    if not ask.has("/controlnet/model_list"):
        return None
    models = tuple(name for name in ask.texts("/controlnet/model_list", "model_list") if name != "None")
    modules = ask.texts("/controlnet/module_list", "module_list")
    # A1111 accepts its internal names and the aliases of its menu ("pidinet", "softedge_pidinet").
    modules += ask.texts("/controlnet/module_list?alias_names=true", "module_list")
    version = ask.body("/controlnet/version")
    settings = ask.body("/controlnet/settings")
    units = settings.get("control_net_unit_count") if isinstance(settings, dict) else None
    if not isinstance(units, int) or units < 1:
        units = len(_script_args(info, "controlnet")) or DEFAULT_CONTROLNET_UNITS
    text = str(version.get("version", "")) if isinstance(version, dict) else ""
    return ControlNetCaps(models, tuple(dict.fromkeys(modules)), units, text)


def _adetailer(ask: _Asker, info: list[dict[str, Any]]) -> ADetailerCaps | None:
    if not ask.has("/adetailer/v1/version"):
        return None
    version = ask.body("/adetailer/v1/version")
    schema = ask.body("/adetailer/v1/schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    # script-info lists the two switches and one entry a slot (ad_max_models).
    slots = sum(isinstance(arg.get("value"), dict) for arg in _script_args(info, "adetailer"))
    return ADetailerCaps(
        version=str(version.get("version", "")) if isinstance(version, dict) else "",
        models=ask.texts("/adetailer/v1/ad_model", "ad_model"),
        fields=frozenset(properties) if isinstance(properties, dict) else frozenset(),
        max_units=slots or DEFAULT_ADETAILER_UNITS,
    )


def _marked(info: list[dict[str, Any]], alwayson: bool) -> frozenset[str]:
    return frozenset(str(row.get("name", "")).lower() for row in info if row.get("is_alwayson") is alwayson)


def _script_args(info: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    for row in info:
        if str(row.get("name", "")).lower() == name and isinstance(row.get("args"), list):
            return [arg for arg in row["args"] if isinstance(arg, dict)]
    return []


def _still_starting(
    ask: _Asker,
    flavour: Flavour,
    scripts: dict[str, Any],
    controlnet: ControlNetCaps | None,
    adetailer: ADetailerCaps | None,
) -> tuple[str, ...]:
    """The scripts of extensions are listed at once, their routes come 2.6 to 5 s later (recorded:
    s01_startup_trace)."""
    if flavour is Flavour.SDNEXT:
        return ()
    listed = _lower(scripts.get("txt2img")) + _lower(scripts.get("img2img"))
    waiting = []
    if "controlnet" in listed and controlnet is None:
        waiting.append("ControlNet")
    if "adetailer" in listed and adetailer is None:
        waiting.append("ADetailer")
    # Lora is built in; its absence alone may also mean that somebody switched it off.
    if waiting and ask.answer("/sdapi/v1/loras").status == 404:
        waiting.append("Lora")
    return tuple(waiting)


def _extensions(ask: _Asker) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(row["name"]), str(row.get("version") or row.get("commit_hash") or ""))
        for row in ask.rows("/sdapi/v1/extensions")
        if row.get("name") and row.get("enabled", True)
    )


def _schema_fields(document: dict[str, Any], path: str) -> frozenset[str]:
    try:
        content = document["paths"][path]["post"]["requestBody"]["content"]
        reference = content["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        return frozenset(schema["properties"])
    except (KeyError, TypeError, AttributeError):
        # A document that does not describe the route says nothing about its fields.
        return frozenset()


def _has_task_ids(ask: _Asker, flavour: Flavour) -> bool:
    return flavour is not Flavour.SDNEXT and ask.has("/internal/pending-tasks")


def _lower(names: object) -> tuple[str, ...]:
    return tuple(name.lower() for name in _strings(names)) if isinstance(names, list) else ()


def _strings(values: Iterable[object]) -> tuple[str, ...]:
    """The texts among the values: a null name is no name."""
    return tuple(value for value in values if isinstance(value, str))


def _text_or_none(value: object) -> str | None:
    return str(value) if value else None
