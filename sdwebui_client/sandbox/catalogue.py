"""What is installed: the recorded server's catalogue, with the models of an ordinary portrait set-up."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from .settings import Flavour, SandboxSettings

_CONTROLNET_SCRIPTS = {"controlnet", "controlnet m2m"}
_SCRIPTS_OF = {"adetailer": {"adetailer"}, "controlnet": _CONTROLNET_SCRIPTS, "usdu": {"ultimate sd upscale"}}
_EXTENSION_OF = {
    "adetailer": "adetailer",
    "controlnet": "sd-webui-controlnet",
    "usdu": "ultimate-upscale-for-automatic1111",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint the server knows."""

    model_name: str
    filename: str
    sha256: str
    config: str | None = None

    @property
    def short_hash(self) -> str:
        """The 10 digits shown in titles."""
        return self.sha256[:10]

    @property
    def file(self) -> str:
        """The file's name."""
        return self.filename.rsplit("/", 1)[-1]

    @property
    def title(self) -> str:
        """`name.safetensors [hash]`."""
        return f"{self.file} [{self.short_hash}]"


@cache
def _recorded(flavour: Flavour) -> dict[str, Any]:
    packed = resources.files(__package__).joinpath("data", f"{flavour}.json.gz").read_bytes()
    return dict(json.loads(gzip.decompress(packed)))


@cache
def _portrait() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("data", "portrait.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def _fake_hash(name: str) -> str:
    return hashlib.sha256(f"sandbox:{name}".encode()).hexdigest()


class Catalogue:
    """Everything a server lists, as one sandbox shows it. Answers are plain JSON, ready to send."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.flavour: Flavour = settings.flavour
        self._without = frozenset(name.lower() for name in settings.without)
        recorded = _recorded(settings.flavour)
        self.openapi: dict[str, Any] = recorded["openapi"]
        self.answers: dict[str, Any] = {
            path: copy.deepcopy(answer["body"]) for path, answer in recorded["answers"].items()
        }
        self.statuses: dict[str, int] = {
            path: answer["status"] for path, answer in recorded["answers"].items()
        }
        self.portrait = settings.profile == "portrait"
        models = f"{settings.models_dir}" if self.portrait else "/srv/webui/models"
        self.checkpoints = tuple(c for c in self._checkpoints(models) if self.has(c.model_name))
        self.vaes = self._vaes(models)
        if settings.flavour != "sdnext":
            self._install()

    def has(self, name: str) -> bool:
        """Whether an extension, a model or an upscaler is installed (not in `SandboxSettings.without`)."""
        lowered = name.lower()
        return lowered not in self._without and lowered.partition(".")[0] not in self._without

    def answer(self, path: str, default: Any = None) -> Any:
        """The list a GET of `path` shows."""
        return self.answers.get(path, default)

    def names(self, path: str) -> list[str]:
        """The `name` of every entry of a list."""
        return [str(entry["name"]) for entry in self.answers.get(path) or []]

    # -- what is in it -------------------------------------------------------------------------------------

    def _checkpoints(self, models: str) -> list[Checkpoint]:
        if self.portrait and self.flavour != "sdnext":
            folder = f"{models}/Stable-diffusion"
            names = _portrait()["checkpoints"]
            return [Checkpoint(name, f"{folder}/{name}.safetensors", _fake_hash(name)) for name in names]
        if self.portrait:
            return [Checkpoint(name, f"models/{name}", "") for name in _portrait()["sdnext_checkpoints"]]
        known = _recorded(self.flavour)["sha256"]
        return [
            Checkpoint(
                item["model_name"], item["filename"], known.get(item["model_name"], ""), item["config"]
            )
            for item in self.answers["/sdapi/v1/sd-models"]
        ]

    def _vaes(self, models: str) -> dict[str, str]:
        """File name -> path."""
        if self.portrait:
            return {name: f"{models}/VAE/{name}" for name in _portrait()["vaes"] if self.has(name)}
        listed = self.answers.get("/sdapi/v1/sd-vae") or self.answers.get("/sdapi/v1/sd-modules") or []
        return {item["model_name"]: item["filename"] for item in listed}

    def _install(self) -> None:
        vaes = [{"model_name": name, "filename": path} for name, path in self.vaes.items()]
        for path in ("/sdapi/v1/sd-vae", "/sdapi/v1/sd-modules"):
            if path in self.answers:
                self.answers[path] = vaes
        self._install_upscalers()
        self._install_controlnet()
        self._install_detectors()
        self._remove_scripts()
        if self.portrait:
            self.answers["/sdapi/v1/prompt-styles"] = [
                {"name": s["name"], "prompt": s["prompt"], "negative_prompt": s["negative_prompt"]}
                for s in _portrait()["styles"]
            ]

    def _install_upscalers(self) -> None:
        path = "/sdapi/v1/upscalers"
        listed = [entry for entry in self.answers[path] if self.has(entry["name"])]
        if self.portrait:
            template = {"model_name": None, "model_path": None, "model_url": None, "scale": 4.0}
            listed += [{**template, "name": name} for name in _portrait()["upscalers"] if self.has(name)]
            # The WebUI's own order (modelloader.py, load_upscalers): these three, then by name without case.
            first = ["None", "Lanczos", "Nearest"]
            listed.sort(
                key=lambda u: (first.index(u["name"]) if u["name"] in first else 3, u["name"].lower())
            )
        self.answers[path] = listed
        names = self.names(path)
        for argument in self._arguments("ultimate sd upscale"):
            if argument["label"] == "Upscaler":
                argument["choices"] = names

    def _install_controlnet(self) -> None:
        models = self.answers["/controlnet/model_list"]["model_list"]
        if self.portrait:
            head = ["None"] if "None" in models else []
            names = sorted(_portrait()["controlnet_models"], key=str.lower)
            models = head + [f"{name} [{_fake_hash(name)[:8]}]" for name in names if self.has(name)]
        else:
            models = [name for name in models if self.has(name.partition(" [")[0])]
        for path in ("/controlnet/model_list", "/controlnet/model_list?update=false"):
            self.answers[path] = {"model_list": models}
        named = [name for name in models if name != "None"]
        for kind in self.answers["/controlnet/control_types"]["control_types"].values():
            kind["model_list"], kind["default_model"] = _models_of(kind, named)

    def _install_detectors(self) -> None:
        names = (
            _portrait()["detectors"] if self.portrait else self.answers["/adetailer/v1/ad_model"]["ad_model"]
        )
        self.answers["/adetailer/v1/ad_model"] = {"ad_model": [name for name in names if self.has(name)]}

    def _remove_scripts(self) -> None:
        gone = {script for name, scripts in _SCRIPTS_OF.items() if not self.has(name) for script in scripts}
        scripts = self.answers["/sdapi/v1/scripts"]
        self.answers["/sdapi/v1/scripts"] = {
            tab: [name for name in names if name.lower() not in gone] for tab, names in scripts.items()
        }
        path = "/sdapi/v1/script-info"
        self.answers[path] = [info for info in self.answers[path] if info["name"] not in gone]
        extensions = {_EXTENSION_OF[name] for name in _SCRIPTS_OF if not self.has(name)}
        path = "/sdapi/v1/extensions"
        self.answers[path] = [entry for entry in self.answers[path] if entry["name"] not in extensions]

    # -- scripts -------------------------------------------------------------------------------------------

    def _arguments(self, script: str) -> list[dict[str, Any]]:
        return [
            a
            for info in self.answers["/sdapi/v1/script-info"]
            if info["name"] == script
            for a in info["args"]
        ]

    def script_defaults(self, script: str, tab: str) -> list[Any]:
        """The interface's own values of a script's arguments, for what a request leaves out."""
        for info in self.answers["/sdapi/v1/script-info"]:
            if info["name"] == script and info["is_img2img"] == (tab == "img2img"):
                return [copy.deepcopy(argument["value"]) for argument in info["args"]]
        return []

    def is_alwayson(self, script: str) -> bool | None:
        """Whether a script runs always; None when it is unknown to script-info."""
        found = [
            bool(info["is_alwayson"])
            for info in self.answers["/sdapi/v1/script-info"]
            if info["name"] == script
        ]
        return found[0] if found else None


def _models_of(kind: dict[str, Any], names: list[str]) -> tuple[list[str], str]:
    """The models a ControlNet type offers, by the recorded list's rule: a word of the name."""
    recorded = [name for name in kind["model_list"] if name != "None"]
    word = _common_word(recorded)
    keep: Callable[[str], bool] = (
        (lambda _: True) if len(recorded) > 1 else (lambda name: word in name.lower())
    )
    chosen = [name for name in names if recorded and keep(name)]
    default = chosen[0] if chosen and kind["default_model"] != "None" else "None"
    return ["None", *chosen], default


def _common_word(names: list[str]) -> str:
    words = ("openpose", "canny", "tile")
    return next((word for word in words if names and word in names[0].lower()), "\0")
