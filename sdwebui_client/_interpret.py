"""The server's answer to a generation -> pictures, and what of the request really happened. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ._expect import Outcome
from ._headers import is_whole
from ._infotext import told
from ._prepare import Prepared
from .capabilities import Capabilities, Flavour
from .errors import EffectMissing, ImageError, UnexpectedResponse
from .images import EncodedImage
from .types.result import GenerationInfo, GenerationResult, Verification


def interpret(
    prepared: Prepared,
    answer: Mapping[str, Any],
    caps: Capabilities,
    *,
    task_id: str,
    elapsed_s: float,
) -> GenerationResult:
    """Take an answer apart and look for every effect the request asked for.

    Args:
        prepared: What was sent.
        answer: The decoded JSON of the 200 answer.
        caps: The server's capabilities.
        task_id: Name of the job on the server.
        elapsed_s: Seconds from sending to the answer.

    Returns:
        The pictures, what the server reported, and the evidence for each effect.

    Raises:
        UnexpectedResponse: This is no answer of this route.
        EffectMissing: Something asked for was not applied; the result is attached.
    """
    if caps.flavour is Flavour.SDNEXT:
        from .flavours.sdnext_answers import take_apart as take_apart_sdnext

        outcome, info = take_apart_sdnext(prepared, answer)
    else:
        outcome, info = take_apart(prepared, answer)
    effects = [expectation.verify(outcome) for expectation in prepared.expectations]
    result = GenerationResult(
        images=_final_first(prepared, outcome.pictures),
        info=info,
        request=prepared.payload,
        verified=Verification(tuple(effects)),
        task_id=task_id,
        endpoint=prepared.path,
        elapsed_s=elapsed_s,
        detected_maps=outcome.maps,
    )
    raise_for_missing(result)
    return result


def raise_for_missing(result: GenerationResult) -> None:
    """Raise when an effect is missing.

    Raises:
        EffectMissing: With the result attached.
    """
    missing = result.verified.missing
    if not missing:
        return
    text = "; ".join(f"{effect.name}: {effect.evidence}" for effect in missing)
    hint = "look into the server's log; the result is attached for whoever wants it all the same"
    raise EffectMissing(f"the server answered 200 but did not do it all: {text}", hint=hint, result=result)


def take_apart(prepared: Prepared, answer: Mapping[str, Any]) -> tuple[Outcome, GenerationInfo]:
    """Return the pictures, the maps and what the answer tells.

    Raises:
        UnexpectedResponse: Fields are absent or of the wrong type, or a picture is none.
    """
    raw = decode_info(answer.get("info"))
    info = model_info(raw)
    pictures = decode_pictures(answer.get("images"))
    start = info.index_of_first_image
    if start < 0 or start > len(pictures):
        raise UnexpectedResponse(f"info says the first picture is number {start} of {len(pictures)}")
    # Counted from the front: maps come behind the pictures, on Forge sometimes twice. Interrupted jobs
    # bring fewer pictures than asked for, but never fewer infotexts than pictures.
    count = len(pictures) - start
    if prepared.pictures is not None:
        count = min(count, prepared.pictures)
    if raw.get("infotexts"):
        count = min(count, max(len(raw["infotexts"]) - start, 0))
    outcome = Outcome(raw, told(raw, start), pictures[start : start + count], pictures[start + count :])
    return outcome, info


def decode_info(text: object) -> dict[str, Any]:
    """Return the JSON object inside the `info` string.

    Raises:
        UnexpectedResponse: It is no string, or holds no JSON object.
    """
    if not isinstance(text, str):
        raise UnexpectedResponse(
            f"the answer's info is {type(text).__name__}, not a text", server_text=str(text)[:300]
        )
    try:
        info = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnexpectedResponse(f"the answer's info is no JSON: {error}", server_text=text[:300]) from error
    if not isinstance(info, dict):
        raise UnexpectedResponse(
            f"the answer's info is a {type(info).__name__}, not an object", server_text=text[:300]
        )
    return info


def model_info(raw: dict[str, Any]) -> GenerationInfo:
    """Return the typed `info`.

    Raises:
        UnexpectedResponse: A field we read is of the wrong type.
    """
    # SD.Next leaves fields null that A1111 fills; null says nothing, so the neutral value stands.
    present = {key: value for key, value in raw.items() if value is not None}
    try:
        return GenerationInfo.model_validate(present)
    except ValidationError as error:
        names = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise UnexpectedResponse(f"the answer's info has fields of the wrong type: {names}") from None


def decode_pictures(images: object) -> tuple[EncodedImage, ...]:
    """Return the answer's pictures.

    Raises:
        UnexpectedResponse: The list is absent or holds something that is no picture.
    """
    if images is None:
        return ()
    if not isinstance(images, list):
        raise UnexpectedResponse(f"the answer's images are {type(images).__name__}, not a list")
    found = []
    for number, text in enumerate(images):
        if not isinstance(text, str | memoryview):
            raise UnexpectedResponse(f"picture {number} of the answer is {type(text).__name__}, not base64")
        try:
            picture = EncodedImage.from_base64(text)
        except ImageError as error:
            raise UnexpectedResponse(
                f"picture {number} of the answer is no picture: {error.message}"
            ) from error
        if not is_whole(picture.data):
            raise UnexpectedResponse(
                f"picture {number} of the answer is cut off after {len(picture.data)} bytes",
                hint="the disk or the memory of the server may be full; look into its console",
            )
        found.append(picture)
    return tuple(found)


def _final_first(prepared: Prepared, pictures: tuple[EncodedImage, ...]) -> tuple[EncodedImage, ...]:
    final = prepared.final
    if final is None or final >= len(pictures):
        return pictures
    return (pictures[final], *pictures[:final], *pictures[final + 1 :])
