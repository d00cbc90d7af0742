"""A typed client of the Stable Diffusion WebUI's REST API.

AUTOMATIC1111, Forge, reForge and, through an adapter, SD.Next.

Example:
    >>> from sdwebui_client import WebUI, ADetailer, ControlNet
    >>> with WebUI("http://gpu:7860") as webui:  # doctest: +SKIP
    ...     result = webui.txt2img(prompt="studio portrait", units=[ADetailer.face()])
    ...     result.images[0].save("portrait.png")

Names are imported when they are first used, so `import sdwebui_client` costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .capabilities import Capabilities, Flavour, Problem
    from .client import WebUI
    from .errors import (
        AnswerLost,
        AuthError,
        Cancelled,
        CapabilityMissing,
        ConnectFailed,
        EffectMissing,
        ImageError,
        InvalidRequest,
        NotFound,
        OutOfMemory,
        ServerError,
        StatusError,
        Timeout,
        TransportError,
        UnexpectedResponse,
        ValidationRejected,
        WebUIError,
    )
    from .images import EncodedImage
    from .infotext import Infotext, parse_infotext
    from .needs import Needs, check_needs
    from .pool import WebUIPool
    from .progress import CancelToken, Progress
    from .timeouts import Timeouts
    from .types import (
        Effect,
        GenerationInfo,
        GenerationResult,
        Img2ImgRequest,
        Txt2ImgRequest,
        Verification,
    )
    from .units import ADetailer, AlwaysOnScript, ControlNet, Script, UltimateSDUpscale, Unit

_HOME = {
    ".capabilities": ("Capabilities", "Flavour", "Problem"),
    ".client": ("WebUI",),
    ".errors": (
        "AnswerLost",
        "AuthError",
        "Cancelled",
        "CapabilityMissing",
        "ConnectFailed",
        "EffectMissing",
        "ImageError",
        "InvalidRequest",
        "NotFound",
        "OutOfMemory",
        "ServerError",
        "StatusError",
        "Timeout",
        "TransportError",
        "UnexpectedResponse",
        "ValidationRejected",
        "WebUIError",
    ),
    ".images": ("EncodedImage",),
    ".infotext": ("Infotext", "parse_infotext"),
    ".needs": ("Needs", "check_needs"),
    ".pool": ("WebUIPool",),
    ".progress": ("CancelToken", "Progress"),
    ".timeouts": ("Timeouts",),
    ".types": (
        "Effect",
        "GenerationInfo",
        "GenerationResult",
        "Img2ImgRequest",
        "Txt2ImgRequest",
        "Verification",
    ),
    ".units": ("ADetailer", "AlwaysOnScript", "ControlNet", "Script", "UltimateSDUpscale", "Unit"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "ADetailer",
    "AlwaysOnScript",
    "AnswerLost",
    "AuthError",
    "CancelToken",
    "Cancelled",
    "Capabilities",
    "CapabilityMissing",
    "ConnectFailed",
    "ControlNet",
    "Effect",
    "EffectMissing",
    "EncodedImage",
    "Flavour",
    "GenerationInfo",
    "GenerationResult",
    "ImageError",
    "Img2ImgRequest",
    "Infotext",
    "InvalidRequest",
    "Needs",
    "NotFound",
    "OutOfMemory",
    "Problem",
    "Progress",
    "Script",
    "ServerError",
    "StatusError",
    "Timeout",
    "Timeouts",
    "TransportError",
    "Txt2ImgRequest",
    "UltimateSDUpscale",
    "UnexpectedResponse",
    "Unit",
    "ValidationRejected",
    "Verification",
    "WebUI",
    "WebUIError",
    "WebUIPool",
    "check_needs",
    "parse_infotext",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
