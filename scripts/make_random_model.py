"""Make a base model of random numbers and the tokenizer beside it, to run the real sd-scripts without a
download.

    SD_SCRIPTS/venv/bin/python scripts/make_random_model.py --sd-scripts SD_SCRIPTS --out models

Run it with the trainer's own Python: torch, transformers, diffusers and the trainer's `library` are taken
from there, so the layout is the one sd-scripts itself writes and reads. `pip install --no-deps
open_clip_torch` into that Python brings the tokenizer's word list (1.3 MiB). What comes out:

    models/random-sd15.safetensors                        about 2 GB, fp16 (SDXL: 7 GB)
    models/tokenizers/openai_clip-vit-large-patch14/      for --tokenizer_cache_dir models/tokenizers

The numbers are drawn from a seed and scaled so that nothing overflows; pictures made with it are noise. It
shows that a training runs, how fast, and in how much memory; it says nothing about likeness.

Without a GPU, torchvision's compiled operators often do not match the CPU build of torch. Install it with
--no-deps and run this with `--write-sitecustomize`: it writes a `sitecustomize.py` beside it that
defines the two operators torchvision's import asks for, `torchvision::nms` and `torchvision::qnms`.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BPE_FILE = "open_clip/bpe_simple_vocab_16e6.txt.gz"
TOKENIZERS = {
    "sd15": ("openai_clip-vit-large-patch14",),
    "sdxl": ("openai_clip-vit-large-patch14", "laion_CLIP-ViT-bigG-14-laion2B-39B-b160k"),
}
"""Folders `--tokenizer_cache_dir` wants: the hub's name with "/" as "_"
(library/strategy_base.py@v0.10.1)."""
MERGES = 49152 - 256 - 2
"""Merges of CLIP's vocabulary: 49,408 tokens = 2 x 256 bytes + the merges + 2 marks."""
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
SITECUSTOMIZE = '''"""Lets torchvision be imported beside a torch that its compiled operators do not match."""

import importlib.abc
import importlib.machinery
import sys

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _BeforeTorchvision(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        import torch

        for operator in ("torchvision::nms", "torchvision::qnms"):
            try:
                torch.library.define(operator, SCHEMA)
            except RuntimeError:
                pass  # the operators were there after all
        return importlib.machinery.PathFinder.find_spec(name, path)


sys.meta_path.insert(0, _BeforeTorchvision())
'''


def byte_letters() -> list[str]:
    """The 256 printable letters CLIP writes bytes with, in the order of its vocabulary."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in set(printable)]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(rest))]


def tokenizer_files(bpe: str) -> dict[str, str]:
    """The files of a transformers CLIPTokenizer, from OpenAI's list of merges.

    Raises:
        SystemExit: The list is too short to be CLIP's.
    """
    merges = bpe.strip().split("\n")[1 : MERGES + 1]
    if len(merges) != MERGES:
        raise SystemExit(f"The word list has {len(merges)} merges instead of {MERGES}: this is not CLIP's.")
    letters = byte_letters()
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["".join(merge.split()) for merge in merges]
    words += [BEGIN, END]
    marks = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END}
    config = {**marks, "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    return {
        "vocab.json": json.dumps({word: index for index, word in enumerate(words)}, ensure_ascii=False),
        "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n",
        "tokenizer_config.json": json.dumps(config, indent=1),
        "special_tokens_map.json": json.dumps(marks, indent=1),
    }


def write_tokenizers(folder: Path, family: str) -> None:
    """Write the tokenizer folder(s) of a family.

    Raises:
        SystemExit: The word list is not installed.
    """
    found = [Path(entry) / BPE_FILE for entry in sys.path if (Path(entry) / BPE_FILE).is_file()]
    if not found:
        raise SystemExit(
            f"{BPE_FILE} is not there. Run: {sys.executable} -m pip install --no-deps open_clip_torch"
        )
    files = tokenizer_files(gzip.decompress(found[0].read_bytes()).decode("utf-8"))
    for name in TOKENIZERS[family]:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / name / file).write_text(text, encoding="utf-8")
        print(f"tokenizer  {folder / name}")


def clip_config(size: str) -> Any:
    """The text encoders as sd-scripts builds them (library/model_util.py, sdxl_model_util.py@v0.10.1)."""
    wide = size == "bigG"
    return importlib.import_module("transformers").CLIPTextConfig(
        vocab_size=49408,
        hidden_size=1280 if wide else 768,
        intermediate_size=5120 if wide else 3072,
        num_hidden_layers=32 if wide else 12,
        num_attention_heads=20 if wide else 12,
        max_position_embeddings=77,
        hidden_act="gelu" if wide else "quick_gelu",
        projection_dim=1280 if wide else 768,
    )


def fill(model: Any, generator: Any) -> Any:
    """Give an empty model numbers that neither vanish nor overflow on their way through it.

    Weights have variance 1 / inputs, norms are 1, biases 0, embeddings as CLIP's (0.02).
    """
    torch = importlib.import_module("torch")
    model = model.to(torch.float16).to_empty(device="cpu")
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim < 2:
                value.fill_(1.0 if name.endswith("weight") else 0.0)
                continue
            spread = 0.02 if "embedding" in name and "time" not in name else value[0].numel() ** -0.5
            numbers = torch.empty(value.shape, dtype=torch.float32).normal_(generator=generator)
            value.copy_(numbers.mul_(spread))
    return model


def parts(family: str, generator: Any) -> Iterator[Any]:
    """The text encoder(s), the VAE and the U-Net, filled."""
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    model_util = importlib.import_module("library.model_util")
    vae = importlib.import_module("diffusers").AutoencoderKL
    sizes = ("vit-l",) if family == "sd15" else ("vit-l", "bigG")
    for size in sizes:
        kind = "CLIPTextModelWithProjection" if size == "bigG" else "CLIPTextModel"
        with torch.device("meta"):
            text_encoder = getattr(transformers, kind)(clip_config(size))
        yield fill(text_encoder, generator)
    with torch.device("meta"):
        empty_vae = vae(**model_util.create_vae_diffusers_config())
        if family == "sd15":
            original = importlib.import_module("library.original_unet")
            unet = original.UNet2DConditionModel(**model_util.create_unet_diffusers_config(False))
        else:
            unet = importlib.import_module("library.sdxl_original_unet").SdxlUNet2DConditionModel()
    yield fill(empty_vae, generator)
    yield fill(unet, generator)


def write_model(path: Path, family: str, seed: int) -> int:
    """Write one file in the layout of the original release; returns how many tensors it holds."""
    torch = importlib.import_module("torch")
    generator = torch.Generator().manual_seed(seed)
    *text_encoders, vae, unet = parts(family, generator)
    note = {"modelspec.title": f"random numbers (seed {seed}) in the shape of {family}, for tests"}
    unfinished = path.with_name(f"{path.stem}.part.safetensors")
    if family == "sd15":
        save = importlib.import_module("library.model_util").save_stable_diffusion_checkpoint
        count = save(False, str(unfinished), text_encoders[0], unet, None, 0, 0, note, torch.float16, vae)
    else:
        save = importlib.import_module("library.sdxl_model_util").save_stable_diffusion_checkpoint
        scale = torch.tensor(4.6, dtype=torch.float16)
        count = save(str(unfinished), *text_encoders, unet, 0, 0, None, vae, scale, note, torch.float16)
    unfinished.replace(path)
    return int(count)


def write_sitecustomize() -> None:
    """Write the file for torchvision, unless there is one already."""
    path = Path(sysconfig.get_paths()["purelib"]) / "sitecustomize.py"
    if path.exists():
        raise SystemExit(
            f"{path} is there already; add the lines of this script's SITECUSTOMIZE to it yourself."
        )
    path.write_text(SITECUSTOMIZE, encoding="utf-8")
    print(f"written    {path}")


def main() -> None:
    """Parse, make, say what was made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sd-scripts", type=Path, required=True, help="a checkout of sd-scripts v0.10.1")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--family", choices=sorted(TOKENIZERS), default="sd15")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizers-only", action="store_true", help="leave the model out")
    parser.add_argument(
        "--write-sitecustomize", action="store_true", help="for torchvision beside a CPU torch"
    )
    arguments = parser.parse_args()
    if arguments.write_sitecustomize:
        write_sitecustomize()
    out = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    write_tokenizers(out / "tokenizers", arguments.family)
    if arguments.tokenizers_only:
        return
    os.chdir(arguments.sd_scripts)
    sys.path.insert(0, str(Path.cwd()))
    path = out / f"random-{arguments.family}.safetensors"
    tensors = write_model(path, arguments.family, arguments.seed)
    print(
        f"model      {path}  ({tensors} tensors of random numbers, fp16, {path.stat().st_size / 1e9:.1f} GB)"
    )


if __name__ == "__main__":
    main()
