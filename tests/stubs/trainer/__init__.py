"""A checkout of sd-scripts that is none: it trains nothing, and says and writes what the real one does.

`train_network.py` here begins with what the real one was recorded to say, counts steps the way the real one
counts them (also where it miscounts), writes LoRA files with all the tensors, states, and fails the way
`FAKE_TRAINER` says. See there for the modes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parent
SCRIPTS = ("train_network.py", "sdxl_train_network.py")


def fake_python(folder: Path, *, packages: Mapping[str, str] | None = None) -> Path:
    """An interpreter for the fake trainer, with the packages that the real one wants as empty shells.

    Args:
        folder: Where to make it.
        packages: Package -> version instead of, or besides, the pinned ones; "" leaves one out.
    """
    site = folder / "site"
    for package, version in {**PINNED, **(packages or {})}.items():
        if not version:
            continue
        module = site / MODULES.get(package, package.replace("-", "_"))
        module.mkdir(parents=True, exist_ok=True)
        (module / "__init__.py").touch()
        about = site / f"{package.replace('-', '_')}-{version}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        if package == "torch":
            cuda = "'12.8'" if "+cu" in version else "None"
            (module / "version.py").write_text(
                f"__version__ = '{version}'\ncuda: str | None = {cuda}\nhip: str | None = None\n"
            )
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    # -S: the packages of the Python that runs the tests are none of the trainer's.
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    return python


PINNED = {
    "torch": "2.6.0", "torchvision": "0.21.0", "accelerate": "1.6.0", "transformers": "4.54.1",
    "diffusers": "0.32.1", "safetensors": "0.4.5", "huggingface-hub": "0.34.3", "opencv-python": "4.10.0.84",
    "toml": "0.10.2", "voluptuous": "0.15.2", "einops": "0.7.0", "ftfy": "6.3.1", "imagesize": "1.4.1",
    "rich": "14.1.0",
}  # fmt: skip
MODULES = {"opencv-python": "cv2"}


def fake_base_model(path: Path, family: str = "sd15") -> Path:
    """A base model's header with hardly anything behind it: enough to be recognised by."""
    import json
    import struct

    shapes = {
        "sd15": {
            "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": [49408, 768],
            "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 768],
            "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
            "first_stage_model.decoder.conv_in.weight": [512, 4, 3, 3],
        },
        "sdxl": {
            "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": [49408, 768],
            "conditioner.embedders.1.model.token_embedding.weight": [49408, 1280],
            "conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc.weight": [5120, 1280],
            "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [640, 2048],
            "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
            "model.diffusion_model.label_emb.0.0.weight": [1280, 2816],
            "first_stage_model.decoder.conv_in.weight": [512, 4, 3, 3],
        },
    }[family]
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2
        for axis in shape:
            size *= axis
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(raw)) + raw)
        stream.truncate(8 + len(raw) + end)  # a hole: takes no room
    return path


def fake_environment(folder: Path) -> dict[str, str]:
    """The variables `find_setup` reads, for a whole fake installation in a folder."""
    (folder / "tokenizers" / "openai_clip-vit-large-patch14").mkdir(parents=True)
    (folder / "tokenizers" / "laion_CLIP-ViT-bigG-14-laion2B-39B-b160k").mkdir()
    return {
        "SD_SCRIPTS_DIR": str(CHECKOUT),
        "SD_SCRIPTS_PYTHON": str(fake_python(folder)),
        "SD_SCRIPTS_TOKENIZERS": str(folder / "tokenizers"),
        "SDWEBUI_BASE_MODEL": str(fake_base_model(folder / "base.safetensors")),
    }
