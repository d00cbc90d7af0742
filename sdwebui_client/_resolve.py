"""Names as people write them -> names as this server needs them, or the problem with them.

The server falls back to something else without a word for most unknown names (docs: silent failures), so
every name is looked up in the server's own list first. Nothing is ever substituted: a near match is only
named.
"""

from __future__ import annotations

import re

from ._loras import LoraTag, lora_tags
from ._near import near
from .capabilities import (
    ADetailerCaps,
    Capabilities,
    CheckpointInfo,
    ControlNetCaps,
    Flavour,
    Problem,
    absent,
    unknown,
)
from .flavours import rules_for

HASHED = re.compile(r"^(?P<name>.*\S)\s*\[(?P<hash>[0-9a-fA-F]{8,64})\]$")
SAME_SCHEDULER = ("Use same scheduler",)
# Weights by the names their authors publish them under.
KNOWN_FILES = {
    "control_v11p_sd15_openpose": "models/ControlNet (control_v11p_sd15_openpose.pth from ControlNet-v1-1)",
    "control_v11f1e_sd15_tile": "models/ControlNet (control_v11f1e_sd15_tile.pth from ControlNet-v1-1)",
    "face_yolov8n.pt": "models/adetailer (face_yolov8n.pt from Bingsu/adetailer)",
    "hand_yolov8n.pt": "models/adetailer (hand_yolov8n.pt from Bingsu/adetailer)",
    "4x-UltraSharp": "models/ESRGAN (4x-UltraSharp.pth)",
}


def sampler(caps: Capabilities, name: str, *, what: str = "sampler") -> str | Problem:
    """Return the sampler's name;
    case and spelling must be the server's (else it draws with DPM++ 2M Karras)."""
    if name in caps.samplers:
        return name
    aliases = [target for alias, target in caps.sampler_aliases if alias.casefold() == name.casefold()]
    if aliases:
        return Problem(what, f'"{name}" is an alias that the API does not accept', tuple(aliases[:1]))
    for _, label in caps.schedulers:
        base = name.removesuffix(f" {label}")
        if base != name and base in caps.samplers:
            fix = f'since 1.9 the scheduler is a field of its own: sampler_name="{base}", scheduler="{label}"'
            return Problem(what, f'"{name}" names two things', (base,), fix)
    return unknown(what, name, caps.samplers)


def scheduler(
    caps: Capabilities, name: str, *, what: str = "scheduler", extra: tuple[str, ...] = ()
) -> str | Problem:
    """Return the scheduler's label, which the infotext shows; name and label are both accepted."""
    if name in extra:
        return name
    for key, label in caps.schedulers:
        if name in (key, label):
            return label
    return unknown(what, name, [label for _, label in caps.schedulers])


def checkpoint(caps: Capabilities, text: str, *, what: str = "checkpoint") -> CheckpointInfo | Problem:
    """Return the checkpoint meant by a title, model name, file name, short hash or SHA-256.

    A full path, another case or part of a name make the server keep the loaded model without a word
    (q03_checkpoint_forms).
    """
    if not text:
        return Problem(what, "an empty name keeps the loaded model", fix="leave the setting out instead")
    for entry in caps.checkpoints:
        forms = {
            entry.title,
            entry.title.partition(" [")[0],
            entry.model_name,
            entry.stem,
            entry.hash,
            entry.sha256,
        }
        if caps.flavour is Flavour.SDNEXT:
            # There a short name is ignored, only the title works (p13h3_short_name).
            forms = {entry.title}
        if text in forms - {None, ""}:
            return entry
        hashed = HASHED.match(text)
        if (
            hashed
            and entry.hash is None
            and hashed["name"] == entry.title
            and caps.flavour is not Flavour.SDNEXT
        ):
            # Not hashed yet, so the title is listed without it; the answer's sd_model_hash will tell.
            return CheckpointInfo(text, entry.model_name, entry.filename, hashed["hash"].lower()[:10], None)
    known = [entry.title for entry in caps.checkpoints]
    fix = "copy the file into models/Stable-diffusion and refresh" if not near(text, known) else ""
    return unknown(what, text.replace("\\", "/").rpartition("/")[2], known, fix=fix)


def upscaler(caps: Capabilities, name: str, *, what: str = "upscaler") -> int | Problem:
    """Return the upscaler's position in this server's own list."""
    if name in caps.upscalers:
        return caps.upscalers.index(name)
    return unknown(what, name, caps.upscalers, fix=_install(name))


def hires_upscaler(caps: Capabilities, name: str) -> str | Problem:
    """Return the name of an upscaler that hires fix knows: the common ones and the latent ones."""
    known = (*caps.latent_upscalers, *caps.upscalers)
    return name if name in known else unknown("hr_upscaler", name, known)


def script(caps: Capabilities, endpoint: str, name: str, *, fix: str = "") -> str | Problem:
    """Return the script's name; the server ignores case but not spaces."""
    names = caps.scripts(endpoint)
    if name.lower() in names and name == name.strip():
        return name
    other = "img2img" if endpoint == "txt2img" else "txt2img"
    if name.lower() in caps.scripts(other):
        return Problem("script", f'"{name}" works in {other} only, not in {endpoint}')
    return unknown(
        "script", name, names, fix=fix or "install the extension that brings it and restart the WebUI"
    )


def controlnet_model(cn: ControlNetCaps, name: str, *, what: str = "ControlNet model") -> str | Problem:
    """Return the model's listed name, "name [hash8]", which every flavour accepts.

    A1111 would find a model by any part of its name, Forge and reForge only by the exact listed text, and
    all of them draw without ControlNet when they do not find it.
    """
    if name in cn.models:
        return name
    if not name or name.casefold() == "none":
        return Problem(what, "no model is named, so ControlNet would do nothing", cn.models[:3])
    hashed = HASHED.match(name)
    if hashed:
        # A wrong hash is never a spelling question: it is another file.
        return unknown(what, name, cn.models)
    wanted = name.casefold()
    for match in (lambda base: base == wanted, lambda base: wanted in base):
        found = [model for model in cn.models if match(_base(model).casefold())]
        if len(found) == 1:
            return found[0]
        if found:
            return Problem(what, f'"{name}" fits {len(found)} models', tuple(found), "name one of them")
    return unknown(what, name, cn.models, fix=_install(name))


def controlnet_module(
    caps: Capabilities, cn: ControlNetCaps, name: str, *, what: str = "ControlNet module"
) -> str | Problem:
    """Return the preprocessor's name in this flavour's spelling ("none" or "None",
    "depth" or "depth_midas" …)."""
    rules = rules_for(caps.flavour)
    if name.casefold() == "none":
        return rules.no_module
    if name in cn.modules:
        return name
    for group in rules.module_synonyms:
        if name in group:
            for candidate in group:
                if candidate in cn.modules:
                    return candidate
    return unknown(what, name, cn.modules)


def adetailer_model(ad: ADetailerCaps, name: str, *, what: str = "ADetailer model") -> str | Problem:
    """Return the detector's name;
    an unknown one leaves the picture unchanged and the infotext lists it all the same."""
    if not name or name.casefold() == "none":
        return Problem(what, "no detector is named, so the unit would do nothing", ad.models[:3])
    if name in ad.models:
        return name
    return unknown(what, name, ad.models, fix=_install(name))


def lora_problem(caps: Capabilities, tag: LoraTag, *, what: str) -> Problem | None:
    """Return why the server would ignore this tag, or None."""
    if tag.flaw:
        return Problem(what, f"{tag.text} would be ignored: {tag.flaw}")
    if tag.name in caps.lora_names():
        return None
    if "Lora" in caps.still_starting:
        return absent(caps, "Lora", fix="")
    return unknown(f"{what} {tag.name}", tag.name, sorted(caps.lora_names()), fix=_lora_fix(caps, tag.name))


def prompt_problems(caps: Capabilities, prompt: str, negative: str, *, where: str = "") -> list[Problem]:
    """Return the LoRA problems of a prompt and its negative prompt.

    Args:
        caps: The server.
        prompt: Positive prompt.
        negative: Negative prompt, where the server ignores every LoRA tag.
        where: Prefix naming whose prompt it is, such as "ADetailer[0] ".
    """
    found = [lora_problem(caps, tag, what=f"{where}lora") for tag in lora_tags(prompt)]
    problems = [problem for problem in found if problem]
    problems += [
        Problem(
            f"{where}lora",
            f"{tag.text} stands in the negative prompt, where it has no effect",
            fix="move it to the prompt",
        )
        for tag in lora_tags(negative)
    ]
    return problems


def _base(listed: str) -> str:
    hashed = HASHED.match(listed)
    return hashed["name"] if hashed else listed


def _install(name: str) -> str:
    where = KNOWN_FILES.get(_base(name))
    return f"put it into {where} and refresh" if where else ""


def _lora_fix(caps: Capabilities, name: str) -> str:
    if not caps.loras:
        return f"copy {name}.safetensors into models/Lora"
    if caps.flavour is Flavour.SDNEXT and any(lora.alias == name for lora in caps.loras):
        return "SD.Next knows a LoRA by its file name only"
    return ""
