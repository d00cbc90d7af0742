"""Text for pictures: prompts, poses, tones, outfits, backdrops and LoRA mixes as data;
rendering, linting, skeletons.

No network and no pixels but the pose skeletons.

    from prompt_library import load_library, render_prompt, render_skeleton
    library = load_library()
    prompt = render_prompt("{studio_look}, photo of {trigger}", trigger="ohwx person", loras=[("alice", 0.8)])
    png = render_skeleton(library.poses["front"], 512, 768)
"""

from __future__ import annotations

from .errors import LibraryError, PromptError, RenderError, UnknownName, near_matches
from .library import Library, load_library
from .lint import Finding, lint, lint_user_text
from .model import (
    KEYPOINTS,
    Backdrop,
    Family,
    Grade,
    LoraUse,
    Mix,
    Outfit,
    Pose,
    Shelf,
    Snippet,
    Titles,
    Tone,
)
from .render import RenderedPrompt, check_template, placeholders_of, render_prompt
from .skeleton import COLOURS, LIMBS, draw_skeleton, place, render_skeleton
from .text import escape_text, lora_tag
from .tokens import CHUNK_TOKENS, estimate_tokens

__all__ = [
    "CHUNK_TOKENS",
    "COLOURS",
    "KEYPOINTS",
    "LIMBS",
    "Backdrop",
    "Family",
    "Finding",
    "Grade",
    "Library",
    "LibraryError",
    "LoraUse",
    "Mix",
    "Outfit",
    "Pose",
    "PromptError",
    "RenderError",
    "RenderedPrompt",
    "Shelf",
    "Snippet",
    "Titles",
    "Tone",
    "UnknownName",
    "check_template",
    "draw_skeleton",
    "escape_text",
    "estimate_tokens",
    "lint",
    "lint_user_text",
    "load_library",
    "lora_tag",
    "near_matches",
    "place",
    "placeholders_of",
    "render_prompt",
    "render_skeleton",
]
