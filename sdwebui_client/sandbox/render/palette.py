"""What the words of a prompt ask for: tone, clothes, backdrop. A handful of words, no understanding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .ops import Colour, hex_colour, mixed

Garment: TypeAlias = Literal["suit", "shirt", "crew", "turtleneck", "hanbok"]
BackdropKind: TypeAlias = Literal["studio", "bokeh", "plain"]

COLOURS: dict[str, Colour] = {
    word: hex_colour(code)
    for word, code in {
        "navy": "#171e30", "blue": "#35588f", "teal": "#1f5f66", "cyan": "#3d8fa3", "green": "#3c5f49",
        "olive": "#5d5f3a", "emerald": "#1d5c49", "red": "#8f2f33", "burgundy": "#5a2330",
        "maroon": "#5a2330",
        "wine": "#5a2330", "pink": "#c98d97", "purple": "#553f73", "violet": "#5d4a80",
        "lavender": "#a79bc0", "lilac": "#b3a2c9",
        "yellow": "#c9a84c", "mustard": "#a98033", "gold": "#b08d4a", "golden": "#b08d4a",
        "orange": "#b8683a",
        "brown": "#5f4636", "camel": "#a98559", "tan": "#b0916d", "beige": "#c9b79c", "cream": "#e2d8c4",
        "ivory": "#e8e0d0", "white": "#d9d9d8", "black": "#26272b", "charcoal": "#3a3c41", "gray": "#85888c",
        "grey": "#85888c", "silver": "#b5b8bc", "khaki": "#93875f", "peach": "#d6a98a", "coral": "#c9705f",
    }.items()
}  # fmt: skip
BACKDROP_NOUNS = (
    "background", "backdrop", "wall", "studio", "seamless", "office", "outdoor", "outdoors", "park",
    "garden", "forest",
    "city", "street", "bokeh", "library", "window", "beach", "sunset", "lobby", "cafe",
)  # fmt: skip
BOKEH_SCENES: dict[str, tuple[str, str]] = {
    "office": ("#5c6672", "#d8d3c4"), "lobby": ("#5c6672", "#e0c9a0"), "library": ("#4d3c30", "#c99a5b"),
    "cafe": ("#4d3a2f", "#e0a860"), "outdoor": ("#50684f", "#d9dfa8"), "outdoors": ("#50684f", "#d9dfa8"),
    "park": ("#4a6848", "#dfe3a5"), "garden": ("#4f6e4a", "#e5dfb0"), "forest": ("#3b5540", "#b9cf92"),
    "city": ("#3c4452", "#e8b878"), "street": ("#454b56", "#e8c090"), "beach": ("#8aa5b5", "#f0e2c2"),
    "sunset": ("#8a5a4a", "#f5b56a"), "window": ("#8b929a", "#eef0f0"), "bokeh": ("#434852", "#e6c08a"),
}  # fmt: skip
GARMENT_NOUNS: dict[str, Garment] = {
    "suit": "suit", "jacket": "suit", "blazer": "suit", "tuxedo": "suit", "coat": "suit", "tie": "suit",
    "shirt": "shirt", "blouse": "shirt", "polo": "shirt", "uniform": "shirt",
    "turtleneck": "turtleneck", "rollneck": "turtleneck", "hanbok": "hanbok",
    "sweater": "crew", "knit": "crew", "knitwear": "crew", "pullover": "crew", "cardigan": "crew",
    "t-shirt": "crew",
    "tee": "crew", "jumper": "crew", "dress": "crew", "hoodie": "crew", "top": "crew",
}  # fmt: skip
GARMENT_DEFAULTS: dict[Garment, Colour] = {
    "suit": hex_colour("#2b3442"),
    "shirt": hex_colour("#dfe3e8"),
    "crew": hex_colour("#4a5560"),
    "turtleneck": hex_colour("#2e3034"),
    "hanbok": hex_colour("#d3abb4"),
}
COOL_WORDS = ("cool", "cold", "blue", "icy", "winter", "steel", "bluish", "teal", "moonlight")
WARM_WORDS = ("warm", "golden", "amber", "sunset", "candlelight", "cozy", "autumn", "tungsten", "orange")
TONE_NOUNS = (
    "tone", "tones", "toned", "light", "lighting", "grade", "grading", "colour", "colours", "color",
    "colors", "mood",
    "temperature", "palette", "hour", "lit", "atmosphere", "white balance", "cast", "tint", "highlights",
    "shadows",
)  # fmt: skip
ALWAYS_TONE = ("cool", "cold", "icy", "bluish", "warm", "amber", "cozy", "candlelight", "tungsten")
"""Words that name a temperature whatever stands beside them."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is to look like."""

    warmth: float
    """-1 cold and blue .. 0 neutral .. 1 warm and golden."""
    garment: Garment
    garment_colour: Colour
    shirt_colour: Colour
    tie_colour: Colour | None
    backdrop: BackdropKind
    backdrop_colour: Colour
    lights_colour: Colour
    """Out-of-focus lights of a bokeh backdrop."""
    monochrome: bool
    female: bool | None
    """What the words say about a person nobody trained; None when they say nothing."""


def read_look(prompt: str) -> Look:
    """Work out the look from a prompt; LoRA tags and weights are passed over."""
    text = re.sub(r"<[^>]*>", " ", prompt.lower())
    chunks = [chunk.split() for chunk in re.split(r"[,.;|\n]", re.sub(r"[()\[\]{}]|:\d+(\.\d+)?", " ", text))]
    garment, garment_colour, shirt, tie = _clothes(chunks)
    kind, backdrop, lights = _backdrop(chunks)
    words = {word for chunk in chunks for word in chunk}
    return Look(
        warmth=_warmth(chunks),
        garment=garment,
        garment_colour=garment_colour,
        shirt_colour=shirt,
        tie_colour=tie,
        backdrop=kind,
        backdrop_colour=backdrop,
        lights_colour=lights,
        monochrome=bool(words & {"monochrome", "grayscale", "greyscale"}) or "black and white" in text,
        female=_female(words),
    )


def _female(words: set[str]) -> bool | None:
    if words & {"woman", "female", "lady", "girl", "she", "her", "actress", "businesswoman"}:
        return True
    return False if words & {"man", "male", "gentleman", "boy", "he", "his", "actor", "businessman"} else None


def _warmth(chunks: list[list[str]]) -> float:
    score = 0.0
    for chunk in chunks:
        if any(word in GARMENT_NOUNS or word in BACKDROP_NOUNS for word in chunk):
            continue
        about_light = any(word in TONE_NOUNS for word in chunk)
        for word in chunk:
            if not about_light and word not in ALWAYS_TONE:
                continue
            score += (word in WARM_WORDS) - (word in COOL_WORDS)
    return max(-1.0, min(1.0, score * 0.75))


def _colour_before(chunk: list[str], position: int) -> Colour | None:
    """Return the colour word nearest before a noun, made lighter or darker by the word before it."""
    for index in range(position - 1, max(position - 5, -1), -1):
        word = chunk[index].replace("-coloured", "").replace("-colored", "")
        base = word.rsplit("-", 1)[-1]
        if base not in COLOURS:
            continue
        shade = chunk[index - 1] if index and "-" not in word else word.split("-", 1)[0]
        if shade in COLOURS:  # "charcoal gray", "navy blue": the first word says which
            return COLOURS[shade]
        return _shaded(COLOURS[base], shade)
    return None


def _shaded(colour: Colour, word: str) -> Colour:
    if word in ("muted", "dusty", "grayish", "greyish"):
        return mixed(colour, COLOURS["gray"], 0.5)
    if word in ("light", "pale", "soft", "bright", "pastel"):
        return 1 - (1 - colour[0]) * 0.55, 1 - (1 - colour[1]) * 0.55, 1 - (1 - colour[2]) * 0.55
    if word in ("dark", "deep", "midnight"):
        return colour[0] * 0.6, colour[1] * 0.6, colour[2] * 0.6
    return colour


def _clothes(chunks: list[list[str]]) -> tuple[Garment, Colour, Colour, Colour | None]:
    garment: Garment | None = None
    colour: Colour | None = None
    shirt, tie = COLOURS["white"], None
    for chunk in chunks:
        for position, word in enumerate(chunk):
            found = GARMENT_NOUNS.get(word)
            if found is None or (word == "dress" and "shirt" in chunk[position:]):
                continue
            named = _colour_before(chunk, position)
            if word == "tie":
                tie = named or COLOURS["burgundy"]
            elif found == "shirt" and garment == "suit":
                shirt = named or shirt
                continue
            if garment is None or (found == "suit" and garment != "suit"):
                if garment == "shirt" and colour is not None:
                    shirt = colour
                garment, colour = found, None if word == "tie" else named
            elif found == garment and word != "tie":
                colour = colour or named
    garment = garment or "crew"
    return garment, colour or GARMENT_DEFAULTS[garment], shirt, tie


def _backdrop(chunks: list[list[str]]) -> tuple[BackdropKind, Colour, Colour]:
    colour: Colour | None = None
    scene: str | None = None
    plain = False
    for chunk in chunks:
        for position, word in enumerate(chunk):
            if word not in BACKDROP_NOUNS:
                continue
            colour = colour or _colour_before(chunk, position)
            scene = scene or (word if word in BOKEH_SCENES else None)
            plain = plain or "plain" in chunk or "seamless" in chunk
    if scene is not None:
        dark, light = BOKEH_SCENES[scene]
        return "bokeh", colour or hex_colour(dark), hex_colour(light)
    return ("plain" if plain else "studio"), colour or hex_colour("#70757b"), COLOURS["cream"]
