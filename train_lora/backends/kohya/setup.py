"""Where sd-scripts lies on this machine, and the exact next step for whoever has not got it yet."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainerMissing

VERSION = "v0.10.1"
"""The tag the submodule is pinned to, and the one everything here was checked against."""
SUBMODULE = Path(__file__).parents[2] / "sd-scripts"
SCRIPT = "train_network.py"
_BASE_MODEL = (
    "Give a Stable Diffusion checkpoint (a .safetensors file) to train on: --base-model FILE, or the "
    "variable SDWEBUI_BASE_MODEL."
)


@dataclass(frozen=True, slots=True)
class KohyaSetup:
    """What a training on this machine needs."""

    sd_scripts: Path
    """The checkout's root."""
    python: Path
    """The interpreter sd-scripts' requirements are installed for; never ours."""
    tokenizers: Path | None = None
    """Folder with CLIP's tokenizers (--tokenizer_cache_dir); None = the hub's cache, or the hub."""
    base_model: Path | None = None
    """The checkpoint to train on; None = nobody said, and a training cannot start."""


def find_setup(env: Mapping[str, str], *, base_model: Path | None = None) -> KohyaSetup:
    """Find sd-scripts, its Python, the tokenizers and the base model.

    Args:
        env: SD_SCRIPTS_DIR (else the submodule), SD_SCRIPTS_PYTHON (else venv/ or .venv/ in the checkout),
            SD_SCRIPTS_TOKENIZERS and SDWEBUI_BASE_MODEL.
        base_model: Goes before SDWEBUI_BASE_MODEL.

    Raises:
        TrainerMissing: Something that was named is not there, or sd-scripts is not at all.
    """
    checkout = _checkout(env.get("SD_SCRIPTS_DIR"))
    python = _python(env.get("SD_SCRIPTS_PYTHON"), checkout)
    tokenizers = env.get("SD_SCRIPTS_TOKENIZERS")
    if tokenizers and not Path(tokenizers).expanduser().is_dir():
        raise TrainerMissing(
            f"SD_SCRIPTS_TOKENIZERS names {tokenizers}, which is no folder.",
            "Name the folder that holds openai_clip-vit-large-patch14, or unset it to use the hub.",
        )
    return KohyaSetup(
        sd_scripts=checkout,
        python=python,
        tokenizers=_absolute(tokenizers) if tokenizers else None,
        base_model=_model(base_model, env.get("SDWEBUI_BASE_MODEL")),
    )


def _checkout(named: str | None) -> Path:
    if named:
        folder = _absolute(named)
        if not (folder / SCRIPT).is_file():
            raise TrainerMissing(
                f"SD_SCRIPTS_DIR names {folder}, which is no checkout of sd-scripts: {SCRIPT} is not in it.",
                f"Name the root of a checkout of kohya-ss/sd-scripts {VERSION}, or unset it to use the "
                "submodule.",
            )
        return folder
    if not (SUBMODULE / SCRIPT).is_file():
        raise TrainerMissing("kohya's sd-scripts, which do the training, are not here yet.", first_steps())
    return SUBMODULE


def first_steps(root: Path = SUBMODULE.parents[1]) -> str:
    """What to type to get a trainer, from nothing.

    Args:
        root: Our own checkout; an installed package has none.
    """
    if (root / ".git").exists():
        commands = (
            f"    cd {shlex.quote(str(root))}\n"
            "    git submodule update --init train_lora/sd-scripts\n"
            "    sh scripts/setup_trainer.sh\n"
        )
    else:
        commands = (
            f"    git clone --branch {VERSION} --depth 1 https://github.com/kohya-ss/sd-scripts\n"
            "    python3 -m venv sd-scripts/venv\n"
            "    sd-scripts/venv/bin/python -m pip install torch torchvision -r sd-scripts/requirements.txt\n"
            "    export SD_SCRIPTS_DIR=$PWD/sd-scripts\n"
        )
    return (
        f"Run:\n{commands}{_BASE_MODEL} "
        "If you have a checkout already, name it in SD_SCRIPTS_DIR. To train on another machine: "
        "--trainer ssh://user@gpu/path/to/sd-scripts?base_model=/path/to/model.safetensors"
    )


def no_base_model() -> str:
    """The sentence for a setup without a base model."""
    return f"No base model is given. {_BASE_MODEL}"


def _python(named: str | None, checkout: Path) -> Path:
    if named:
        # Not resolved: a venv's python is a link, and where it lies is what makes it the venv's.
        python = _absolute(named)
        if not os.access(python, os.X_OK) or python.is_dir():
            raise TrainerMissing(
                f"SD_SCRIPTS_PYTHON names {python}, which cannot be run.",
                "Name the file bin/python of the environment sd-scripts' requirements are installed in.",
            )
        return python
    for folder in ("venv", ".venv"):
        if os.access(checkout / folder / "bin" / "python", os.X_OK):
            return checkout / folder / "bin" / "python"
    make = (
        "sh scripts/setup_trainer.sh"
        if checkout == SUBMODULE
        else f"cd {shlex.quote(str(checkout))} && python3 -m venv venv && "
        "venv/bin/python -m pip install torch torchvision -r requirements.txt"
    )
    raise TrainerMissing(
        f"sd-scripts are in {checkout}, but have no Python of their own (venv/bin/python) there yet.",
        f"Run:\n    {make}\nor name another interpreter in SD_SCRIPTS_PYTHON. sd-scripts need older versions "
        "of transformers and diffusers than other programs, so they get an environment to themselves.",
    )


def _model(named: Path | None, from_env: str | None) -> Path | None:
    if named is None and not from_env:
        return None
    where = "--base-model" if named is not None else "SDWEBUI_BASE_MODEL"
    path = _absolute(str(named or from_env))
    if path.is_dir():
        raise TrainerMissing(
            f"{where} names {path}, which is a folder.",
            "Name one checkpoint file in it, such as v1-5-pruned-emaonly.safetensors.",
        )
    if not path.is_file():
        raise TrainerMissing(
            f"{where} names {path}, which is not there.", "Check the path, or mount its disk."
        )
    return path


def _absolute(text: str) -> Path:
    return Path(text).expanduser().absolute()
