"""The sandbox answers each recorded request as the real server did.

`DEVIATIONS` lists what it does otherwise, each with its reason.
An entry that is no longer needed fails the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import requests

from sdwebui_client.sandbox import SandboxServer, SandboxSettings, scenes
from sdwebui_client.sandbox.render import Picture, Scene
from tests.contract import sandbox_replay as replay
from tests.recorded import Recording, recordings

_WITH_MODULES = {
    "g03_ov_clip_skip2", "g03_plain_after", "g04_plain_after", "g04_save_images",
    "g04_save_images_no_stealth", "k35_plain", "k36_img2img", "k37_options_get",
}  # fmt: skip
"""Sent after forge_additional_modules had leaked or been set."""
FLAVOURS = ("a1111", "forge", "reforge")
NO_SCRIPTS = "only Ultimate SD Upscale is played of the selectable scripts"
CORRUPT = "the sandbox has no corrupt checkpoint, ControlNet or LoRA files"
MACHINE = "what the server tells of its machine and its start"
INTERRUPTED = "another request interrupted it; see tests/unit/sandbox/test_jobs.py"
HOST = "the recorded text names the host the weights were looked for on"
LATER = "the recording shows what an earlier request of the same session left behind"
ORIGIN = "the server's own address belongs to the recorded request"

_EVERYWHERE = {
    "a_webui_none_sysinfo": MACHINE,
    "get_cmd_flags": MACHINE,
    "a_webui_ok_cmdflags": MACHINE,
    "a_nowebui_ok_cmdflags": MACHINE,
    "e11b_xyz_plot": NO_SCRIPTS,
    "j03_interrupted_niter3": INTERRUPTED,
}
_CORRUPT_CASES = (
    *(
        f"k{step.format(kind)}"
        for kind in ("broken", "wrongkind")
        for step in (
            "02_override_{}",
            "03_plain_after_override_{}",
            "04_options_{}",
            "05_txt2img_{}_selected",
            "06_txt2img_{}_selected_again",
            "07_progress_{}",
            "10_txt2img_back_{}",
        )
    ),
    "k20_break",
    "k21_plain",
    "k22_override_good_same",
)
_NO_WEIGHTS = {
    "pf13f_controlnet_detect_openpose_missing": HOST,
    "p18d_detect_openpose_full": HOST,
    "p18h_detect_depth_weights_missing": HOST,
}
DEVIATIONS: dict[str, dict[str, str]] = {
    "a1111": {
        **_EVERYWHERE,
        "a_nowebui_none_openapi": "the document is that of the server with its page",
        "get_progress_idle": LATER,
        "get_progress_idle_skip": LATER,
        "b02_bare_txt2img_no_checkpoint": MACHINE,
        "b10_bare_options": "without extensions the recorded server shows options that it otherwise hides",
    },
    "forge": {**_EVERYWHERE, **_NO_WEIGHTS, **dict.fromkeys(_CORRUPT_CASES, CORRUPT)},
    "reforge": {**_EVERYWHERE, **_NO_WEIGHTS},
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., SandboxServer]]:
    """Sandboxes by flavour and set-up, drawing flat pictures: only the protocol is looked at here."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "render", _flat)

        @cache
        def server(flavour: str, kind: str) -> SandboxServer:
            folder = tmp_path_factory.mktemp(f"{flavour}-{kind}")
            if kind != "bare":
                replay.write_lora(folder / "Lora", "facelora", "ohwx_woman_v2")
                replay.write_lora(folder / "Lora", "randlora", "randlora")
            return stack.enter_context(SandboxServer(_settings(flavour, kind, folder)))

        yield server


def _flat(scene: Scene) -> Picture:
    return np.full((scene.height, scene.width, 3), 128, np.uint8)


def _settings(flavour: str, kind: str, folder: Path) -> SandboxSettings:
    bare = frozenset({"adetailer", "controlnet", "usdu", "tinyA", "tinyB", "4x-UltraSharp"})
    return SandboxSettings(
        flavour=flavour,  # type: ignore[arg-type]
        models_dir=folder,
        profile="recorded",
        seconds_per_step=0.0,
        api_auth="user:pass" if kind in ("auth", "auth-nowebui", "stop") else None,
        nowebui=kind == "auth-nowebui",
        server_stop=kind == "stop",
        without=bare if kind == "bare" else frozenset(),
    )


def _kind(name: str) -> str:
    if name == "a_server_stop":
        return "stop"
    if name.startswith("a_nowebui"):
        return "auth-nowebui"
    if name.startswith("a_"):
        return "auth"
    return "bare" if name.startswith(("b0", "b1", "b_bare")) else "full"


def _cases() -> Iterator[object]:
    for flavour in FLAVOURS:
        for name, case in recordings(flavour).items():
            if case.is_exchange:
                yield pytest.param(flavour, case, id=f"{flavour}-{name}")


@pytest.mark.parametrize(("flavour", "case"), list(_cases()))
def test_answers_as_recorded(flavour: str, case: Recording, servers: Callable[..., SandboxServer]) -> None:
    server = servers(flavour, _kind(case.name))
    (server.settings.lora_dir / "newlora.safetensors").unlink(missing_ok=True)
    server.sandbox.forget_hashes()
    server.sandbox.reset()
    server.sandbox.options.saved = server.sandbox.first_options()
    with requests.Session() as session:
        _prepare(case, server, session)
        answer = replay.send(session, server.url, case)
    found = replay.differences(case, answer)
    reason = DEVIATIONS[flavour].get(case.name)
    if reason is None:
        assert not found, "\n".join(found)
    else:
        assert found, f"{case.name} answers as recorded now; take it off DEVIATIONS ({reason})"
    assert answer.headers["x-sdwebui-sandbox"] == "1"


def _prepare(case: Recording, server: SandboxServer, session: requests.Session) -> None:
    """Bring about what an earlier request of the recorded session had done."""
    name = case.name
    if name in (
        "p13c_txt2img_with_B",
        "k26_plain",
        "k29_plain",
        "k31_plain",
        "k33_plain",
        "k35_plain",
        "k36_img2img",
    ):
        session.post(f"{server.url}/sdapi/v1/options", json={"sd_model_checkpoint": "tinyB"}, timeout=10)
    if name.startswith(("p10j", "p10k", "p10m")):
        replay.write_lora(server.settings.lora_dir, "newlora", "randlora")
    if name.startswith("p10k"):
        body = {"prompt": "<lora:newlora:1>", "steps": 1, "width": 64, "height": 64}
        session.post(f"{server.url}/sdapi/v1/txt2img", json=body, timeout=10)
    if name.startswith("p10m"):
        session.post(f"{server.url}/sdapi/v1/refresh-loras", timeout=10)
    if case.path.endswith("/sd-models") and name.startswith("a_"):
        server.sandbox.hashed |= {"tinyA", "tinyB"}
    if name == "k37_options_get":
        body = {"prompt": "", "steps": 1, "width": 64, "height": 64}
        session.post(f"{server.url}/sdapi/v1/options", json={"sd_model_checkpoint": "tinyB"}, timeout=10)
        session.post(f"{server.url}/sdapi/v1/txt2img", json=body, timeout=10)
    if name in _WITH_MODULES:
        options = server.sandbox.options
        options.saved["forge_additional_modules"] = ["/srv/webui/models/VAE/tinyvae.safetensors"]
    if name == "p19b_override_leak_2":
        server.sandbox.options.saved |= {"samples_format": "jpg", "eta_noise_seed_delta": 31337}
    if name == "p19c_override_after_explicit_set":
        server.sandbox.options.saved |= {"samples_format": "png"}
