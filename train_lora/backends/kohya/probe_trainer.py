"""What the trainer's own interpreter knows of its machine: `python probe_trainer.py '{"sd_scripts": …}'`.

Prints one JSON object. Copied to GPU hosts as well: one file, standard library, Python 3.9 or later. Nothing
heavy is imported (torch only where nvidia-smi cannot be asked), so it takes a second or two.

Request, all optional: sd_scripts (checkout), base_model (file), tokenizers (folder of --tokenizer_cache_dir),
families (["sd15"]), disk (folder that will be written to), states (folder with NAME-step%08d-state) and name.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch", "torchvision", "accelerate", "transformers", "diffusers", "safetensors", "huggingface-hub",
    "opencv-python", "opencv-python-headless", "toml", "voluptuous", "einops", "ftfy", "imagesize", "rich",
    "tensorboard", "bitsandbytes", "xformers", "triton", "prodigyopt", "lion-pytorch", "numpy",
)  # fmt: skip
MODULES = {
    "torch": "torch", "torchvision": "torchvision", "accelerate": "accelerate",
    "transformers": "transformers", "diffusers": "diffusers", "safetensors": "safetensors",
    "cv2": "opencv-python", "toml": "toml", "voluptuous": "voluptuous", "einops": "einops", "ftfy": "ftfy",
    "imagesize": "imagesize", "rich": "rich",
}  # fmt: skip
"""Module -> package, of what train_network.py@v0.10.1 imports before anything else."""
TOKENIZERS = {
    "sd15": ("openai/clip-vit-large-patch14",),
    "sdxl": ("openai/clip-vit-large-patch14", "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k"),
}
"""library/strategy_sd.py and strategy_sdxl.py@v0.10.1."""
_MAX_HEADER_BYTES = 100_000_000
_STRANGE = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What reading a file raises that somebody broke."""
_HUB_TIMEOUT_S = 4.0
_QUERY = "name,memory.total,memory.free,compute_cap,uuid"


def packages() -> dict[str, str | None]:
    """Package -> version, None when it is not installed."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def missing_modules() -> list[str]:
    """Packages whose module cannot be found, whatever the package database says."""
    return [package for module, package in MODULES.items() if importlib.util.find_spec(module) is None]


def torch_build() -> dict[str, str | None] | None:
    """Version and the CUDA or ROCm it was built for, read from its version.py without importing it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return None
    try:
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    found: dict[str, str | None] = {}
    for key, name in (("version", "__version__"), ("cuda", "cuda"), ("hip", "hip")):
        match = re.search(rf"^{name}\b[^=\n]*=\s*['\"]([^'\"]*)['\"]", text, re.MULTILINE)
        found[key] = match.group(1) if match else None
    return found


def gpus(build: dict[str, str | None] | None) -> tuple[list[dict[str, Any]], str | None]:
    """The GPUs the trainer would see, and why there are none."""
    if shutil.which("nvidia-smi") is None:
        if build is not None and (build["cuda"] or build["hip"]):
            return _gpus_by_torch()
        return [], "nvidia-smi is not there"
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stdout", None) or getattr(error, "stderr", None) or str(error)
        return [], f"nvidia-smi: {(str(said).strip() or 'it failed').splitlines()[0]}"
    lines = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    rows = [row for row in lines if len(row) == len(_QUERY.split(","))]  # not "No devices were found"
    found = [_gpu(row) for row in _visible(rows)]
    return (
        found,
        None if found else "CUDA_VISIBLE_DEVICES hides every GPU" if rows else "nvidia-smi lists none",
    )


def _gpu(row: list[str]) -> dict[str, Any]:
    number = re.compile(r"\d+(\.\d+)?")
    capability = row[3] if number.fullmatch(row[3]) else None
    return {
        "name": row[0],
        "total_mib": int(float(row[1])) if number.fullmatch(row[1]) else None,
        "free_mib": int(float(row[2])) if number.fullmatch(row[2]) else None,
        "capability": capability,
        "bf16": None
        if capability is None
        else float(capability) >= 8.0,  # CUDA programming guide, "bfloat16"
    }


def _visible(rows: list[list[str]]) -> list[list[str]]:
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return rows
    found = []
    for entry in (part.strip() for part in wanted.split(",")):
        if entry.isdigit() and int(entry) < len(rows):
            found.append(rows[int(entry)])
        elif entry.startswith(("GPU-", "MIG-")):
            found += [row for row in rows if row[4].startswith(entry)] or (rows[:1] if "MIG" in entry else [])
        else:
            break  # CUDA stops at the first entry it does not know
    return found


def _gpus_by_torch() -> tuple[list[dict[str, Any]], str | None]:
    try:
        torch = importlib.import_module("torch")
        if not torch.cuda.is_available():
            return [], "torch sees none"
        found = []
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            found.append(
                {
                    "name": torch.cuda.get_device_name(index),
                    "total_mib": total >> 20,
                    "free_mib": free >> 20,
                    "capability": None,
                    "bf16": bool(torch.cuda.is_bf16_supported()),
                }
            )
    except (ImportError, OSError, RuntimeError) as error:
        return [], f"torch: {error}"
    return found, None


def checkout(folder: Path) -> dict[str, Any]:
    """Which sd-scripts it is."""
    script = folder / "train_network.py"
    return {
        "exists": script.is_file(),
        "version": _git(folder, "describe", "--tags", "--always"),
        "commit": _git(folder, "rev-parse", "HEAD"),
        "script_sha256": hashlib.sha256(script.read_bytes()).hexdigest() if script.is_file() else None,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    if not (folder / ".git").exists():
        return None  # else git would answer for a repository around it
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def tokenizer(name: str, cache: str | None) -> str:
    """Where a tokenizer is: "folder", "hub cache", "hub" (can be fetched), or "missing"."""
    if cache and (Path(cache) / name.replace("/", "_")).is_dir():
        return "folder"
    snapshots = _hub_cache() / ("models--" + name.replace("/", "--")) / "snapshots"
    if any(snapshots.glob("*/vocab.json")) or any(snapshots.glob("*/tokenizer.json")):
        return "hub cache"
    return "hub" if not cache and _hub_answers() else "missing"


def _hub_cache() -> Path:
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"])
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(home).expanduser() / "hub"


def _hub_answers() -> bool:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    import urllib.error
    import urllib.request

    try:
        endpoint = str(importlib.import_module("huggingface_hub.constants").ENDPOINT)
        urllib.request.urlopen(endpoint, timeout=_HUB_TIMEOUT_S).close()  # noqa: S310 - huggingface_hub's own
    except urllib.error.HTTPError:
        return True
    except (ImportError, OSError, ValueError):
        return False
    return True


def base_model(path: Path) -> dict[str, Any]:
    """Size and age, and the header of a safetensors file."""
    try:
        stat = path.stat()
    except OSError as error:
        return {"exists": False, "error": error.strerror}
    facts: dict[str, Any] = {
        "exists": path.is_file(),
        "bytes": stat.st_size,
        "mtime": stat.st_mtime,
        "header": None,
    }
    if path.suffix == ".safetensors" and path.is_file():
        try:
            header, whole = safetensors_header(path)
            facts["header"] = {
                key: value if key == "__metadata__" else {"dtype": value["dtype"], "shape": value["shape"]}
                for key, value in header.items()
            }
            facts["whole"] = whole
        except _STRANGE as error:
            facts["error"] = str(error)
    return facts


def safetensors_header(path: Path) -> tuple[dict[str, Any], bool]:
    """Header, and whether the file is as long as it says (huggingface/safetensors, README, "Format").

    Raises:
        ValueError: It is no such file; OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
            raise ValueError("not a safetensors file, or cut short")
        header = json.loads(stream.read(length))
    end = max((int(v["data_offsets"][1]) for k, v in header.items() if k != "__metadata__"), default=0)
    return header, end == size - 8 - length


def states(folder: Path, name: str) -> list[dict[str, Any]]:
    """The saved states, oldest first, and what is wrong with each.

    accelerate 1.6.0 writes train_state.json, model, optimizer, scheduler, sampler, then the random numbers; a
    state without the last of them was interrupted.
    """
    found = []
    for entry in sorted(folder.glob(f"{glob_escape(name)}-step*-state")):
        match = re.fullmatch(r"-step(\d{8})-state", entry.name[len(name) :])
        if match is not None and entry.is_dir():
            step = int(match.group(1))
            found.append({"step": step, "dir": str(entry), "problem": _state_problem(entry, step)})
    return found


def glob_escape(text: str) -> str:
    """A name as it has to stand in a pattern."""
    return re.sub(r"([*?[])", r"[\1]", text)


def _state_problem(folder: Path, step: int) -> str | None:
    try:
        if json.loads((folder / "train_state.json").read_bytes())["current_step"] != step:
            return "train_state.json names another step"
        if not safetensors_header(folder / "model.safetensors")[1]:
            return "model.safetensors is cut short"
    except _STRANGE as error:
        return str(error) or type(error).__name__
    for name in ("optimizer.bin", "scheduler.bin"):
        if not zipfile.is_zipfile(folder / name):  # torch.save writes a zip, its directory last
            return f"{name} is missing or cut short"
    return None if any(folder.glob("random_states_*.pkl")) else "it was not written to its end"


def cpu_name() -> str | None:
    """As the system calls it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def ram_mib() -> dict[str, int]:
    """Total and available memory; empty where /proc/meminfo is not there."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key in ("MemTotal", "MemAvailable"):
                found["total" if key == "MemTotal" else "available"] = int(value.split()[0]) >> 10
    return found


def disk(folder: Path) -> dict[str, Any]:
    """Free space where a folder is or will be."""
    while True:
        try:
            usage = shutil.disk_usage(folder)
            break
        except OSError:  # not there yet, or not to be looked into
            if folder == folder.parent:
                raise
            folder = folder.parent
    return {"free_bytes": usage.free, "total_bytes": usage.total}


def facts(request: dict[str, Any]) -> dict[str, Any]:
    """Everything that was asked for."""
    build = torch_build()
    cards, why_none = gpus(build)
    answer: dict[str, Any] = {
        "schema": 1,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "ram_mib": ram_mib(),
        "packages": packages(),
        "missing": missing_modules(),
        "torch": build,
        "gpus": cards,
        "no_gpu": why_none,
    }
    if request.get("sd_scripts"):
        answer["sd_scripts"] = checkout(Path(request["sd_scripts"]))
    if request.get("base_model"):
        answer["base_model"] = base_model(Path(request["base_model"]))
    names = {name for family in request.get("families", ()) for name in TOKENIZERS.get(family, ())}
    answer["tokenizers"] = {name: tokenizer(name, request.get("tokenizers")) for name in sorted(names)}
    if request.get("disk"):
        answer["disk"] = disk(Path(request["disk"]))
    if request.get("states"):
        answer["states"] = states(Path(request["states"]), str(request.get("name", "")))
    return answer


def main(arguments: list[str]) -> int:
    """Answer one request."""
    own = str(Path(__file__).parent)
    sys.path[:] = [
        entry for entry in sys.path if entry != own
    ]  # modules beside this file are not installed ones
    sys.stdout.write(json.dumps(facts(json.loads(arguments[0]) if arguments else {})) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
