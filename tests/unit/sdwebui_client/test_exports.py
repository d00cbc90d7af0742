"""What the package offers, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import sdwebui_client

HEAVY = (
    "numpy",
    "cv2",
    "gradio",
    "torch",
    "starlette",
    "uvicorn",
    "rich",
    "click",
    "PIL",
    "dlib",
    "skimage",
    "toml",
)
LOADED = """
import json, sys
import sdwebui_client
{use}
print(json.dumps(sorted(sys.modules)))
"""


def loaded_by(use: str) -> set[str]:
    code = LOADED.format(use=use)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in json.loads(out)}


def test_every_name_is_there() -> None:
    for name in sdwebui_client.__all__:
        assert getattr(sdwebui_client, name).__module__.startswith("sdwebui_client"), name


def test_all_is_sorted_and_complete() -> None:
    assert sdwebui_client.__all__ == sorted(set(sdwebui_client.__all__))
    assert set(sdwebui_client.__all__) == set(sdwebui_client._MODULE_OF)
    assert set(sdwebui_client.__all__) <= set(dir(sdwebui_client))


def test_every_error_is_offered() -> None:
    errors = {
        name
        for name, value in vars(sdwebui_client.errors).items()
        if isinstance(value, type) and issubclass(value, sdwebui_client.WebUIError)
    }
    assert errors <= set(sdwebui_client.__all__)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="Nope"):
        _ = sdwebui_client.Nope


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("") & {*HEAVY, "pydantic", "requests"}


def test_using_the_client_loads_nothing_heavy() -> None:
    use = "from sdwebui_client import *; WebUI('http://gpu'); Txt2ImgRequest(prompt='a')"
    assert not loaded_by(use) & set(HEAVY)
