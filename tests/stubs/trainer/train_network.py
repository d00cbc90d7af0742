"""Plays sd-scripts v0.10.1. Standard library only; run by the supervisor like the real one.

FAKE_TRAINER is a list of modes, separated by commas:

    step_s=0.05        seconds a step takes (0.01)
    kill_at=3          SIGKILL itself after a step, unless it was resumed
    hold=PATH          waits after the first step until that file is there (a minute at most)
    exit_at=3          exit code 1 with a traceback after a step
    oom                CUDA out of memory at the first step, unless gradient_checkpointing is on
    nan_at=3           the loss is no number from a step on
    stall_at=3         says nothing any more after a step
    quiet              ends with 0 and a file, without "model saved."
    half               the last file is cut short; ends with 0 and "model saved."
    tensors=12         every file lacks so many tensors
    no_term            SIGTERM is ignored
    child              starts a process of its own; its pid goes to OUT/child.pid
    stray              the same, in a session of its own
    end_s=5            seconds between the last state and the last file
    disk_full          the disk is full at the first save
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[2] / "recorded"


def modes() -> dict[str, str]:
    """FAKE_TRAINER, read."""
    parts = [part for part in os.environ.get("FAKE_TRAINER", "").split(",") if part]
    return {part.partition("=")[0]: part.partition("=")[2] or "1" for part in parts}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def bar(text: str) -> None:
    sys.stderr.write(f"\r{text}")
    sys.stderr.flush()


def recorded(name: str) -> tuple[str, str]:
    """stdout and stderr of a real run."""
    with gzip.open(RECORDED / "training_logs.jsonl.gz", "rt", encoding="utf-8") as stream:
        for line in stream:
            run = json.loads(line)
            if run["name"] == name:
                return run["out"], run["err"]
    raise SystemExit(f"{name} was not recorded")


class Fake:
    """One run."""

    def __init__(self, arguments: dict[str, Any], dataset: dict[str, Any], family: str) -> None:
        self.arguments, self.dataset, self.family = arguments, dataset, family
        self.modes = modes()
        self.out = Path(arguments["output_dir"])
        self.steps = int(arguments["max_train_steps"])
        self.accumulation = int(arguments.get("gradient_accumulation_steps", 1))
        self.step = 0

    def run(self) -> int:
        self.disturb()
        images, batches = self.count()
        if not images:
            say("No data found. Please verify arguments (train_data_dir must be the parent of …)")
            return 0
        if not Path(self.arguments["pretrained_model_name_or_path"]).is_file():
            raise ValueError("The provided pretrained_model_name_or_path is neither a valid local path …")
        out, err = recorded("resume2" if "resume" in self.arguments else "state1")
        said = out.partition("running training")[0]
        say(said)
        sys.stderr.write(err.partition("\rsteps:")[0])
        say("running training / 学習開始")
        say(f"  num train images * repeats / 学習画像の数×繰り返し回数: {images}")
        say(f"  num batches per epoch / 1epochのバッチ数: {batches}")
        say(f"  total optimization steps / 学習ステップ数: {self.steps}")
        self.train(batches)
        return self.finish()

    def disturb(self) -> None:
        if "no_term" in self.modes:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if "child" in self.modes or "stray" in self.modes:
            self.out.mkdir(parents=True, exist_ok=True)
            child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"],
                                     start_new_session="stray" in self.modes)  # fmt: skip
            (self.out / "child.part").write_text(str(child.pid))
            (self.out / "child.part").rename(self.out / "child.pid")  # whole, or not there

    def count(self) -> tuple[int, int]:
        """Training pictures times repeats, and batches an epoch."""
        images, others = 0, 0
        for subset in self.dataset["datasets"][0]["subsets"]:
            found = len(list(Path(subset["image_dir"]).glob("*.png"))) * subset["num_repeats"]
            images, others = (images, others + found) if subset.get("is_reg") else (images + found, others)
        batch = self.dataset["datasets"][0]["batch_size"]
        return images, math.ceil((2 * images if others else images) / batch)

    def first_step(self, batches: int) -> tuple[int, int, int]:
        """Steps the bar leaves out, what it counts from, and epochs done: with the real one's mistakes
        (train_network.py@v0.10.1, "initial_step")."""
        state = Path(str(self.arguments.get("resume", "")))
        first = 0
        if "resume" in self.arguments:
            first = int(json.loads((state / "train_state.json").read_text())["current_step"])
        if self.arguments.get("initial_step") is not None:
            first = int(self.arguments["initial_step"])
        assert not first or self.steps > first, "max_train_steps should be greater than initial step"
        if not self.arguments.get("skip_until_initial_step"):
            return 0, 0, 0
        first *= self.accumulation
        epochs = first // math.ceil(batches / self.accumulation)
        first -= epochs * batches
        return first, first, epochs

    def train(self, batches: int) -> None:
        left_out, self.step, epoch = self.first_step(batches)
        total, done = self.steps - left_out, 0
        epochs = math.ceil(self.steps / math.ceil(batches / self.accumulation))
        bar(f"steps:   0%|          | 0/{total} [00:00<?, ?it/s]")
        position = left_out
        while self.step < self.steps and epoch < epochs:
            time.sleep(float(self.modes.get("step_s", 0.01)))
            self.fail_before_step()
            self.step, done, position = self.step + 1, done + 1, position + self.accumulation
            loss = self.loss()
            state = f"{100 * done // total:3d}%|#####     | {done}/{total} [00:01<00:02,  0.50s/it"
            bar(f"steps: {state}]")
            bar(f"steps: {state}, avr_loss={loss}]")
            self.fail_after_step()
            self.save_step()
            if position >= batches:
                epoch, position = epoch + 1, 0
        sys.stderr.write("\n")

    def loss(self) -> str:
        if self.step >= int(self.modes.get("nan_at", 10**9)):
            return "nan"
        return f"{0.1 + 0.1 / self.step:.3g}"

    def fail_before_step(self) -> None:
        if "oom" in self.modes and not self.arguments.get("gradient_checkpointing"):
            raise torch_error(
                "CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 7.79 GiB "
                "of which 181.56 MiB is free."
            )

    def fail_after_step(self) -> None:
        if self.step == 1 and "hold" in self.modes:
            until = time.monotonic() + 60
            while not Path(self.modes["hold"]).exists() and time.monotonic() < until:
                time.sleep(0.05)
        if self.step == int(self.modes.get("kill_at", 0)) and "resume" not in self.arguments:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.step == int(self.modes.get("exit_at", 0)):
            raise RuntimeError("something broke")
        if self.step == int(self.modes.get("stall_at", 0)):
            time.sleep(3600)

    # ---- files

    def save_step(self) -> None:
        every = self.arguments.get("save_every_n_steps")
        if not every or self.step % every:
            return
        name = f"{self.arguments['output_name']}-step{self.step:08d}"
        self.save(self.out / f"{name}.safetensors")
        if self.arguments.get("save_state"):
            self.save_state(self.out / f"{name}-state")
            before = self.step - int(self.arguments.get("save_last_n_steps_state") or 10**9) - 1
            before -= before % every
            if before > 0:
                shutil.rmtree(
                    self.out / f"{self.arguments['output_name']}-step{before:08d}-state", ignore_errors=True
                )

    def finish(self) -> int:
        if self.arguments.get("save_state"):
            say("\nsaving last state.")
            self.save_state(self.out / f"{self.arguments['output_name']}-state")
        time.sleep(float(self.modes.get("end_s", 0)))
        path = self.out / f"{self.arguments['output_name']}.safetensors"
        self.save(path)
        if "half" in self.modes:
            os.truncate(path, path.stat().st_size // 2)
        if "quiet" not in self.modes:
            say("model saved.")
        return 0

    def save(self, path: Path) -> None:
        say(f"\nsaving checkpoint: {path}")
        if "disk_full" in self.modes:
            raise OSError(28, "No space left on device")
        path.parent.mkdir(parents=True, exist_ok=True)
        rank = int(self.arguments["network_dim"])
        write_safetensors(path, self.tensors(rank), self.metadata())

    def tensors(self, rank: int) -> dict[str, list[int]]:
        with gzip.open(RECORDED / "lora_tensors.json.gz", "rt", encoding="utf-8") as stream:
            content = json.load(stream)
        known = int(content["network_dim"])
        found = {}
        for name, shape in content["tensors"][self.family].items():
            text = name.startswith("lora_te")
            if text and self.arguments.get("network_train_unet_only"):
                continue
            if not text and self.arguments.get("network_train_text_encoder_only"):
                continue
            # The rank stands first in lora_down and second in lora_up.
            at = 0 if "lora_down" in name else 1
            found[name] = [rank if axis == at and side == known else side for axis, side in enumerate(shape)]
        names = list(found)[int(self.modes.get("tensors", 0)) :]
        return {name: found[name] for name in names}

    def metadata(self) -> dict[str, str]:
        folder = self.dataset["datasets"][0]["subsets"][0]["image_dir"]
        return {
            "ss_output_name": str(self.arguments["output_name"]),
            "ss_network_dim": str(self.arguments["network_dim"]),
            "ss_network_alpha": str(self.arguments["network_alpha"]),
            "ss_network_module": "networks.lora",
            "ss_base_model_version": "sd_v1" if self.family == "sd15" else "sdxl_base_v1-0",
            "ss_steps": str(self.step),
            "ss_sd_scripts_commit_hash": "ae72efb",
            "ss_tag_frequency": json.dumps({"dataset": {"photo of ohwx person": 9}}),
            "ss_dataset_dirs": json.dumps({folder: {"n_repeats": 1, "img_count": 9}}),
        }

    def save_state(self, folder: Path) -> None:
        say(f"\nsaving state at step {self.step}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train_state.json").write_text(json.dumps({"current_epoch": 1, "current_step": self.step}))
        write_safetensors(folder / "model.safetensors", {"weight": [4]}, {})
        for name in ("optimizer.bin", "scheduler.bin"):
            raw = io.BytesIO()
            with zipfile.ZipFile(raw, "w") as archive:
                archive.writestr("data.pkl", b"")
            (folder / name).write_bytes(raw.getvalue())
        (folder / "random_states_0.pkl").write_bytes(b"random")


def torch_error(text: str) -> Exception:
    """An exception that prints like torch's."""
    error: Exception = type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})(text)
    return error


def write_safetensors(path: Path, tensors: dict[str, list[int]], metadata: dict[str, str]) -> None:
    """In place, like the real one; the numbers are a hole in the file, so it takes no room."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in tensors.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(raw)) + raw)
        stream.truncate(8 + len(raw) + end)


def main(family: str = "sd15") -> int:
    """Read the command line and the two TOML files, then play."""
    parser = argparse.ArgumentParser()
    for flag in ("--config_file", "--dataset_config", "--pretrained_model_name_or_path", "--output_dir",
                 "--output_name", "--tokenizer_cache_dir", "--resume", "--initial_step"):  # fmt: skip
        parser.add_argument(flag)
    for flag in ("--console_log_simple", "--skip_until_initial_step"):
        parser.add_argument(flag, action="store_true")
    given = {key: value for key, value in vars(parser.parse_args()).items() if value}
    config = tomllib.loads(Path(given["config_file"]).read_text(encoding="utf-8"))
    dataset = tomllib.loads(Path(given["dataset_config"]).read_text(encoding="utf-8"))
    return Fake({**config, **given}, dataset, family).run()


if __name__ == "__main__":
    sys.exit(main())
