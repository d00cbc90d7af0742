"""A recipe as sd-scripts' command line. Pure: nothing is read, written or started here.

Paths are plain strings: they may be those of another machine. Settings go into train.toml, paths onto the
command line (it overrides the file).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...errors import RecipeError
from ...recipe import TrainRecipe
from .layout import DatasetLayout
from .precision import Device, Precision, problems
from .train_config import dataset_config, join_path, to_toml, train_config

__all__ = ["DatasetLayout", "KohyaPaths", "Resume", "TrainCommand", "build_command"]

SCRIPTS = MappingProxyType({"sd15": "train_network.py", "sdxl": "sdxl_train_network.py"})
"""Family -> the script, in the checkout's root."""
STATE_FILES = frozenset({"train_state.json", "model.safetensors", "optimizer.bin", "scheduler.bin"})
"""What a saved state must hold to be resumed from."""
UNSET = (
    *("TQDM_ASCII", "TQDM_DISABLE", "TQDM_MININTERVAL", "TQDM_NCOLS", "TQDM_BAR_FORMAT", "COLUMNS"),
    *("PYTHONHOME", "PYTHONPATH", "PYTHONOPTIMIZE"),
    *("SDWEBUI_SECRET", "SDWEBUI_DATABASE_URL", "SDWEBUI_JOBS_DATABASE_URL", "SDWEBUI_METRICS_TOKEN"),
    *("SDWEBUI_SMTP_PASSWORD", "SDWEBUI_URL", "SDWEBUI_AUTH", "SDWEBUI_PASSWORD", "PGPASSWORD"),
)
"""Variables the trainer must not inherit: TQDM_ASCII crashes it, the next ones hide its progress (a bar is
cut off at COLUMNS, and the loss stands at its end), three lead it to another Python's packages or drop its
assertions. The last are secrets of whoever started us: somebody else's program with a hundred packages has no
use for them."""


@dataclass(frozen=True, slots=True)
class KohyaPaths:
    """Where things are on the machine that trains."""

    python: str
    """sd-scripts' own interpreter."""
    script_dir: str
    """The checkout's root."""
    base_model: str
    """A .safetensors or .ckpt file."""
    dataset_dir: str
    job_dir: str
    """Files of this training; results go to `out` in it."""
    tokenizers: str | None = None
    """Folder with CLIP's tokenizers for a machine without a network; None = sd-scripts fetches them."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to go on."""

    state_dir: str
    """A folder NAME-step00000200-state."""
    step: int
    """Optimizer steps it has behind it, from 1."""


@dataclass(frozen=True, slots=True)
class TrainCommand:
    """Everything needed to start a training."""

    argv: tuple[str, ...]
    """Interpreter, script, flags."""
    cwd: str
    env: Mapping[str, str]
    """Variables to set, beside those already there."""
    files: Mapping[str, str]
    """Name inside the job folder -> text to write there first."""
    output_dir: str
    output_name: str
    steps: int
    """Optimizer steps of the whole training, resumed or not."""
    unset: tuple[str, ...] = UNSET
    """Variables to take away."""


def build_command(
    recipe: TrainRecipe,
    layout: DatasetLayout,
    paths: KohyaPaths,
    *,
    precision: Precision,
    device: Device,
    resume: Resume | None = None,
) -> TrainCommand:
    """Write the command line and the TOML files of one training.

    Args:
        recipe: What is to be trained.
        layout: The dataset's counts and sizes.
        paths: Where things are on the machine that trains.
        precision: From `choose_precision`.
        device: What to train on.
        resume: An earlier state; the remaining steps are trained.

    Raises:
        RecipeError: The settings cannot go together, or nothing is left to train.

    Example:
        >>> paths = KohyaPaths("python", "/sd-scripts", "/m.safetensors", "/photos", "/job")
        >>> layout = DatasetLayout(10, 0, frozenset({(512, 512)}))
        >>> command = build_command(recipe, layout, paths, precision="bf16", device="cuda")  # doctest: +SKIP
        >>> command.argv[1]  # doctest: +SKIP
        '/sd-scripts/train_network.py'
    """
    wrong = problems(recipe, precision=precision, device=device)
    if wrong:
        raise RecipeError("These settings cannot be trained with: " + " ".join(wrong))
    output_dir = join_path(paths.job_dir, "out")
    files = {
        "dataset.toml": to_toml(dataset_config(recipe, layout, paths.dataset_dir)),
        "train.toml": to_toml(train_config(recipe, layout, precision)),
    }
    flags = {
        "--config_file": join_path(paths.job_dir, "train.toml"),
        "--dataset_config": join_path(paths.job_dir, "dataset.toml"),
        "--pretrained_model_name_or_path": paths.base_model,
        "--output_dir": output_dir,
        "--output_name": recipe.name,
    }
    if paths.tokenizers is not None:
        flags["--tokenizer_cache_dir"] = paths.tokenizers
    steps = layout.steps(recipe)
    argv = [paths.python, join_path(paths.script_dir, SCRIPTS[recipe.family])]
    argv += [part for flag in flags.items() for part in flag]
    argv += ["--console_log_simple", *(_resume_flags(resume, recipe, steps) if resume else ())]
    return TrainCommand(
        argv=tuple(argv),
        cwd=paths.script_dir,
        env=MappingProxyType(_environment(paths, device)),
        files=MappingProxyType(files),
        output_dir=output_dir,
        output_name=recipe.name,
        steps=steps,
    )


def _resume_flags(resume: Resume, recipe: TrainRecipe, steps: int) -> list[str]:
    if not 0 < resume.step < steps:
        raise RecipeError(
            f"The saved state has {resume.step} of {steps} steps behind it: there is nothing to go on with.",
            "Raise steps, or begin anew.",
        )
    # sd-scripts multiplies this by the accumulation and then counts steps from it (train_network.py@v0.10.1,
    # "initial_step *= args.gradient_accumulation_steps" … "global_step = initial_step"); what is in the
    # state would be multiplied too, and the training would end too early.
    first = resume.step // recipe.gradient_accumulation_steps
    flags = ["--resume", resume.state_dir, "--initial_step", str(first)]
    return [*flags, "--skip_until_initial_step"] if first else flags


def _environment(paths: KohyaPaths, device: Device) -> dict[str, str]:
    env = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    if paths.tokenizers is not None:
        env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if device == "cpu":
        env |= {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    return env
