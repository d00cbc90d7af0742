"""Silent failures as pixels and scenes, sizes, determinism, what is not installed, auth, start and stop."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from sdwebui_client.sandbox import SandboxError, SandboxServer, SandboxSettings, create_app
from sdwebui_client.sandbox.render import Scene
from tests.contract.sandbox_replay import picture, write_lora
from tests.unit.sandbox.support import FACE, IMG2IMG, SMALL, TXT2IMG, Client

POSE = {"image": picture("png", 64, 64, "RGB"), "model": "control_v11p_sd15_openpose", "module": "none"}


def _control(**changes: Any) -> dict[str, Any]:
    return {"ControlNet": {"args": [{"enabled": True, **POSE, **changes}]}}


def _info(answer: requests.Response) -> dict[str, Any]:
    assert answer.ok, answer.text
    return dict(json.loads(answer.json()["info"]))


# -- what the renderer is asked for ------------------------------------------------------------------------


def test_a_unit_that_ran_steers_the_scene(client: Callable[..., Client], drawn: list[Scene]) -> None:
    c = client()
    answer = c.post(TXT2IMG, {**SMALL, "alwayson_scripts": _control(weight=0.7)})
    (control,) = drawn[-1].controls
    assert (control.kind, control.weight) == ("openpose", 0.7)
    assert control.image.shape == (64, 64, 3)
    assert len(answer.json()["images"]) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "nope"},
        {"model": "control_v11p_sd15_openpose [00000000]"},
        {"image": "zzzz"},
        {"image": None},
        {"module": "depth_midas"},
        {"enabled": False},
    ],
)
def test_a_unit_that_failed_leaves_the_scene_plain(
    client: Callable[..., Client], drawn: list[Scene], changes: dict[str, Any]
) -> None:
    answer = client().post(TXT2IMG, {**SMALL, "alwayson_scripts": _control(**changes)})
    assert drawn[-1].controls == ()
    assert len(answer.json()["images"]) == 1


@pytest.mark.parametrize(
    ("changes", "applied", "maps"),
    [
        ({}, False, 0),
        ({"module": "None"}, False, 1),
        ({"module": "None", "model": "exact"}, True, 1),
        ({"module": "none", "model": "exact"}, False, 0),
    ],
)
def test_forge_needs_exact_names_and_shows_its_map_all_the_same(
    client: Callable[..., Client], drawn: list[Scene], changes: dict[str, Any], applied: bool, maps: int
) -> None:
    c = client(flavour="forge")
    exact = next(m for m in c.get("/controlnet/model_list").json()["model_list"] if "openpose" in m)
    changes = {key: exact if value == "exact" else value for key, value in changes.items()}
    answer = c.post(TXT2IMG, {**SMALL, "alwayson_scripts": _control(**changes)})
    assert bool(drawn[-1].controls) is applied
    assert len(answer.json()["images"]) == 1 + maps
    assert "ControlNet 0" in _info(answer)["extra_generation_params"]


def test_reforge_never_shows_a_map(client: Callable[..., Client], drawn: list[Scene]) -> None:
    c = client(flavour="reforge")
    exact = next(m for m in c.get("/controlnet/model_list").json()["model_list"] if "openpose" in m)
    answer = c.post(TXT2IMG, {**SMALL, "alwayson_scripts": _control(module="None", model=exact)})
    assert drawn[-1].controls
    assert len(answer.json()["images"]) == 1


def test_detailers_carry_their_own_loras(
    client: Callable[..., Client], drawn: list[Scene], tmp_path: Path
) -> None:
    write_lora(tmp_path / "Lora", "alice", "alice_v2")
    args = [
        True,
        False,
        {"ad_model": "face_yolov8n.pt", "ad_prompt": "<lora:alice:0.9>", "ad_denoising_strength": 0.5},
        {"ad_model": "hand_yolov8n.pt"},
    ]
    body = {**SMALL, "prompt": "x <lora:alice_v2:0.4>", "alwayson_scripts": {"ADetailer": {"args": args}}}
    client().post(TXT2IMG, body)
    face, hand = drawn[-1].details
    assert (face.target, face.denoising_strength, face.loras[0].weight) == ("face", 0.5, 0.9)
    assert (hand.target, hand.loras[0].weight) == ("hand", 0.4)


@pytest.mark.parametrize(
    "unit", [{"ad_model": "nope.pt"}, {"ad_model": "face_yolov8n.pt", "ad_confidence": 5}]
)
def test_a_detailer_that_cannot_run_changes_nothing(
    client: Callable[..., Client], drawn: list[Scene], unit: dict[str, Any]
) -> None:
    body = {**SMALL, "alwayson_scripts": {"ADetailer": {"args": [True, False, unit]}}}
    client().post(TXT2IMG, body)
    assert drawn[-1].details == ()


@pytest.mark.parametrize(
    "prompt", ["<lora:Alice:1>", "<lora:alice.safetensors:1>", "<lora:bob:1>", "<lora:alice:much>"]
)
def test_a_lora_that_is_not_found_is_ignored(
    client: Callable[..., Client], drawn: list[Scene], tmp_path: Path, prompt: str
) -> None:
    write_lora(tmp_path / "Lora", "alice", "alice")
    answer = client().post(TXT2IMG, {**SMALL, "prompt": prompt})
    assert drawn[-1].loras == ()
    assert "Lora hashes" not in _info(answer)["infotexts"][0]


def test_a_new_lora_is_found_without_a_refresh_but_not_listed(
    client: Callable[..., Client], tmp_path: Path
) -> None:
    c = client()
    write_lora(tmp_path / "Lora", "late", "late")
    assert c.get("/sdapi/v1/loras").json() == []
    answer = c.post(TXT2IMG, {**SMALL, "prompt": "<lora:late:1>"})
    assert "late: " in _info(answer)["extra_generation_params"]["Lora hashes"]
    assert [item["name"] for item in c.get("/sdapi/v1/loras").json()] == ["late"]
    write_lora(tmp_path / "Lora", "later", "later")
    c.post("/sdapi/v1/refresh-loras")
    assert len(c.get("/sdapi/v1/loras").json()) == 2


def test_lora_hashes_differ_by_flavour(client: Callable[..., Client], tmp_path: Path) -> None:
    write_lora(tmp_path / "Lora", "alice", "alice")
    texts = {
        flavour: _info(client(flavour=flavour).post(TXT2IMG, {**SMALL, "prompt": "<lora:alice:1>"}))
        for flavour in ("a1111", "forge", "reforge")
    }
    hashes = {flavour: info["extra_generation_params"]["Lora hashes"] for flavour, info in texts.items()}
    assert hashes["a1111"] == hashes["reforge"] != hashes["forge"]


def test_skip_img2img_keeps_the_pictures_size(client: Callable[..., Client], drawn: list[Scene]) -> None:
    args = [True, True, {"ad_model": "face_yolov8n.pt"}]
    body = {**SMALL, "init_images": [picture("png", 200, 120, "RGB")], "steps": 12}
    answer = client().post(IMG2IMG, {**body, "alwayson_scripts": {"ADetailer": {"args": args}}})
    info = _info(answer)
    assert (drawn[-1].width, drawn[-1].height, drawn[-1].denoising_strength) == (200, 120, 0.0)
    assert (info["width"], info["steps"], info["sampler_name"]) == (128, 1, "Euler")


def test_upscale_asks_for_the_target_size_and_the_tile(
    client: Callable[..., Client], drawn: list[Scene]
) -> None:
    c = client()
    names = [item["name"] for item in c.get("/sdapi/v1/upscalers").json()]
    index = names.index("4x-UltraSharp")
    args = [None, 512, 512, 8, 32, 64, 0.35, 16, index, False, 0, False, 4, 0, 2, 512, 512, 2]
    unit = {
        "ControlNet": {
            "args": [{"enabled": True, "module": "tile_resample", "model": "control_v11f1e_sd15_tile"}]
        }
    }
    body = {
        **SMALL,
        "init_images": [picture("png", 64, 96, "RGB")],
        "denoising_strength": 0.1,
        "alwayson_scripts": unit,
    }
    answer = c.post(IMG2IMG, {**body, "script_name": "Ultimate SD upscale", "script_args": args})
    scene = drawn[-1]
    assert (scene.kind, scene.width, scene.height, scene.controls[0].kind) == ("upscale", 128, 192, "tile")
    assert len(answer.json()["images"]) == 1
    assert _info(answer)["extra_generation_params"]["Ultimate SD upscale upscaler"] == "4x-UltraSharp"


def test_openpose_is_stood_in_for_in_the_portrait_set_up_only(client: Callable[..., Client]) -> None:
    body = {
        "controlnet_module": "openpose_full",
        "controlnet_input_images": [picture("png", 256, 384, "RGB")],
    }
    answer = client().post("/controlnet/detect", body)
    skeleton = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json()["images"][0]))))
    assert skeleton.max() > 200
    assert client(profile="recorded").post("/controlnet/detect", body).status_code == 500


def test_canny_is_real(client: Callable[..., Client]) -> None:
    square = np.zeros((256, 256, 3), np.uint8)
    square[64:192, 64:192] = 255
    out = io.BytesIO()
    Image.fromarray(square).save(out, "PNG")
    body = {"controlnet_module": "canny", "controlnet_processor_res": 256}
    body["controlnet_input_images"] = [base64.b64encode(out.getvalue()).decode()]  # type: ignore[assignment]
    answer = client().post("/controlnet/detect", body).json()["images"][0]
    edges = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer))))
    assert 300 < (edges[:, :, 0] > 0).sum() < 1500


# -- answers -----------------------------------------------------------------------------------------------


def test_the_picture_says_what_it_is(client: Callable[..., Client]) -> None:
    encoded = client().post(TXT2IMG, SMALL).json()["images"][0]
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert image.info["sandbox"] == "true"
    assert "Sandbox: true" in image.info["parameters"]


def test_the_same_request_gives_the_same_bytes(client: Callable[..., Client]) -> None:
    body = {**SMALL, "alwayson_scripts": FACE}
    one, other = client(), client()
    assert one.post(TXT2IMG, body).json()["images"] == other.post(TXT2IMG, body).json()["images"]


def test_sizes_are_floored_in_the_picture_only(client: Callable[..., Client], drawn: list[Scene]) -> None:
    info = _info(client().post(TXT2IMG, {**SMALL, "width": 130, "height": 127}))
    assert (drawn[-1].width, drawn[-1].height) == (128, 120)
    assert (info["width"], info["height"]) == (130, 127)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 100000, "height": 100000},
        {"steps": 10**9},
        {"batch_size": 1000},
        {"enable_hr": True, "denoising_strength": 0.5, "hr_scale": 500},
    ],
)
def test_absurd_requests_fail_at_once(client: Callable[..., Client], changes: dict[str, Any]) -> None:
    answer = client().post(TXT2IMG, {**SMALL, **changes})
    assert answer.status_code == 500
    assert answer.elapsed.total_seconds() < 1


def test_a_decompression_bomb_is_no_picture(client: Callable[..., Client]) -> None:
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    answer = client().post(IMG2IMG, {**SMALL, "init_images": [base64.b64encode(out.getvalue()).decode()]})
    assert (answer.status_code, answer.json()["detail"]) == (500, "Invalid encoded image")


# -- set-up ------------------------------------------------------------------------------------------------


def test_what_is_not_installed_is_not_there(client: Callable[..., Client]) -> None:
    c = client(without=frozenset({"adetailer", "controlnet", "usdu", "4x-UltraSharp", "sandbox_sdxl"}))
    for path in ("/adetailer/v1/version", "/controlnet/version", "/controlnet/model_list"):
        assert c.get(path).status_code == 404
    assert c.post("/controlnet/detect", {}).status_code == 404
    scripts = c.get("/sdapi/v1/scripts").json()
    assert not {"adetailer", "controlnet", "ultimate sd upscale"} & set(scripts["img2img"])
    assert c.post(TXT2IMG, {**SMALL, "alwayson_scripts": FACE}).status_code == 422
    assert "4x-UltraSharp" not in [item["name"] for item in c.get("/sdapi/v1/upscalers").json()]
    assert [item["model_name"] for item in c.get("/sdapi/v1/sd-models").json()] == ["sandbox_sd15"]
    paths = c.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if path.startswith(("/controlnet/", "/adetailer/"))]


def test_upscaler_indices_shift_by_flavour(client: Callable[..., Client]) -> None:
    names = {
        flavour: [item["name"] for item in client(flavour=flavour).get("/sdapi/v1/upscalers").json()]
        for flavour in ("a1111", "forge")
    }
    assert "LDSR" in names["a1111"]
    assert "LDSR" not in names["forge"]
    assert names["a1111"].index("R-ESRGAN 4x+") != names["forge"].index("R-ESRGAN 4x+")
    assert names["a1111"][:3] == ["None", "Lanczos", "Nearest"]


def test_extensions_come_up_later(client: Callable[..., Client]) -> None:
    c = client(extensions_after_s=0.5)
    assert c.get("/sdapi/v1/samplers").ok
    assert c.get("/sdapi/v1/loras").status_code == 404
    assert c.get("/controlnet/version").status_code == 404
    time.sleep(0.6)
    assert c.get("/controlnet/version").ok


def test_the_password_and_its_holes(client: Callable[..., Client]) -> None:
    c = client(api_auth="ann:secret,bob:other")
    refused = c.get("/sdapi/v1/samplers")
    assert refused.status_code == 401
    assert "www-authenticate" not in refused.headers
    assert c.get("/sdapi/v1/samplers", auth=("bob", "other")).ok
    assert (
        c.get("/sdapi/v1/samplers", auth=("ann", "other")).json()["detail"]
        == "Incorrect username or password"
    )
    assert c.post(TXT2IMG, SMALL).status_code == 401
    for path in (
        "/sdapi/v1/loras",
        "/controlnet/version",
        "/adetailer/v1/version",
        "/internal/ping",
        "/openapi.json",
    ):
        assert c.get(path).ok, path
    assert c.get("/sdapi/v1/cmd-flags", auth=("ann", "secret")).json()["api_auth"] == "ann:secret,bob:other"


def test_sandbox_describes_itself(client: Callable[..., Client], tmp_path: Path) -> None:
    c = client()
    c.post(TXT2IMG, {**SMALL, "force_task_id": "mine"})
    told = c.get("/sandbox").json()
    assert told["sandbox"] is True
    assert (told["models_dir"], told["flavour"], told["generations"]) == (str(tmp_path), "a1111", 1)
    assert told["task_ids"] == ["mine"]


def test_server_stop_is_there_only_when_asked_for(client: Callable[..., Client]) -> None:
    assert client().post("/sdapi/v1/server-stop").status_code == 404
    assert client(server_stop=True).post("/sdapi/v1/server-stop").text == "Stopping."


def test_a_taken_port_is_told(client: Callable[..., Client], tmp_path: Path) -> None:
    port = int(client().server.url.rpartition(":")[2])
    with pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1:{port}"):
        SandboxServer(SandboxSettings(port=port, models_dir=tmp_path)).start()


def test_it_starts_within_a_second(tmp_path: Path) -> None:
    started = time.monotonic()
    with SandboxServer(SandboxSettings(models_dir=tmp_path)) as server:
        assert time.monotonic() - started < 1.0
        assert server.url.startswith("http://127.0.0.1:")
    with pytest.raises(SandboxError, match="not running"):
        _ = server.url


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"flavour": "comfy"}, "unknown flavour 'comfy'"),
        ({"profile": "big"}, "unknown profile"),
        ({"port": 99999}, "port 99999"),
        ({"seconds_per_step": -1}, "seconds_per_step"),
        ({"api_auth": "ann"}, "user:password"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SandboxError, match=words):
        SandboxSettings(**settings)


def test_create_app_needs_no_server(tmp_path: Path) -> None:
    app = create_app(SandboxSettings(models_dir=tmp_path))
    assert app.state.sandbox.flavour == "a1111"
