"""Measures what training costs with our presets, sd-scripts' plain defaults and EasyPhoto's settings.

    SD_SCRIPTS_DIR=… SDWEBUI_BASE_MODEL=random-sd15.safetensors \\
        python scripts/bench_training.py [--steps 8] [--resolution 128] [--rounds 2]
            [--write docs/benchmarks.md]

Real runs of sd-scripts on ten made-up pictures; the weights may be random (scripts/make_random_model.py):
they make no difference to the time. All contenders train at the same resolution on the same machine, in
turns, so that a noisy moment hits all of them. The seconds to a finished LoRA are extrapolated from the steps
each contender would take for ten photos.

On a GPU the clock is read. On a CPU it is the CPU time of all its processes, spread over the cores: what it
would be if nothing else were running there, and what others do disturbs it least.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import platform
import selectors
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from stages.presets import load_training_preset  # noqa: E402
from train_lora.backends.kohya.command import (  # noqa: E402
    DatasetLayout,
    KohyaPaths,
    TrainCommand,
    build_command,
)
from train_lora.backends.kohya.log import LogParser, PhaseBegan, Stepped  # noqa: E402
from train_lora.backends.kohya.precision import Precision  # noqa: E402
from train_lora.backends.kohya.setup import KohyaSetup, find_setup  # noqa: E402
from train_lora.recipe import TrainRecipe, make_recipe  # noqa: E402

PHOTOS, HELD_OUT = 10, 2
CORES = os.cpu_count() or 1
BEGIN, END = "<!-- training: made by scripts/bench_training.py -->", "<!-- end of training -->"


@dataclass(frozen=True)
class Contender:
    """One way of training."""

    title: str
    recipe: TrainRecipe
    precision: tuple[Precision, Precision]
    """On a CPU, on a GPU."""
    photos: int
    """Photos of ten it trains on."""
    extra: tuple[str, ...] = ()
    """Flags behind ours; the last one given counts."""
    main: bool = True
    """False for what only shows what one setting costs."""


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    step_s: float
    """Seconds an optimizer step, without the first; the median."""
    prepare_s: float
    """Seconds from the start to the first step: loading, and encoding the pictures."""
    end_s: float
    """Seconds from the last step to the end: the file."""
    wall_step_s: float
    """Seconds an optimizer step by the clock."""
    peak_mib: float
    """Memory of all its processes together, shared pages counted once."""
    gpu_mib: float | None
    """GPU memory; None without one."""


# --- the contenders -----------------------------------------------------------------------------------------


def contenders(resolution: int) -> dict[str, Contender]:
    """Everything that is compared, at one resolution."""
    fast, best = (_preset(name, resolution) for name in ("sd15-fast", "sd15-best"))
    unet_only = replace(
        fast, title="sd15-fast, U-Net only", recipe=_changed(fast.recipe, text_encoder_lr=0.0), main=False
    )
    lighter = replace(
        best, title="sd15-best, second try (`lighter`)", recipe=best.recipe.lightened(), main=False
    )
    no_cache = replace(
        best,
        title="sd15-best, latents not cached",
        recipe=_changed(best.recipe, cache_latents="off"),
        main=False,
    )
    return {
        "fast": fast,
        "best": best,
        "defaults": _defaults(resolution),
        "easyphoto": _easyphoto(resolution),
        "unet-only": unet_only,
        "lighter": lighter,
        "no-cache": no_cache,
    }


def _preset(name: str, resolution: int) -> Contender:
    preset = load_training_preset(name)
    values = preset.train.model_dump(mode="json", exclude={"preset", "trigger"})
    recipe = make_recipe(**{**values, "name": "bench", "family": preset.family, "resolution": resolution})
    return Contender(name, recipe, ("no", "bf16"), PHOTOS - HELD_OUT)


def _changed(recipe: TrainRecipe, **values: Any) -> TrainRecipe:
    return make_recipe(**{**recipe.model_dump(mode="json"), **values})


def _defaults(resolution: int) -> Contender:
    """sd-scripts with nothing but what it insists on: the defaults of its own argument tables."""
    recipe = make_recipe(
        name="bench", steps=1600, resolution=resolution, network_dim=4, network_alpha=1.0,
        unet_lr=2e-6, text_encoder_lr=2e-6, min_snr_gamma=None, noise_offset=None, attention="none",
        cache_latents="off", save_every_n_steps=None,
    )  # fmt: skip
    # Ours would be 0.
    return Contender(
        "sd-scripts' defaults", recipe, ("no", "no"), PHOTOS, ("--max_data_loader_n_workers", "8")
    )


def _easyphoto(resolution: int) -> Contender:
    """EasyPhoto's settings (scripts/easyphoto_train.py and train_kohya/train_lora.py@02df0e5), given to
    sd-scripts: its own trainer is another program. xformers is replaced by sdpa."""
    recipe = make_recipe(
        name="bench", steps=min(200 * PHOTOS, 800), gradient_accumulation_steps=4, resolution=resolution,
        network_dim=128, network_alpha=64.0, unet_lr=1e-4, text_encoder_lr=1e-4, min_snr_gamma=None,
        noise_offset=None, flip_aug=True, cache_latents="off", save_every_n_steps=100, seed=42,
    )  # fmt: skip
    return Contender("EasyPhoto's settings", recipe, ("no", "fp16"), PHOTOS)


# --- one run ------------------------------------------------------------------------------------------------


def make_pictures(folder: Path, count: int, side: int) -> None:
    """Write pictures with about as much detail as photos have, and their captions."""
    from PIL import Image

    for number in range(count):
        channels = [
            Image.effect_noise((side // 8, side // 8), 80).resize((side, side), Image.Resampling.BICUBIC)
            for _ in "rgb"
        ]
        Image.merge("RGB", channels).save(folder / f"{number:03d}.png")
        (folder / f"{number:03d}.txt").write_text("a photo of ohwx person\n", encoding="utf-8")


def run_once(contender: Contender, setup: KohyaSetup, steps: int, *, gpu: bool) -> Cost:
    """Train `steps` steps and measure."""
    with tempfile.TemporaryDirectory(prefix="bench-training-") as name:
        job = Path(name)
        pictures = job / "pictures"
        pictures.mkdir()
        make_pictures(pictures, contender.photos, contender.recipe.resolution)
        recipe = _changed(contender.recipe, steps=steps, save_every_n_steps=None, lighter=None)
        layout = DatasetLayout(contender.photos, 0, frozenset({(recipe.resolution, recipe.resolution)}))
        paths = KohyaPaths(
            str(setup.python), str(setup.sd_scripts), str(setup.base_model), str(pictures), str(job),
            str(setup.tokenizers) if setup.tokenizers else None,
        )  # fmt: skip
        command = build_command(
            recipe, layout, paths, precision=contender.precision[gpu], device="cuda" if gpu else "cpu"
        )
        for file, text in command.files.items():
            (job / file).write_text(text, encoding="utf-8")
        return _measured(command, contender.extra, steps, gpu=gpu)


def _measured(command: TrainCommand, extra: tuple[str, ...], steps: int, *, gpu: bool) -> Cost:
    env = {name: value for name, value in os.environ.items() if name not in command.unset}
    # A thread that spins while it waits for another one's core would count as work.
    env |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    started = time.monotonic()
    process = subprocess.Popen(
        [*command.argv, *extra], cwd=command.cwd, env={**env, **command.env},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    watch = Watch(process.pid, gpu=gpu)
    try:
        seen, parser, tail = _follow(process, steps, watch)
        code = process.wait()
    finally:
        _end_group(process.pid)
        watch.stop()
    ended = time.monotonic()
    if code != 0 or not parser.saved or len(seen) < 2:
        raise SystemExit(f"sd-scripts failed (exit {code}):\n{tail.decode(errors='replace')[-3000:]}")
    marks = sorted(seen.items())
    wall, cpu = (
        statistics.median((b[1][kind] - a[1][kind]) / (b[0] - a[0]) for a, b in pairwise(marks))
        for kind in (0, 1)
    )
    if gpu:
        prepare, end, each = marks[0][1][0] - started - wall, ended - marks[-1][1][0], wall
    else:
        each, cores = cpu / CORES, CORES
        # Loading reads a file and is mostly one thread's work: not spread over the cores.
        prepare, end = max(0.0, marks[0][1][1] - cpu), max(0.0, watch.cpu_s - marks[-1][1][1]) / cores
    return Cost(each, prepare, end, wall, watch.peak_mib, watch.gpu_mib)


def _follow(
    process: subprocess.Popen[bytes], steps: int, watch: Watch
) -> tuple[dict[int, tuple[float, float]], LogParser, bytes]:
    """Read both streams to their end; returns clock and CPU time at which each step was seen first, and the
    last of stderr."""
    parser, seen, tail = LogParser(total_steps=steps), dict[int, tuple[float, float]](), b""
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, parser.feed_stdout)
        selector.register(process.stderr, selectors.EVENT_READ, parser.feed_stderr)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                    continue
                if key.fileobj is process.stderr:
                    tail = (tail + data)[-8000:]
                for event in key.data(data):
                    if isinstance(event, Stepped) and event.step > 0:
                        seen.setdefault(event.step, (time.monotonic(), watch.look_at_cpu()))
                    elif isinstance(event, PhaseBegan):
                        print(f"    {event.name}", file=sys.stderr)
    parser.close()
    return seen, parser, tail


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class Watch:
    """Notes the most memory and the CPU time a process and its children used."""

    def __init__(self, pid: int, *, gpu: bool) -> None:
        self.peak_mib = self.cpu_s = 0.0
        self.gpu_mib: float | None = 0.0 if gpu else None
        self._pid, self._done = pid, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()

    def look_at_cpu(self) -> float:
        """Seconds of CPU used so far."""
        self.cpu_s = max(self.cpu_s, sum(map(_cpu_s, _family(self._pid))))
        return self.cpu_s

    def _look(self) -> None:
        while not self._done.wait(1.0):
            members = _family(self._pid)
            self.look_at_cpu()
            self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, members)))
            if self.gpu_mib is not None:
                self.gpu_mib = max(self.gpu_mib, _gpu_mib(set(members)))


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += _family(int(child))
    return found


def _cpu_s(pid: int) -> float:
    """Its CPU seconds and those of children that have ended."""
    with contextlib.suppress(OSError, IndexError):
        # pid (comm) state …; the name may hold spaces and brackets. Fields 14 to 17 of proc(5).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _pss_mib(pid: int) -> float:
    # Not RSS: loader workers are forks, whose pages would count once each.
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss:")[1].split()[0]) / 1024
    return 0.0


def _gpu_mib(pids: set[int]) -> float:
    command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    used = [row.split(",") for row in rows if row.count(",") == 1]
    return sum(float(mib) for pid, mib in used if int(pid) in pids)


# --- the comparison -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(file: Path | None) -> Iterator[None]:
    """Hold a file's lock, where others train on this machine too."""
    if file is None:
        yield
        return
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def measure(
    every: dict[str, Contender],
    setup: KohyaSetup,
    *,
    steps: int,
    rounds: int,
    gpu: bool,
    lock: Path | None,
    found: dict[str, list[Cost]],
) -> None:
    """Add the costs of each contender's runs to `found`."""
    for turn in range(rounds):
        for name, contender in every.items():
            print(f"{turn + 1}/{rounds} {contender.title}", file=sys.stderr)
            with locked(lock):
                cost = run_once(contender, setup, steps, gpu=gpu)
            print(f"    {cost}", file=sys.stderr)
            found.setdefault(name, []).append(cost)


def kept(file: Path | None) -> dict[str, list[Cost]]:
    """What earlier runs measured."""
    if file is None or not file.is_file():
        return {}
    return {name: [Cost(**cost) for cost in some] for name, some in json.loads(file.read_text()).items()}


def _median(costs: list[Cost]) -> Cost:
    values = {
        field: statistics.median(getattr(cost, field) for cost in costs)
        for field in ("step_s", "prepare_s", "end_s", "wall_step_s", "peak_mib")
    }
    gpu = [cost.gpu_mib for cost in costs if cost.gpu_mib is not None]
    return Cost(**values, gpu_mib=statistics.median(gpu) if gpu else None)


def finished_s(contender: Contender, cost: Cost) -> float:
    """Seconds to a finished LoRA of ten photos: extrapolated."""
    steps = contender.recipe.total_steps(contender.photos)
    every = contender.recipe.save_every_n_steps
    saves = 1 if every is None else -(-steps // every)
    return cost.prepare_s + steps * cost.step_s + saves * cost.end_s


def table(every: dict[str, Contender], costs: dict[str, Cost]) -> str:
    """The comparison as Markdown; ratios to EasyPhoto's settings of the same run."""
    peer = finished_s(every["easyphoto"], costs["easyphoto"])
    lines = [
        "| | steps/s | pictures/s | peak memory | steps for 10 photos | finished LoRA | of EasyPhoto's |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, contender in every.items():
        cost, recipe = costs[name], contender.recipe
        each = recipe.batch_size * recipe.gradient_accumulation_steps
        memory = f"{cost.peak_mib / 1024:.1f} GiB"
        if cost.gpu_mib is not None:
            memory = f"{cost.gpu_mib / 1024:.1f} GiB GPU, {memory}"
        whole = finished_s(contender, cost)
        lines.append(
            f"| {contender.title} | {1 / cost.step_s:.2f} | {each / cost.step_s:.2f} | {memory} "
            f"| {recipe.total_steps(contender.photos)} | {whole / 60:.0f} min | {whole / peer:.0%} |"
        )
    return "\n".join(lines)


def section(text: str, *, steps: int, runs: tuple[int, int], resolution: int, gpu: bool) -> str:
    """The part of docs/benchmarks.md that is ours."""
    where = "the GPU" if gpu else f"{CORES} shared CPU cores, without a GPU"
    numbers = "bf16 (EasyPhoto fp16, defaults fp32)" if gpu else "fp32"
    how = "by the clock" if gpu else "CPU time spread over the cores, because others used them too"
    count = f"{runs[0]}" if runs[0] == runs[1] else f"{runs[0]} to {runs[1]}"
    python, day = platform.python_version(), time.strftime("%Y-%m-%d")
    return f"""{BEGIN}
# What a training costs

sd-scripts v0.10.1 with random SD 1.5 weights at {resolution} px, {numbers}, on {where};
Python {python}, {day}. Made by `python scripts/bench_training.py --write docs/benchmarks.md`: medians of
{count} runs of {steps} steps each, in turns, {how}.
**The finished LoRA is extrapolated**: loading, encoding the pictures, and all the steps that contender takes
for ten photos at the measured rate; choosing the checkpoint is not in it. Only the ratios mean anything for
another machine or resolution, and only roughly: equal settings differed by a tenth.

{text}

- EasyPhoto trains with a program of its own; these are its settings (rank 128, four pictures a step, text
  encoder trained, latents encoded anew in every step, mirrored pictures), given to sd-scripts.
- Most of the distance to it is that it shows 3200 pictures where sd15-best shows 1200 and sd15-fast 600; a
  picture itself costs about three quarters of its. Whether so few are enough is for the likeness to say.
- sd-scripts' defaults are 1600 steps of rank 4 at a learning rate of 2e-6: in any time they learn next to
  nothing.
- The last lines show what single settings cost. At a low resolution the text encoder's share is larger than
  at 512 px, because it does not grow with the picture.
- The memory is that of loading the model in fp32; at this resolution no setting needs more.
- Nothing here says anything about likeness. SDXL was not run.
{END}
"""


def put_section(page: str, text: str) -> str:
    """Replace our part of the page, or add it at the end."""
    if BEGIN not in page:
        return page.rstrip() + "\n\n" + text
    before, _, rest = page.partition(BEGIN)
    return before + text + rest.partition(END)[2].lstrip("\n")


def main() -> None:
    """Parse arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=8, help="steps of each run, at least 3")
    parser.add_argument("--resolution", type=int, help="px; default 512 on a GPU, 128 on a CPU")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    parser.add_argument("--lock", type=Path, help="hold this file's lock (flock) around each training")
    parser.add_argument("--only", help="names of contenders, separated by commas")
    parser.add_argument("--write", type=Path, help="put the table into this page")
    parser.add_argument(
        "--json", type=Path, help="keep every run in this file; those already in it count too"
    )
    options = parser.parse_args()
    # So that what is running is ended with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    setup = find_setup(os.environ)
    if setup.base_model is None:
        parser.error("set SDWEBUI_BASE_MODEL to a model (scripts/make_random_model.py makes one)")
    gpu = shutil.which("nvidia-smi") is not None and not options.cpu
    resolution = options.resolution or (512 if gpu else 128)
    every = contenders(resolution)
    wanted = options.only.split(",") if options.only else list(every)
    steps, found = max(3, options.steps), kept(options.json)
    chosen = {name: one for name, one in every.items() if name in wanted}
    measure(chosen, setup, steps=steps, rounds=options.rounds, gpu=gpu, lock=options.lock, found=found)
    if options.json:
        plain = {name: [vars(cost) for cost in some] for name, some in found.items()}
        options.json.write_text(json.dumps(plain, indent=1))
    if "easyphoto" not in found:
        parser.error("easyphoto is what the others are compared with: measure it too (--only …,easyphoto)")
    costs = {name: _median(found[name]) for name in every if name in found}
    text = table({name: every[name] for name in costs}, costs)
    print(text)
    if options.write:
        runs = [len(some) for some in found.values()]
        ours = section(text, steps=steps, runs=(min(runs), max(runs)), resolution=resolution, gpu=gpu)
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(put_section(page, ours), encoding="utf-8")


if __name__ == "__main__":
    main()
