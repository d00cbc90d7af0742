"""Draws what the sandbox answers with: portraits from the reference face a sandbox LoRA carries.

No diffusion happens here. A portrait is composed from the person's reference photo, placed by the OpenPose
skeleton, on a drawn backdrop in drawn clothes; each picture says SANDBOX. The same `Scene` gives the same
bytes every time.
"""

from __future__ import annotations

from .lora import NotASandboxLora, SandboxLora, SandboxLoraError, load_sandbox_lora
from .picture import preview, render
from .scene import ActiveLora, Control, Detailer, Picture, RenderError, Scene

__all__ = [
    "ActiveLora",
    "Control",
    "Detailer",
    "NotASandboxLora",
    "Picture",
    "RenderError",
    "SandboxLora",
    "SandboxLoraError",
    "Scene",
    "load_sandbox_lora",
    "preview",
    "render",
]
