from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from sdwebui_client.capabilities import (
    ADetailerCaps,
    Capabilities,
    CheckpointInfo,
    ControlNetCaps,
    Flavour,
    LoraInfo,
)
from stages.presets import load_preset
from studio import doctor, extras
from studio.cli import main
from studio.doctor import Check, check_machine, check_preset, check_server, is_ready

FULL = Capabilities(
    Flavour.A1111,
    version="v1.10.1",
    samplers=("Euler a", "DPM++ 2M"),
    schedulers=(("karras", "Karras"),),
    upscalers=("None", "4x-UltraSharp"),
    checkpoints=(CheckpointInfo("model.safetensors [abc]", "model"),),
    loaded_checkpoint="model.safetensors [abc]",
    loras=(LoraInfo("alice"),),
    scripts_img2img=("adetailer", "controlnet", "ultimate sd upscale"),
    scripts_txt2img=("adetailer", "controlnet"),
    controlnet=ControlNetCaps(
        models=("control_v11p_sd15_openpose [1]", "control_v11f1e_sd15_tile [2]"),
        modules=("none", "tile_resample"),
        max_units=3,
    ),
    adetailer=ADetailerCaps("25.3.0", ("face_yolov8n.pt", "hand_yolov8n.pt"), frozenset(), 2),
)


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_this_machine_is_ready(tmp_path: Path) -> None:
    checks = check_machine(tmp_path / "not" / "there" / "yet")
    assert is_ready(checks)
    assert {"Python", "face models", "JPEG photos", "HEIC photos", "disk", "[profile]"} <= set(
        by_name(checks)
    )


def test_a_missing_package_names_the_setup_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.EXTRAS, "sandbox", ("starlette", "no_such_module"))
    check = by_name(check_machine(tmp_path))["[sandbox]"]
    assert check.status == "missing"
    assert "no_such_module" in check.detail
    assert "starlette" not in check.detail
    assert "scripts/setup.sh" in check.advice


def test_a_full_disk_is_worth_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOW_DISK_BYTES", 10**18)
    check = by_name(check_machine(tmp_path))["disk"]
    assert check.status == "note"
    assert check.advice


def test_a_webui_is_described() -> None:
    checks = by_name(check_server("http://gpu", FULL, None, "alice"))
    assert "v1.10.1" in checks["API"].detail
    assert checks["LoRAs"].detail == "1: alice"
    assert "the person's LoRA" not in checks


def test_a_long_list_is_cut() -> None:
    caps = Capabilities(Flavour.A1111, samplers=tuple(f"s{n}" for n in range(20)))
    assert (
        by_name(check_server("http://gpu", caps, None))["samplers"].detail == "20: s0, s1, s2, s3 and 16 more"
    )


def test_a_lora_that_would_be_trained_has_to_be_published_somewhere(tmp_path: Path) -> None:
    found = by_name(check_server("u", FULL, None))
    assert found["the person's LoRA"].status == "ok"
    assert "trained" in found["the person's LoRA"].detail
    assert found["models folder"].status == "note"
    assert "--models-dir" in found["models folder"].advice
    (tmp_path / "Lora").mkdir()
    assert "models folder" not in by_name(check_server("u", FULL, tmp_path))
    sandbox = Capabilities(Flavour.A1111, sandbox=True)
    assert by_name(check_server("u", sandbox, None))["the person's LoRA"].status == "ok"


def test_a_models_folder_without_lora_in_it_is_the_wrong_one(tmp_path: Path) -> None:
    assert by_name(check_server("u", FULL, tmp_path))["models folder"].status == "missing"
    (tmp_path / "Lora").mkdir()
    assert "models folder" not in by_name(check_server("u", FULL, tmp_path))


def test_a_part_that_still_starts_is_a_note() -> None:
    caps = Capabilities(Flavour.A1111, still_starting=("controlnet",))
    assert by_name(check_server("u", caps, None))["controlnet"].status == "note"


def test_a_bare_webui_lacks_what_the_preset_names() -> None:
    bare = Capabilities(Flavour.A1111, version="v1.10.1", samplers=("Euler a",))
    checks = check_preset("http://gpu", load_preset("studio-sd15"), bare)
    assert not is_ready(checks)
    text = "\n".join(f"{check.name} {check.detail}" for check in checks)
    for thing in ("sampler", "ControlNet", "ADetailer"):
        assert thing in text


def test_a_lora_that_is_not_there_is_missing() -> None:
    checks = check_preset("http://gpu", load_preset("studio-sd15"), FULL, "alicia")
    assert any("alicia" in check.detail and "alice" in check.detail for check in checks)


def test_the_command_on_the_sandbox(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--webui", "sandbox", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "sdwebui-doctor/1"
    assert report["ready"] is True
    assert any(check["name"] == "everything it names" for check in report["checks"])


def test_the_command_on_a_server_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert main(["doctor", "--webui", url]) == 3
    shown = capsys.readouterr().out
    assert url in shown
    assert "MISSING" in shown
    assert "face models" in shown


@pytest.mark.parametrize("preset", ["nope", "studio-sd51"])
def test_the_command_with_a_wrong_preset(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--preset", preset]) == 2
    assert preset in capsys.readouterr().err
