"""How busy GPUs are kept: the benchmark in a fifth of real time."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench_studio_gpu.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_studio_gpu", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_share_is_counted_while_jobs_wait(bench: ModuleType) -> None:
    worked = [("a", 0, 10), ("b", 2, 12), ("a", 11, 21), ("b", 12, 22), ("a", 22, 90)]
    # From 2, when b began its first, to 22, when the last job began.
    assert bench.busy_share(worked, 2) == pytest.approx((8 + 10 + 10 + 10) / 40)
    assert bench.idle_gaps(worked) == {"a": [1, 1], "b": [0]}
    with pytest.raises(SystemExit):
        bench.busy_share(worked, 3)


@pytest.mark.long
def test_gpus_work_while_jobs_wait(bench: ModuleType, tmp_path: Path) -> None:
    share = bench.measure(tmp_path, bench.Plan(servers=3, users=4, jobs=7, scale=0.2))
    assert share >= 0.97
