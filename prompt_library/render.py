"""Templates and names in, prompt out."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .errors import RenderError, near_matches
from .library import Library, load_library
from .model import Family, LoraUse, Mix, Worded
from .text import escape_text, lora_tag

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_EMPTY_GROUP = re.compile(r"(?<!\\)[(\[]\s*(?::\s*[-+]?[\d.]+\s*)?(?<!\\)[)\]]")
_COMMAS = re.compile(r"\s*,(?:\s*,)*\s*")


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt ready to be sent.

    Attributes:
        positive: The prompt, LoRA tags at its end.
        negative: The negative prompt.
        loras: (name, weight) of each tag, in order.
        left_out: Optional LoRAs that the server lacks and that were therefore not rendered.
    """

    positive: str
    negative: str
    loras: tuple[tuple[str, float], ...] = ()
    left_out: tuple[str, ...] = ()


def render_prompt(
    positive: str | Sequence[str],
    negative: str | Sequence[str] = "",
    *,
    family: Family = "sd15",
    trigger: str = "",
    subject: str = "person",
    outfit: str | None = None,
    backdrop: str | None = None,
    tone: str | None = None,
    pose: str | None = None,
    mix: str | None = None,
    loras: Sequence[tuple[str, float]] = (),
    available_loras: Collection[str] | None = None,
    extra: str = "",
    extra_negative: str = "",
    library: Library | None = None,
) -> RenderedPrompt:
    """Fill templates in.

    `{trigger}`, `{subject}`, `{outfit}`, `{backdrop}`, `{tone}`, `{pose}` and the library's snippets may
    stand in a template. In a negative template `{tone}` and its like stand for the item's negative words;
    where the template does not name them they are added at its end, if the prompt names the item. What is
    empty leaves no stray comma.

    Args:
        positive: Template, or parts that are joined with commas.
        negative: The same for the negative prompt.
        family: Model family; items may have other words for SD 1.5 than for SDXL.
        trigger: Words the person's LoRA was trained on. User text: escaped.
        subject: What the person is called, e.g. "woman". User text: escaped.
        outfit: Name of an outfit; None = nothing for `{outfit}`. Likewise `backdrop`, `tone`, `pose`.
        mix: Name of a LoRA mix whose LoRAs and words are added.
        loras: (name, weight) of further LoRAs, the person's for one; their tags come first.
        available_loras: Names the server has; optional LoRAs of the mix that are not among them are left out
            and reported. None = not known, all are rendered.
        extra: Words a user adds. Escaped.
        extra_negative: Words a user adds to the negative prompt. Escaped.
        library: The library; None = the one that comes with the package.

    Returns:
        The rendered prompt.

    Raises:
        UnknownName: No such outfit, backdrop, tone, pose or mix.
        RenderError: Unknown placeholder, stray brace, a LoRA twice, user text too long.

    Example:
        >>> render_prompt("photo of {trigger}", trigger="ohwx person", loras=[("alice", 0.8)]).positive
        'photo of ohwx person <lora:alice:0.8>'
    """
    library = library or load_library()
    positive, negative = _join(positive), _join(negative)
    items: dict[str, Worded | None] = {
        "outfit": library.outfits[outfit] if outfit else None,
        "backdrop": library.backdrops[backdrop] if backdrop else None,
        "tone": library.tones[tone] if tone else None,
    }
    chosen_mix = library.mixes[mix] if mix else None
    common = {"trigger": escape_text(trigger), "subject": escape_text(subject)}
    common["pose"] = library.poses[pose].prompt if pose else ""
    common |= {
        name: item.text.of(family)
        for shelf in (library.snippets, library.negatives)
        for name, item in shelf.items()
    }
    words = {name: item.prompt.of(family) if item else "" for name, item in items.items()}
    against = {name: item.negative.of(family) if item else "" for name, item in items.items()}

    used, left_out = _mix_loras(chosen_mix, family, available_loras)
    tags = _tags([*loras, *((lora.name, lora.weight) for lora in used)])
    named = placeholders_of(positive)
    unsaid = [against[name] for name in items if name in named and name not in placeholders_of(negative)]
    text = _tidy(
        _fill(positive, common | words),
        *(lora.trigger for lora in used),
        chosen_mix.prompt.of(family) if chosen_mix else "",
        escape_text(extra),
    )
    return RenderedPrompt(
        positive=" ".join(part for part in (text, *(lora_tag(*lora) for lora in tags)) if part),
        negative=_tidy(
            _fill(negative, common | against),
            *unsaid,
            chosen_mix.negative.of(family) if chosen_mix else "",
            escape_text(extra_negative),
        ),
        loras=tags,
        left_out=left_out,
    )


def placeholders_of(template: str) -> tuple[str, ...]:
    """Names in braces, each once, in order."""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(template)))


def check_template(template: str, *, library: Library | None = None) -> None:
    """Raise RenderError when a template names what does not exist or has a stray brace."""
    known = (library or load_library()).placeholders
    for name in placeholders_of(template):
        if name not in known:
            near = near_matches(name, known)
            guess = f"did you mean {{{near[0]}}}?" if near else f"there are {', '.join(known)}"
            raise RenderError(f"unknown placeholder {{{name}}}; {guess}")
    stray = re.search(r"[{}]", _PLACEHOLDER.sub("", template))
    if stray:
        raise RenderError(f"stray {stray.group()!r}: braces only enclose a placeholder such as {{trigger}}")


def _join(parts: str | Sequence[str]) -> str:
    return parts if isinstance(parts, str) else ", ".join(parts)


def _fill(template: str, values: dict[str, str]) -> str:
    """One pass, so that braces in a value are never read as a placeholder."""
    stray = re.search(r"[{}]", _PLACEHOLDER.sub("", template))
    if stray:
        raise RenderError(f"stray {stray.group()!r} in the template: braces only enclose a placeholder")

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            near = near_matches(name, values)
            raise RenderError(
                f"unknown placeholder {{{name}}}" + (f"; did you mean {{{near[0]}}}?" if near else "")
            )
        return values[name]

    return _PLACEHOLDER.sub(value_of, template)


def _tidy(*parts: str) -> str:
    """Parts joined by commas, on one line, without empty groups or doubled commas."""
    text = " ".join(", ".join(part for part in parts if part.strip()).split())
    while (shorter := _EMPTY_GROUP.sub("", text)) != text:
        text = shorter
    return _COMMAS.sub(", ", text).strip(" ,")


def _mix_loras(
    mix: Mix | None, family: Family, available: Collection[str] | None
) -> tuple[list[LoraUse], tuple[str, ...]]:
    """The mix's LoRAs to use, and the optional ones that are not to be had."""
    if mix is None:
        return [], ()
    fitting = mix.for_family(family)
    if not fitting:
        raise RenderError(f"the mix {mix.title.en!r} has no LoRA for {family}")
    used = [lora for lora in fitting if available is None or not lora.optional or lora.name in available]
    return used, tuple(lora.name for lora in fitting if lora not in used)


def _tags(loras: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    seen: set[str] = set()
    for name, _ in loras:
        if name in seen:
            raise RenderError(f"the LoRA {name!r} is asked for twice")
        seen.add(name)
    return tuple((name, float(weight)) for name, weight in loras)
