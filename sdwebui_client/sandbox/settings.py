"""How a sandbox is set up: which server it plays, what is installed in it, and what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import platformdirs

Flavour: TypeAlias = Literal["a1111", "forge", "reforge", "sdnext"]
Profile: TypeAlias = Literal["portrait", "recorded"]
FaultKind: TypeAlias = Literal["hang", "500", "oom", "truncated", "reset", "html", "restart", "slow"]

FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)
PROFILES: tuple[Profile, ...] = get_args(Profile)
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
EXTENSIONS = ("adetailer", "controlnet", "usdu")
"""What `SandboxSettings.without` takes beside model, upscaler and detector names."""


class SandboxError(Exception):
    """The sandbox cannot be set up or started as asked; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that goes wrong, in the order of the requests that come in."""

    kind: FaultKind
    """`hang`: no progress and no answer for `seconds`; `500`, `oom`: an error of that kind; `truncated`:
    half an answer; `reset`: the connection is reset; `html`: a gateway's page instead of JSON; `restart`: the
    server goes away for `seconds` and loses its queue; `slow`: a step takes `seconds`."""
    count: int = 1
    """How many requests it hits; 0: all of them."""
    after: int = 0
    """How many matching requests pass before it begins."""
    path: str = "generation"
    """`generation` (txt2img, img2img, control), `any`, or the beginning of a path."""
    seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.kind not in FAULT_KINDS:
            raise SandboxError(f"unknown fault {self.kind!r}; known: {', '.join(FAULT_KINDS)}.")
        if self.count < 0 or self.after < 0 or not 0 <= self.seconds <= 3600:
            raise SandboxError(f"fault {self.kind}: count and after are 0 or more, seconds 0..3600.")

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Fault:
        """Read a fault from JSON.

        Raises:
            SandboxError: an unknown key or a value of the wrong kind.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise SandboxError(
                f"unknown key of a fault: {', '.join(unknown)}; known: {', '.join(sorted(known))}."
            )
        try:
            return cls(
                kind=data["kind"],
                count=int(data.get("count", 1)),
                after=int(data.get("after", 0)),
                path=str(data.get("path", "generation")),
                seconds=float(data.get("seconds", 2.0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SandboxError(f"fault {dict(data)}: {error!r}.") from error


def default_models_dir() -> Path:
    """Where the sandbox keeps its models when nothing else was said: the user's data folder."""
    return Path(platformdirs.user_data_dir("sdwebui-client")) / "sandbox" / "models"


@dataclass(frozen=True, kw_only=True, slots=True)
class SandboxSettings:
    """Everything a sandbox can be told before it starts."""

    flavour: Flavour = "a1111"
    """The server it plays."""
    host: str = "127.0.0.1"
    """Address to listen on. It is meant for loopback:
    it has no rate limits and its password is a recorded hole."""
    port: int = 0
    """0: any free one."""
    models_dir: Path = field(default_factory=default_models_dir)
    """LoRAs lie in `Lora/` below it; created when missing."""
    api_auth: str | None = None
    """`user:password[,user:password]`, as the WebUI's --api-auth."""
    seconds_per_step: float = 0.01
    """How long a sampling step takes; only for show."""
    profile: Profile = "portrait"
    """`portrait`: an ordinary portrait set-up;
    `recorded`: the catalogue of the server the recordings were made on."""
    without: frozenset[str] = frozenset()
    """What is not installed: extensions (`adetailer`, `controlnet`, `usdu`), or names of checkpoints,
    ControlNet models, detectors and upscalers."""
    nowebui: bool = False
    """As --nowebui: no page, no /internal routes."""
    server_stop: bool = False
    """As --api-server-stop: the routes that stop, restart and kill the server exist."""
    extensions_after_s: float = 0.0
    """Start-up: the extensions' routes answer 404 for so long (2.6 s recorded on A1111)."""
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.flavour not in FLAVOURS:
            raise SandboxError(f"unknown flavour {self.flavour!r}; known: {', '.join(FLAVOURS)}.")
        if self.profile not in PROFILES:
            raise SandboxError(f"unknown profile {self.profile!r}; known: {', '.join(PROFILES)}.")
        if not 0 <= self.port <= 65535:
            raise SandboxError(f"port {self.port} is not 0..65535.")
        if not 0 <= self.seconds_per_step <= 60:
            raise SandboxError(f"seconds_per_step {self.seconds_per_step} is not 0..60.")
        if self.api_auth is not None and any(":" not in pair for pair in self.api_auth.split(",")):
            raise SandboxError("api_auth is user:password, several separated by commas.")

    @property
    def lora_dir(self) -> Path:
        """Where LoRA files are looked for."""
        return self.models_dir / "Lora"
