"""The notes a LoRA file carries: strip what is personal, say what others need.

sd-scripts writes about 70 of them; captions, folders and the person's name are among them. Only the notes are
rewritten, the tensors stay byte for byte, so the hash A1111 shows stays the same too.
(Layout: huggingface/safetensors, README, "Format".)
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from .artifact import read_header
from .errors import ArtifactError

_CHUNK = 1 << 20
_HASH = "sshs_model_hash"
_HASH_DIGITS = 12
_MODEL_NAME = "ss_sd_model_name"

TECHNICAL = frozenset(
    f"ss_{name}"
    for name in (
        # What it is, and for which model; A1111 tells the family by ss_v2 and ss_base_model_version.
        *("v2", "base_model_version", "network_module", "network_dim", "network_alpha", "network_dropout"),
        *("network_args", "sd_model_hash", "new_sd_model_hash", "sd_scripts_commit_hash", "clip_skip"),
        *("max_token_length", "sd_model_name", "resolution", "num_train_images", "num_reg_images"),
        # How it was trained.
        *("learning_rate", "unet_lr", "text_encoder_lr", "optimizer", "lr_scheduler", "lr_warmup_steps"),
        *("max_train_steps", "steps", "epoch", "num_epochs", "num_batches_per_epoch", "seed"),
        *(
            "gradient_accumulation_steps",
            "gradient_checkpointing",
            "mixed_precision",
            "full_fp16",
            "fp8_base",
        ),
        *("cache_latents", "max_grad_norm", "noise_offset", "min_snr_gamma", "scale_weight_norms"),
        *("prior_loss_weight", "loss_type", "zero_terminal_snr", "caption_dropout_rate"),
    )
)
"""sd-scripts' notes that say nothing of anybody (train_network.py@v0.10.1, "metadata = {"). All others go:
captions (ss_tag_frequency), folders (ss_dataset_dirs, ss_datasets), names (ss_output_name, modelspec.title),
comments, times and session ids, and whatever a later version adds."""
MODELSPEC = frozenset(
    f"modelspec.{name}"
    for name in ("sai_model_spec", "architecture", "implementation", "resolution", "prediction_type")
)
OURS = frozenset({"ss_trigger", "ss_trainer", "ss_photos", "ss_dataset_sha256", "ss_chosen_weight"})
"""What this package writes; the photos stand there as marks that say nothing about them."""


def rewrite_metadata(src: Path, dst: Path, *, add: Mapping[str, str], keep_personal: bool) -> None:
    """Copy a LoRA with other notes. The copy is whole or not there.

    Args:
        src: A .safetensors file.
        dst: Where to; may be `src` itself.
        add: Notes of ours; they win over the file's.
        keep_personal: Leave the file's own notes as they are, captions included.

    Raises:
        ArtifactError: `src` is damaged or missing.
        OSError: `dst` cannot be written.
    """
    src, dst = Path(src), Path(dst)
    metadata, tensors = read_header(src)
    if not keep_personal:
        metadata = _technical(metadata)
    # What it states may be about another file; the old "legacy" hash is over bytes of the header, so it goes.
    metadata.pop("sshs_legacy_hash", None)
    metadata = {**metadata, **add, _HASH: body_sha256(src)}
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items())), **tensors}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    handle, temporary = tempfile.mkstemp(prefix=f".{dst.name}.", suffix=".part", dir=dst.parent)
    try:
        with os.fdopen(handle, "wb") as out, src.open("rb") as stream:
            out.write(struct.pack("<Q", len(text)) + text)
            _to_body(stream, src)
            while chunk := stream.read(_CHUNK):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).chmod(0o644)  # mkstemp gives 0600; a WebUI may run as somebody else
        Path(temporary).replace(dst)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def webui_hash(path: Path) -> str:
    """The 12 hexadecimal digits A1111 shows for the file in "Lora hashes".

    A1111 1.10.1 (extensions-builtin/Lora/network.py, NetworkOnDisk) takes `sshs_model_hash` from the file's
    notes, else the SHA-256 of what follows the header. Forge shows the file's own SHA-256 (recorded).

    Raises:
        ArtifactError: Damaged, missing or no safetensors file.
    """
    metadata, _ = read_header(Path(path))
    return (metadata.get(_HASH) or body_sha256(Path(path)))[:_HASH_DIGITS]


def body_sha256(path: Path) -> str:
    """SHA-256 of a safetensors file's tensors, without the header.

    Raises:
        ArtifactError: Not such a file.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        _to_body(stream, path)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _technical(metadata: Mapping[str, str]) -> dict[str, str]:
    kept = {
        key: value
        for key, value in metadata.items()
        if key in TECHNICAL | MODELSPEC | OURS or key.startswith("sandbox")
    }
    if _MODEL_NAME in kept:
        kept[_MODEL_NAME] = re.split(r"[/\\]", kept[_MODEL_NAME])[-1]
    resolution = _resolution(metadata.get("ss_datasets", ""))
    return {"ss_resolution": resolution, **kept} if resolution else kept


def _resolution(datasets: str) -> str:
    """Side of the training pictures; with a dataset.toml, sd-scripts writes it beside the captions only."""
    try:
        sides = {side for dataset in json.loads(datasets) for side in dataset["resolution"]}
    except (ValueError, KeyError, TypeError):
        return ""
    return str(sides.pop()) if len(sides) == 1 else ""


def _to_body(stream: IO[bytes], path: Path) -> None:
    head = stream.read(8)
    if len(head) != 8:
        raise ArtifactError(f"{path.name} is not a safetensors file.", "Copy or train it again.")
    stream.seek(8 + struct.unpack("<Q", head)[0])
