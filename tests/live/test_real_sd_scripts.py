"""The real sd-scripts, from photos to a LoRA; killed in the middle, and gone on with.

    SD_SCRIPTS_DIR=… SDWEBUI_BASE_MODEL=… python -m pytest tests/live/test_real_sd_scripts.py -m live

SD_SCRIPTS_PYTHON and SD_SCRIPTS_TOKENIZERS as `find_setup` reads them. A few steps at 128 px: minutes on a
CPU, 6 GB of memory. `scripts/make_random_model.py` makes a base model and tokenizers without a download.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.train_lora.kohya_jobs import lives, status_of, wait_for
from train_lora import Dataset, TrainRecipe, build_dataset, load_photos, make_recipe
from train_lora.artifact import read_header
from train_lora.backends.kohya import KohyaTrainer, find_setup
from train_lora.backends.kohya.supervisor import processes
from train_lora.progress import TrainProgress

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "examples" / "photos"
TENSORS = 792
MINUTES = 60.0

pytestmark = [
    pytest.mark.live,
    pytest.mark.long,
    pytest.mark.skipif(
        not (os.environ.get("SD_SCRIPTS_DIR") and os.environ.get("SDWEBUI_BASE_MODEL")),
        reason="SD_SCRIPTS_DIR and SDWEBUI_BASE_MODEL name no trainer",
    ),
]


def recipe() -> TrainRecipe:
    """As small as it can be and still have something to go on from."""
    return make_recipe(
        name="alice", steps=6, save_every_n_steps=2, resolution=128, network_dim=8, network_alpha=4.0, seed=1
    )


def dataset(folder: Path) -> Dataset:
    """The same however often it is called."""
    return build_dataset(load_photos(PHOTOS), folder / "dataset", trigger=recipe().trigger, size=128)


def train_and_tell(folder: Path) -> None:
    """Train in this process and print a line a report; what the test kills."""

    def tell(progress: TrainProgress) -> None:
        sys.stdout.write(json.dumps([progress.phase, progress.step, progress.message]) + "\n")
        sys.stdout.flush()

    KohyaTrainer(find_setup(os.environ)).train(dataset(folder), recipe(), folder / "train", on_progress=tell)


def test_from_photos_to_a_lora_with_a_kill_in_the_middle(tmp_path: Path) -> None:
    trainer = KohyaTrainer(find_setup(os.environ))
    assert trainer.check(recipe()) == []
    job = tmp_path / "train" / ".job"
    code = f"import pathlib, {__name__} as test; test.train_and_tell(pathlib.Path({str(tmp_path)!r}))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        # Past the second step's state, so that the fourth has not been saved yet, or only just.
        for line in client.stdout:
            phase, step, _ = json.loads(line)
            if phase == "training" and step >= 3:
                break
        status = status_of(job)
        assert status["state"] == "running"
        family = [pid for pid, stat in processes().items() if stat[2] == status["supervisor_pid"]]
        assert status["pid"] in family
        client.kill()
        since = time.monotonic()
        wait_for(lambda: not any(lives(pid) for pid in family))
    assert time.monotonic() - since < 5.0
    assert (job / "out" / "alice-step00000002-state").is_dir()

    seen: list[TrainProgress] = []
    run = trainer.train(dataset(tmp_path), recipe(), tmp_path / "train", on_progress=seen.append)
    assert run.resumed_from in (2, 4)
    assert run.steps == 6
    assert [checkpoint.step for checkpoint in run.checkpoints] == [2, 4, 6]
    for checkpoint in run.checkpoints:
        metadata, tensors = read_header(checkpoint.artifact.path)
        assert len(tensors) == TENSORS
        assert metadata["ss_steps"] == str(checkpoint.step)
        assert "ss_dataset_dirs" not in metadata
    trained = {
        progress.step for progress in seen if progress.phase == "training" and progress.seconds_per_step
    }
    assert trained == set(range(run.resumed_from + 1, 7))
    assert [step for step, _ in run.losses] == [1, 2, 3, 4, 5, 6]
    assert not job.exists()
    assert run.seconds["training"] > 0
    assert not any(str(tmp_path) in part for part in run.command)
