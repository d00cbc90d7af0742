"""What `doctor` says of IP-Adapters and of the user's own face detector."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdwebui_client.capabilities import Capabilities, ControlNetCaps, Flavour, LoraInfo
from studio.doctor import check_machine, check_server, is_ready
from studio.doctor_identity import check_ip_adapters


def caps(*models: str, loras: tuple[str, ...] = ()) -> Capabilities:
    modules = ("none", "ip-adapter_clip_sd15", "ip-adapter_face_id_plus")
    return Capabilities(
        Flavour.A1111,
        loras=tuple(LoraInfo(name) for name in loras),
        controlnet=ControlNetCaps(models, modules, 3),
    )


def test_none_is_a_note_that_says_what_to_download() -> None:
    check = check_ip_adapters("WebUI", caps())
    assert check.status == "note"
    assert "ip-adapter-plus-face_sd15" in check.advice
    assert "models/ControlNet" in check.advice


def test_those_there_are_named_and_the_one_that_would_be_taken() -> None:
    check = check_ip_adapters(
        "WebUI", caps("ip-adapter_sd15 [0a0a0a0a]", "ip-adapter-plus-face_sd15 [1b1b1b1b]")
    )
    assert check.status == "ok"
    assert check.detail.startswith("2: ")
    assert check.detail.endswith("would be taken: ip-adapter-plus-face_sd15 (sd15)")


def test_face_id_is_said_to_be_non_commercial() -> None:
    name = "ip-adapter-faceid-plusv2_sd15"
    check = check_ip_adapters("WebUI", caps(name, loras=(f"{name}_lora",)))
    assert check.status == "note"
    assert "non-commercial" in check.advice
    assert "insightface" in check.advice


def test_a_server_without_controlnet_is_still_ready() -> None:
    checks = check_server("http://gpu", Capabilities(Flavour.A1111), None, "alice")
    found = {check.name: check for check in checks}["IP-Adapters"]
    assert found.status == "note"
    assert is_ready(checks)


def test_the_users_own_weights_are_named_with_their_risk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "face_yolov8n.pt"
    weights.write_bytes(b"hello")
    monkeypatch.setenv("SDWEBUI_FACE_YOLO", str(weights))
    checks = {check.name: check for check in check_machine(tmp_path)}
    assert "pickle" in checks["face detector"].advice
    assert checks["face models"].status == "missing", "no YOLO weights, or no ultralytics"


def test_weights_that_are_not_there_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDWEBUI_FACE_YOLO", str(tmp_path / "gone.pt"))
    checks = {check.name: check for check in check_machine(tmp_path)}
    assert checks["face detector"].status == "missing"
    assert "face_yolov8n.pt" in checks["face detector"].advice
