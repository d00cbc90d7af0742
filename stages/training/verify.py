"""Seeing that a WebUI draws with the very file that was published, and not with another of the same name."""

from __future__ import annotations

from pathlib import Path

from sdwebui_client import CancelToken, EffectMissing, Txt2ImgRequest
from sdwebui_client.infotext import parse_infotext
from train_lora import LoraArtifact

from ..errors import StageError
from ..servers import Probed

_SIDE_PX = 256
_STEPS = 2


def verify_used(probed: Probed, artifact: LoraArtifact, *, cancel: CancelToken) -> str:
    """Draw one tiny picture with the LoRA and read off its hash.

    A1111 and reForge state the hash in the file's metadata, Forge the beginning of the file's own
    (both recorded).

    Args:
        probed: The server.
        artifact: The published LoRA.
        cancel: Ends the job from another thread.

    Returns:
        The evidence, a sentence.

    Raises:
        StageError: The server drew without the LoRA, or with another file of this name.
        WebUIError: It could not draw at all.
        Cancelled: It was cancelled.
    """
    request = Txt2ImgRequest(
        prompt=f"{artifact.trigger or 'photo'} <lora:{artifact.name}:1>",
        steps=_STEPS,
        width=_SIDE_PX,
        height=_SIDE_PX,
        seed=1,
    )
    try:
        result = probed.webui.txt2img(request, cancel=cancel)
    except EffectMissing as error:
        raise StageError(
            f"{probed.url} lists the LoRA {artifact.name}, but drew without it: {error.message}",
            hint="Is it of the loaded checkpoint's family? The WebUI's console says why it skipped it.",
        ) from error
    text = result.info.infotexts[0] if result.info.infotexts else ""
    shown = parse_infotext(text).lora_hashes.get(artifact.name)
    if not shown:
        return "drawn with it; the server does not write LoRA hashes, so the file itself is not confirmed"
    if not any(known.startswith(shown) or shown.startswith(known[:10]) for known in _hashes(artifact)):
        raise StageError(
            f"{probed.url} has another file named {artifact.name}: its pictures show the hash {shown}",
            hint="Look for a file of the same name in the subfolders of its models/Lora, or choose another "
            "name with --name.",
        )
    return f"a picture was drawn with it, and its infotext names the hash {shown}"


def _hashes(artifact: LoraArtifact) -> tuple[str, ...]:
    from train_lora.lora_metadata import webui_hash

    return (webui_hash(Path(artifact.path)), artifact.sha256)
