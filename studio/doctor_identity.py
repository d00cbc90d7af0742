"""Which IP-Adapters a WebUI has, for portraits without a training."""

from __future__ import annotations

from sdwebui_client import Capabilities, Problem
from sdwebui_client.units.ip_adapter import find_ip_adapter, listed_ip_adapters
from stages.identity import choose_ip_adapter

from .doctor import Check

NAME = "IP-Adapters"
FACE_ID = (
    "FaceID models, and the package insightface they need on the server, are for non-commercial research "
    "only. Whether insightface is installed there shows when one is used."
)


def check_ip_adapters(group: str, caps: Capabilities) -> Check:
    """Look which there are and which would be taken. None is no fault: a LoRA of the person needs none.

    Args:
        group: The group of checks it belongs to.
        caps: What the WebUI said.
    """
    chosen = {family: choose_ip_adapter(caps, family) for family in ("sd15", "sdxl")}
    usable = [
        f"{choice.model} ({family})" for family, choice in chosen.items() if not isinstance(choice, Problem)
    ]
    problem = chosen["sd15"]
    if not usable and isinstance(problem, Problem):
        advice = f"Only --identity ip_adapter needs one: {problem.fix}."
        return Check(group, NAME, "note", f"none that can be used: {problem.detail}", advice)
    listed = listed_ip_adapters(caps)
    detail = f"{len(listed)}: {', '.join(listed)}; would be taken: {', '.join(usable)}"
    known = [find_ip_adapter(model) for model in listed]
    if any(adapter is not None and adapter.face_id for adapter in known):
        return Check(group, NAME, "note", detail, FACE_ID)
    return Check(group, NAME, "ok", detail)
