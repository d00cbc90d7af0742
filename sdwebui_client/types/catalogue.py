"""What a server has: checkpoints, samplers, LoRAs and the rest of its lists."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ._base import Response


class Checkpoint(Response):
    """One entry of sd-models."""

    title: str
    """Name with extension and, once computed, hash: "model.safetensors [b78270a9b6]"."""
    model_name: str
    """File stem."""
    hash: str | None = None
    """First ten digits of `sha256`; None until the server computed it."""
    sha256: str | None = None
    """64 hex digits; None until the server computed it."""
    filename: str | None = None
    """Path on the server."""
    config: str | None = None
    """Path of its configuration on the server."""


class Vae(Response):
    """One entry of sd-vae (A1111, reForge) or sd-modules (Forge)."""

    model_name: str
    """File name."""
    filename: str
    """Path on the server."""


class Sampler(Response):
    """One entry of samplers."""

    name: str
    """The name to send."""
    aliases: list[str] = Field(default_factory=list)
    """Older names; sending one silently draws with another sampler."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The sampler's own settings."""


class Scheduler(Response):
    """One entry of schedulers."""

    name: str
    """Short name ("karras")."""
    label: str
    """Name as shown ("Karras")."""
    aliases: list[str] | None = None
    """Older names."""


class Upscaler(Response):
    """One entry of upscalers; its position is what Ultimate SD Upscale is told."""

    name: str
    """The name to send."""
    model_name: str | None = None
    """Name inside its model file."""
    model_path: str | None = None
    """Path on the server, or where it would be downloaded from."""
    scale: float | None = None
    """Factor it was made for."""


class LatentUpscaleMode(Response):
    """One entry of latent-upscale-modes."""

    name: str
    """The name to send as `hr_upscaler`."""


class Lora(Response):
    """One entry of loras."""

    name: str
    """File stem: works in a prompt."""
    alias: str | None = None
    """`ss_output_name` of the file: works in a prompt too."""
    path: str | None = None
    """Path on the server."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """What the trainer wrote into the file."""


class Embeddings(Response):
    """Textual inversions by name. SD.Next sends plain lists of names."""

    loaded: dict[str, Any] | list[Any] = Field(default_factory=dict)
    """Those that fit the loaded checkpoint."""
    skipped: dict[str, Any] | list[Any] = Field(default_factory=dict)
    """Those that do not."""


class Hypernetwork(Response):
    """One entry of hypernetworks."""

    name: str
    """The name to send."""
    path: str | None = None
    """Path on the server."""


class FaceRestorer(Response):
    """One entry of face-restorers."""

    name: str
    """Name; listed whether or not its model is there."""
    cmd_dir: str | None = None
    """Folder on the server."""


class RealesrganModel(Response):
    """One entry of realesrgan-models."""

    name: str
    """Name as upscaler."""
    path: str | None = None
    """Path on the server, or where it would be downloaded from."""
    scale: int | None = None
    """Factor it was made for."""


class PromptStyle(Response):
    """One entry of prompt-styles."""

    name: str
    """The name to send in `styles`."""
    prompt: str | None = None
    """Text added to the prompt."""
    negative_prompt: str | None = None
    """Text added to the negative prompt."""


class Scripts(Response):
    """Names of the installed scripts, lower case."""

    txt2img: list[str] = Field(default_factory=list)
    """For txt2img."""
    img2img: list[str] = Field(default_factory=list)
    """For img2img."""


class ScriptArgument(Response):
    """One positional argument of a script, as its page shows it."""

    label: str | None = None
    """Label on the page."""
    value: Any = None
    """Neutral value."""
    minimum: float | None = None
    """Lowest value of a slider."""
    maximum: float | None = None
    """Highest value of a slider."""
    step: float | None = None
    """Step of a slider."""
    choices: list[Any] | None = None
    """Labels of a choice; what must be sent may be their index."""


class ScriptInfo(Response):
    """One entry of script-info."""

    name: str
    """Script name, lower case."""
    is_alwayson: bool
    """Whether it goes into `alwayson_scripts`."""
    is_img2img: bool
    """Which of the two lists it belongs to."""
    args: list[ScriptArgument] = Field(default_factory=list)
    """Its positional arguments."""


class Extension(Response):
    """One entry of extensions."""

    name: str
    """Folder name."""
    remote: str | None = None
    """Where it comes from."""
    branch: str | None = None
    """Branch checked out."""
    commit_hash: str | None = None
    """Commit checked out."""
    version: str | None = None
    """Its version text."""
    enabled: bool = True
    """Whether it is switched on."""
