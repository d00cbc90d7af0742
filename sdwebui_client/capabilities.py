"""What one live server can do, as a frozen record, and what is missing from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from ._near import did_you_mean, near
from .errors import CapabilityMissing

if TYPE_CHECKING:
    from .needs import Needs


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


class _Portable:
    """Lets a record with read-only mappings be pickled and copied, which a mappingproxy refuses."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        values = {item.name: getattr(self, item.name) for item in fields(cast(Any, self))}
        plain = {
            name: dict(value) if isinstance(value, MappingProxyType) else value
            for name, value in values.items()
        }
        frozen = frozenset(name for name, value in values.items() if isinstance(value, MappingProxyType))
        return _rebuild, (type(self), plain, frozen)


def _rebuild(kind: Callable[..., Any], values: dict[str, Any], frozen: frozenset[str]) -> Any:
    return kind(**{name: MappingProxyType(v) if name in frozen else v for name, v in values.items()})


class Flavour(StrEnum):
    """Which WebUI answers."""

    A1111 = "a1111"
    FORGE = "forge"
    REFORGE = "reforge"
    SDNEXT = "sdnext"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a request or a preset needs and this server lacks.

    Example:
        >>> print(Problem("sampler", '"euler A" is not there', ("Euler a",), "ask for one that is"))
        sampler: "euler A" is not there; did you mean "Euler a"? ask for one that is
    """

    what: str
    """Which kind of thing: "sampler", "lora", "ControlNet[0] model", "width" …"""
    detail: str
    """What is wrong with it."""
    near: tuple[str, ...] = ()
    """Names there are that resemble it, best first."""
    fix: str = ""
    """What to install, rename or change."""

    def __str__(self) -> str:
        text = f"{self.what}: {self.detail}"
        if hint := did_you_mean(self.near):
            text += f"; {hint}"
        if self.fix:
            text += f" {self.fix}" if self.near else f"; {self.fix}"
        return text


def unknown(what: str, name: str, known: Iterable[str], *, fix: str = "") -> Problem:
    """Return the problem of a name that is not among those `known`."""
    names = tuple(known)
    detail = f'"{name}" is not there' if names else f'"{name}" is not there, nor any other'
    return Problem(what, detail, near(name, names), fix)


def refuse(problems: Iterable[Problem], *, doing: str) -> None:
    """Raise for the problems, all of them at once; nothing happens when there are none.

    Args:
        problems: What is missing.
        doing: What was about to be done, as in "txt2img".

    Raises:
        CapabilityMissing: At least one problem; its `problems` holds them.
    """
    found = tuple(problems)
    if not found:
        return
    if len(found) == 1:
        message = f"{doing} was not sent: {found[0]}"
    else:
        message = f"{doing} was not sent, {len(found)} things are missing:\n" + "\n".join(
            f"  - {p}" for p in found
        )
    hints = [p.fix or did_you_mean(p.near) for p in found]
    raise CapabilityMissing(message, hint="; ".join(dict.fromkeys(h for h in hints if h)), problems=found)


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """One base model on the server."""

    title: str
    """File name, with "[hash]" once the server has hashed it."""
    model_name: str
    """File name without its ending; what `info.sd_model_name` reports."""
    filename: str = ""
    """Path on the server."""
    hash: str | None = None
    """First 10 hex digits of the SHA-256; None until the server has loaded the file once."""
    sha256: str | None = None
    """The whole SHA-256; None as above."""

    @property
    def stem(self) -> str:
        """File name without folder and ending."""
        base = self.filename.replace("\\", "/").rpartition("/")[2] or self.model_name
        return base.rpartition(".")[0] if base.endswith((".safetensors", ".ckpt", ".gguf")) else base


@dataclass(frozen=True, slots=True)
class LoraInfo(_Portable):
    """One LoRA file on the server."""

    name: str
    """File name without its ending."""
    alias: str = ""
    """`ss_output_name` of its metadata; works as a name too, except on SD.Next."""
    path: str = ""
    """Path on the server."""
    metadata: Mapping[str, Any] = field(default_factory=_nothing, compare=False, hash=False)
    """The file's metadata as the trainer wrote it."""


@dataclass(frozen=True, slots=True)
class ControlNetCaps:
    """The server's ControlNet."""

    models: tuple[str, ...]
    """As listed, "name [hash8]"; the entry "None" is left out."""
    modules: tuple[str, ...]
    """Preprocessors by every name the server accepts."""
    max_units: int
    """Units that run at once; further ones are dropped silently."""
    version: str = ""
    """API version; empty where the server does not tell (Forge, reForge)."""


@dataclass(frozen=True, slots=True)
class ADetailerCaps:
    """The server's ADetailer, or SD.Next's built-in detailer."""

    version: str
    """Such as "25.3.0"; empty for SD.Next."""
    models: tuple[str, ...]
    """Detectors on the server."""
    fields: frozenset[str]
    """Fields of a unit by the server's own schema;
    a key that is not among them makes it drop the unit silently."""
    max_units: int
    """Units that run; further ones are dropped silently."""


@dataclass(frozen=True, slots=True)
class Capabilities(_Portable):
    """What a server can do, read by `probe` from its own lists. Catalogues are a snapshot: probe again
    after adding files."""

    flavour: Flavour
    version: str = ""
    """As `info.version` reports it ("v1.10.1"); empty when the server does not tell without drawing."""
    sandbox: bool = False
    """True for the built-in stand-in."""
    still_starting: tuple[str, ...] = ()
    """Parts that are installed but do not answer yet; probe again a few seconds later."""
    routes: frozenset[str] = frozenset()
    """Paths of its OpenAPI document; empty when it is switched off."""
    scripts_txt2img: tuple[str, ...] = ()
    """Script names for txt2img, lower case."""
    scripts_img2img: tuple[str, ...] = ()
    """Script names for img2img, lower case."""
    alwayson: frozenset[str] = frozenset()
    """Scripts that script-info marks as always on (units), lower case; not those without arguments."""
    selectable: frozenset[str] = frozenset()
    """Scripts that script-info marks as selectable, lower case."""
    samplers: tuple[str, ...] = ()
    sampler_aliases: tuple[tuple[str, str], ...] = ()
    """(alias, sampler): aliases such as "k_euler_a" silently draw with another sampler,
    so they only serve as hints."""
    schedulers: tuple[tuple[str, str], ...] = ()
    """(name, label): both are accepted, the infotext shows the label."""
    upscalers: tuple[str, ...] = ()
    """In the server's order: Ultimate SD Upscale takes the position."""
    latent_upscalers: tuple[str, ...] = ()
    """Further upscalers that only hires fix knows."""
    checkpoints: tuple[CheckpointInfo, ...] = ()
    loaded_checkpoint: str | None = None
    """Title of the one in use as the options show it; None when the server does not tell."""
    vaes: tuple[str, ...] = ()
    """For `override_settings["sd_vae"]`; Forge has none."""
    modules: tuple[str, ...] = ()
    """Forge's VAEs and text encoders, for `override_settings["forge_additional_modules"]`."""
    loras: tuple[LoraInfo, ...] = ()
    embeddings: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    controlnet: ControlNetCaps | None = None
    adetailer: ADetailerCaps | None = None
    extensions: tuple[tuple[str, str], ...] = ()
    """(name, version) of the extensions that are switched on."""
    options: Mapping[str, Any] = field(default_factory=_nothing, compare=False, hash=False)
    """The settings that change how a request is written or read;
    the rest may hold secrets and is not kept."""
    option_keys: frozenset[str] = frozenset()
    """Every setting there is; an unknown one in override_settings fails with 500."""
    txt2img_fields: frozenset[str] = frozenset()
    """Fields of a txt2img request by the OpenAPI document; the server ignores others silently. Empty = not
    known."""
    img2img_fields: frozenset[str] = frozenset()
    """Likewise for img2img."""
    has_task_ids: bool = False
    """Whether jobs can be told apart (force_task_id, /internal/progress, /internal/pending-tasks)."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what changes how a picture comes out besides the request:
        flavour, version, extension versions.

        Catalogues are left out: a LoRA more on the server does not change a finished picture.
        """
        ad = self.adetailer.version if self.adetailer else "-"
        cn = self.controlnet.version if self.controlnet else "-"
        parts = [self.flavour, self.version, f"adetailer={ad}", f"controlnet={cn}", f"sandbox={self.sandbox}"]
        parts += [f"{name}={version}" for name, version in sorted(self.extensions)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def scripts(self, endpoint: str) -> tuple[str, ...]:
        """Return the script names of "txt2img" or "img2img"."""
        return self.scripts_txt2img if endpoint == "txt2img" else self.scripts_img2img

    def fields(self, endpoint: str) -> frozenset[str]:
        """Return the request fields of "txt2img" or "img2img"; empty when the server does not tell."""
        return self.txt2img_fields if endpoint == "txt2img" else self.img2img_fields

    def lora_names(self) -> frozenset[str]:
        """Return every name that a `<lora:…>` tag may use on this server."""
        names = {lora.name for lora in self.loras}
        if self.flavour is not Flavour.SDNEXT:
            names |= {lora.alias for lora in self.loras if lora.alias and lora.alias.lower() != "none"}
        return frozenset(names)

    def missing(self, needs: Needs) -> list[Problem]:
        """Return what of `needs` this server lacks, each with its near matches and what to do."""
        from .needs import check_needs

        return check_needs(self, needs)


def absent(caps: Capabilities, part: str, *, fix: str) -> Problem:
    """Return the problem of an extension that the server lacks, or whose routes do not answer yet.

    Args:
        caps: The server.
        part: "ControlNet", "ADetailer" or "Lora".
        fix: What to install when it is really not there.
    """
    if part in caps.still_starting:
        again = "try again in some seconds; when it stays so, look into the server's log"
        return Problem(part, "does not answer yet: the server is still starting", fix=again)
    return Problem(part, "the server does not have it", fix=fix)
