"""What is shipped, what is exported, who imports whom, what an import costs."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("sdwebui_client", "stages", "train_lora", "prompt_library", "faces", "studio")
HEAVY = ("cv2", "numpy", "dlib", "skimage", "uvicorn", "starlette", "gradio", "torch")


def test_rooms_import_only_rooms_below(root: Path) -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_every_export_exists_once_and_in_order(package: str) -> None:
    module = importlib.import_module(package)
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported)
    missing = [name for name in exported if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(package: str, root: Path) -> None:
    assert (root / package / "py.typed").exists()


@pytest.mark.parametrize("package", [*PACKAGES, "stages.presets", "studio.cli"])
def test_importing_loads_nothing_heavy(package: str, clean_env: dict[str, str]) -> None:
    code = f"import sys, {package}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_requests_is_imported_in_one_module(root: Path) -> None:
    users = [
        path.relative_to(root).as_posix()
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if any(
            line.startswith(("import requests", "from requests"))
            for line in path.read_text("utf-8").splitlines()
        )
    ]
    assert users == ["sdwebui_client/_transport.py"]


@pytest.mark.slow
def test_the_wheel_holds_the_packages_their_data_and_nothing_else(root: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root, capture_output=True, check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {*PACKAGES, "presets"}
    data = [
        path.relative_to(root).as_posix()
        for folder in (*PACKAGES, "presets")
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".gitkeep"
    ]
    assert sorted(set(data) - names) == []
    for needed in ("sdwebui_client/py.typed", "presets/studio-sd15.yaml", "stages/templates/report.html"):
        assert needed in names


@pytest.mark.parametrize("script", ["scripts/setup.sh", "scripts/test.sh", ".ci/run"])
def test_a_shell_script_parses_and_can_be_run(script: str, root: Path) -> None:
    assert os.access(root / script, os.X_OK)
    assert (root / script).read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", script], cwd=root, check=True)


def test_setup_refuses_an_old_python(root: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.1 && exit 0\nexit 1\n')
    old.chmod(0o755)
    for name in ("python3.11", "python3.12", "python3.13"):
        (tmp_path / name).symlink_to(old)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup.sh").write_text((root / "scripts" / "setup.sh").read_text())
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "scripts" / "setup.sh")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "3.11 or newer" in done.stderr
    assert "Python 3.8.1" in done.stderr
    assert not (tmp_path / ".venv").exists()
