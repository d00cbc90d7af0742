"""What the tests of a training's parts share: small LoRA files, and a trainer that does as it is told."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train_lora import Checkpoint, Dataset, TrainError, TrainingRun, TrainProgress, TrainRecipe, read_artifact

MACHINE: dict[str, Any] = {"host": "here", "torch": "2.6.0", "gpus": [{"name": "NVIDIA Test"}]}


def lora_file(path: Path, *, fill: int = 1, **metadata: str) -> Path:
    """A sound LoRA of one tensor."""
    header: dict[str, Any] = {
        "lora_a.lora_up.weight": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}
    }
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes([fill]) * 64)
    return path


def checkpoint(folder: Path, step: int) -> Checkpoint:
    """A checkpoint whose file depends on its step."""
    return Checkpoint(step, read_artifact(lora_file(folder / f"a-step{step}.safetensors", fill=step % 251)))


@dataclass
class Trainer:
    """A trainer backend without a trainer."""

    reports: Callable[[TrainRecipe], list[TrainProgress]] = lambda recipe: []
    fails: bool = False
    sandbox: bool = False
    facts: Mapping[str, Any] | None = field(default_factory=lambda: dict(MACHINE))
    lighter: Mapping[str, Any] | None = None
    trained: list[TrainRecipe] = field(default_factory=list)
    name: str = "sd-scripts"
    version: str = "v0.10.1"

    base: str = "ab"
    lacks: tuple[str, ...] = ()

    def identity(self) -> Mapping[str, str]:
        return {"name": "base", "sha256": self.base, "family": "sd15"}

    def machine(self) -> Mapping[str, Any] | None:
        return self.facts

    def check(self, recipe: TrainRecipe) -> list[str]:
        return list(self.lacks)

    def train(
        self,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        *,
        on_progress: Any = None,
        cancel: Any = None,
    ) -> TrainingRun:
        self.trained.append(recipe)
        out_dir.mkdir(parents=True, exist_ok=True)
        (out_dir / "left behind").touch()
        for report in self.reports(recipe):
            on_progress(report)
        if self.fails:
            raise TrainError("no memory")
        steps = recipe.steps or 1
        every = recipe.save_every_n_steps or steps
        due = range(every, steps, every)
        found = tuple(checkpoint(out_dir, step) for step in (*due, steps))
        return TrainingRun(found, steps, seconds={"preparing": 4.0}, lighter=self.lighter)
