"""SD.Next's answers taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from .._expect import Outcome
from .._infotext import html_fields, told
from .._interpret import decode_info, decode_pictures, model_info
from .._prepare import Prepared
from ..errors import ServerError, UnexpectedResponse
from ..types.result import GenerationInfo


def take_apart(prepared: Prepared, answer: Mapping[str, Any]) -> tuple[Outcome, GenerationInfo]:
    """Return the pictures, the maps and what the answer tells.

    Raises:
        ServerError: 200 without a picture: the pipeline failed.
        UnexpectedResponse: Fields are absent or of the wrong type.
    """
    pictures = decode_pictures(answer.get("images"))
    text = answer.get("info")
    if not isinstance(text, str):
        raise UnexpectedResponse(f"the answer's info is {type(text).__name__}, not a text")
    if not pictures and prepared.pictures:
        raise ServerError(
            "SD.Next answered 200 without any picture: the job failed inside its pipeline",
            hint="its log says why; a missing checkpoint or a tile ControlNet are known reasons",
            status=200,
            server_text=_plain(text)[:300],
        )
    if text.lstrip().startswith("<"):
        raw = _from_html(text)
        fields = html_fields(text)
        maps = decode_pictures(answer.get("processed"))
        # The same maps come twice.
        return Outcome(raw, fields, pictures, tuple(dict.fromkeys(maps))), model_info(raw)
    raw = decode_info(text)
    info = model_info(raw)
    start = min(max(info.index_of_first_image, 0), len(pictures))
    count = len(pictures) - start if prepared.pictures is None else prepared.pictures
    end = start + count
    return Outcome(raw, told(raw, start), pictures[start:end], pictures[end:]), info


def _plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", html)).strip()


def _from_html(html: str) -> dict[str, Any]:
    """Return the summary under the names of A1111's `info`."""
    fields = html_fields(html)
    width, _, height = fields.get("Size", "").partition("x")
    seed = _integer(fields.get("Seed"))
    return {
        "seed": seed,
        "all_seeds": [seed] if seed is not None else [],
        "width": _integer(width),
        "height": _integer(height),
        "steps": _integer(fields.get("Steps")),
        "sampler_name": fields.get("Sampler"),
        "sd_model_name": fields.get("Model"),
        "infotexts": [_plain(html)],
        "extra_generation_params": fields,
    }


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None
