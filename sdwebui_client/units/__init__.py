"""Always-on units and selectable scripts.
Each renders its own arguments and verifies from the answer that it ran.

A further one costs a file here; `AlwaysOnScript` serves those without.
"""

from __future__ import annotations

from .adetailer import ADetailer
from .base import Context, Unit
from .controlnet import ControlNet
from .generic import AlwaysOnScript
from .ultimate_upscale import Script, UltimateSDUpscale

__all__ = ["ADetailer", "AlwaysOnScript", "Context", "ControlNet", "Script", "UltimateSDUpscale", "Unit"]
