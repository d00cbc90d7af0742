"""The sandbox as SD.Next: the same status and the same pictures as recorded, on the routes it plays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from sdwebui_client.sandbox import SandboxServer, SandboxSettings, sdnext_job
from sdwebui_client.sandbox.render import Picture, Scene
from tests.contract import sandbox_replay as replay
from tests.recorded import Recording, recordings
from tests.unit.sandbox.support import wait_for

PLAYED = (
    "txt2img",
    "img2img",
    "control",
    "options",
    "samplers",
    "sd-models",
    "loras",
    "upscalers",
    "detailers",
)
BEFORE = "the recording shows the picture of the request before; see test_a_unit_takes_the_last_picture"
SCRIPTS = "no selectable script of SD.Next is played"
INTERRUPTED = "another request interrupted or skipped it; see test_interrupted_jobs"
PATCHED = "recorded on a server whose /control had been mended"
LATER = "an earlier request of the recorded session decides"
_LISTED = {
    BEFORE: "c02d_image_alias c02f_no_image c20c_no_image c03h_process_weights_missing_image",
    SCRIPTS: "e05c_usdu_args_short e05d_usdu_args_long e05e_usdu_no_args e05f_usdu_bad_upscaler_index "
    "e05k_usdu_a1111_args_own_name p09s_img2img_usdu_native p09t_img2img_usdu_native_esrgan "
    "p09u_img2img_usdu_upscaler_by_name p09x_sd_upscale_script",
    INTERRUPTED: "j02_interrupted_txt2img j03_interrupted_niter3 j04_skip_niter2 j06_interrupted_control_cn "
    "j06b_interrupted_in_detailer j08_queue_a",
    PATCHED: "k01_control_openpose k02_inputs k03_inputs_canny k04_inputs_img2img_no_unit k05_inits "
    "k06_tile_cn_img2img k07_usdu_control k08_usdu_tile_cn k09_tile_cn_resize_before k10_bad_input "
    "k11_usdu_lora_detailer_img2img k12_img2img_usdu_seams",
    LATER: "p13d3_after",
    "the password is asked for before the body is read": "a_webui_none_txt2img_invalid_body",
    "other unit types than ControlNet are not played": "c03d_bad_unit_type",
    "resizing after the generation is not played": "c10_after_resize_upscale",
    "uploads are not played": "e04o_upload_ref_missing",
    "218 kB that no client here reads": "get_options_info",
    "detections are not shown as pictures": "p03x_txt2img_detailer_include_detections",
    "grids are not made": "p11c_batch2_save",
}
DEVIATIONS = {name: reason for reason, names in _LISTED.items() for name in names.split()}


def _cases() -> Iterator[object]:
    for name, case in recordings("sdnext").items():
        if case.is_exchange and case.path.partition("?")[0].startswith(
            tuple(f"/sdapi/v1/{p}" for p in PLAYED)
        ):
            yield pytest.param(case, id=name)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    def flat(scene: Scene) -> Picture:
        return np.full((scene.height, scene.width, 3), 128, np.uint8)

    folder: Path = tmp_path_factory.mktemp("sdnext")
    replay.write_lora(folder / "Lora", "facelora", "ohwx_woman_v2")
    replay.write_lora(folder / "Lora", "randlora", "randlora")
    settings = SandboxSettings(flavour="sdnext", profile="recorded", models_dir=folder, seconds_per_step=0.0)
    with pytest.MonkeyPatch.context() as patch, SandboxServer(settings) as server:
        patch.setattr(sdnext_job, "draw", flat)
        yield server


@pytest.fixture(scope="module")
def guarded(server: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    folder = tmp_path_factory.mktemp("guarded")
    settings = SandboxSettings(
        flavour="sdnext", profile="recorded", models_dir=folder, api_auth="user:secret"
    )
    with SandboxServer(settings) as made:
        yield made


@pytest.mark.parametrize("case", list(_cases()))
def test_answers_as_recorded(case: Recording, server: SandboxServer, guarded: SandboxServer) -> None:
    server = guarded if case.name.startswith("a_") else server
    server.sandbox.reset()
    server.sandbox.options.saved = server.sandbox.first_options()
    with requests.Session() as session:
        answer = replay.send(session, server.url, case)
    found = [f"status {answer.status}, recorded {case.status}"] if answer.status != case.status else []
    if not found and isinstance(case.body, dict) and isinstance(answer.body, dict):
        found += [f"key {key}" for key in set(case.body) ^ set(answer.body)]
        for key in ("images", "processed"):
            sizes = [
                [replay.image_facts(item).split()[1] for item in body.get(key) or ()]
                for body in (case.body, answer.body)
            ]
            if sizes[0] != sizes[1]:
                found.append(f"{key}: {sizes[1]}, recorded {sizes[0]}")
    reason = DEVIATIONS.get(case.name)
    if reason is None:
        assert not found, "; ".join(found)
    else:
        assert found, f"{case.name} answers as recorded now; take it off DEVIATIONS ({reason})"


def _post(server: SandboxServer, path: str, body: object) -> requests.Response:
    return requests.post(f"{server.url}/sdapi/v1/{path}", json=body, timeout=20)


UNIT = {"process": "None", "model": "control_v11p_sd15_openpose"}
SMALL = {"prompt": "x", "steps": 2, "seed": 1}


def test_a_unit_takes_the_last_picture(server: SandboxServer) -> None:
    server.sandbox.reset()
    body = {**SMALL, "width_before": 128, "height_before": 128, "xyz": {}}
    assert _post(server, "control", {**body, "control": [UNIT]}).json()["processed"] == []
    given = {**UNIT, "override": replay.picture("png", 64, 64, "RGB")}
    first = _post(server, "control", {**body, "control": [given]}).json()["processed"]
    assert len(first) == 2
    assert _post(server, "control", {**body, "control": [UNIT]}).json()["processed"] == first


def test_a_missing_checkpoint_unloads_the_model(server: SandboxServer) -> None:
    assert _post(server, "options", {"sd_model_checkpoint": "nope"}).json() == {
        "updated": [{"sd_model_checkpoint": True}]
    }
    assert _post(server, "txt2img", {**SMALL, "width": 64, "height": 64}).json()["images"] == []
    _post(server, "options", {"sd_model_checkpoint": "Diffusers/tinyA"})
    assert _post(server, "txt2img", {**SMALL, "width": 64, "height": 64}).json()["images"]


def test_pictures_are_jpeg_until_the_option_says_png(server: SandboxServer) -> None:
    server.sandbox.options.saved = server.sandbox.first_options()
    body = {**SMALL, "width": 64, "height": 64}
    assert replay.image_facts(_post(server, "txt2img", body).json()["images"][0]).startswith("jpeg")
    _post(server, "options", {"samples_format": "png"})
    assert replay.image_facts(_post(server, "txt2img", body).json()["images"][0]).startswith("png")


def test_a_lora_is_found_by_its_exact_stem_only(server: SandboxServer) -> None:
    body = {**SMALL, "width": 64, "height": 64}
    texts = {
        name: _post(server, "txt2img", {**body, "prompt": f"<lora:{name}:1>"}).json()["info"]
        for name in ("facelora", "ohwx_woman_v2", "FaceLora")
    }
    assert "LoRA networks: facelora" in texts["facelora"]
    assert "LoRA networks" not in texts["ohwx_woman_v2"] + texts["FaceLora"]


def test_interrupted_jobs(tmp_path: Path) -> None:
    settings = SandboxSettings(flavour="sdnext", models_dir=tmp_path, seconds_per_step=0.05)
    with SandboxServer(settings) as server:
        answers: list[requests.Response] = []
        body = {**SMALL, "steps": 100, "width": 192, "height": 192}
        thread = threading.Thread(target=lambda: answers.append(_post(server, "txt2img", body)))
        thread.start()
        wait_for(lambda: server.sandbox.progress.sampling_step > 1)
        running = requests.get(f"{server.url}/sdapi/v1/progress", timeout=5).json()
        assert running["id"]
        assert running["state"]["job"] == "Inference"
        assert _post(server, "interrupt", None).status_code == 204
        thread.join()
    assert [replay.image_facts(item) for item in answers[0].json()["images"]] == ["jpeg 512x512 RGB"]
