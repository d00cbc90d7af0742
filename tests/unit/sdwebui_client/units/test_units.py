"""ADetailer, ControlNet and generic units by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from sdwebui_client._expect import ordinal_suffix, pixels_differ
from sdwebui_client.errors import InvalidRequest
from sdwebui_client.images import EncodedImage
from sdwebui_client.units import ADetailer, AlwaysOnScript, ControlNet, Script, UltimateSDUpscale, Unit
from tests.recorded.replay import fake_png, recorded_caps

A1111 = recorded_caps("a1111")
POSE = EncodedImage(fake_png(64, 64))


@pytest.mark.parametrize("unit", [ADetailer.face(), ControlNet(model="x"), AlwaysOnScript(name="x")])
def test_units_keep_the_protocol(unit: Unit) -> None:
    assert isinstance(unit, Unit)
    assert isinstance(UltimateSDUpscale(), Script)


def test_only_what_was_set_is_sent() -> None:
    assert ADetailer.face().render(A1111) == {"ad_model": "face_yolov8n.pt"}
    assert ADetailer.hand(confidence=0.3).render(A1111) == {
        "ad_model": "hand_yolov8n.pt",
        "ad_confidence": 0.3,
    }
    assert ADetailer.any("mediapipe_face_full").render(A1111) == {"ad_model": "mediapipe_face_full"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        # What the usual client sends, and the server silently drops the unit for (adetailer@25.3.0).
        (lambda: ADetailer.face(ad_mask_k_largest=0), 'did you mean "mask_k"'),
        (lambda: ADetailer.face(denoising_strength=1.5), "denoising_strength"),
        (lambda: ADetailer.face(mask_merge_invert="Both"), "mask_merge_invert"),
        (lambda: ControlNet(model="x", weight=2.5), "weight"),
        (lambda: ControlNet(model="x", guidance_start=0.9, guidance_end=0.1), "after guidance_end"),
        (lambda: ControlNet(model="x", resize_mode=1), "resize_mode"),
        (lambda: ControlNet(model="x", control_mode=0), "control_mode"),
        (lambda: ControlNet(model="x", input_image="x"), "input_image is no field"),
        (lambda: ControlNet(model="x", image=b"zzz"), "no PNG"),
        (lambda: AlwaysOnScript(name=""), "name"),
    ],
)
def test_closed_models(make: Any, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert words in str(caught.value)


def test_units_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ADetailer.face().prompt = "x"


@pytest.mark.parametrize(
    ("unit", "kind", "module"),
    [
        (ControlNet.openpose(POSE), "openpose", "none"),
        (ControlNet.tile(), "tile", "tile_resample"),
        (ControlNet.canny(POSE), "canny", "canny"),
        (ControlNet.depth(POSE), "depth", "depth_midas"),
        (ControlNet.ip_adapter(POSE), "ip-adapter", "ip-adapter-auto"),
    ],
)
def test_ready_made_units(unit: ControlNet, kind: str, module: str) -> None:
    assert (unit.kind, unit.module) == (kind, module)


def test_enabled_is_always_said() -> None:
    for flavour in ("a1111", "forge", "reforge"):
        assert ControlNet.openpose(POSE).render(recorded_caps(flavour))["enabled"] is True


def test_a_map_is_not_expected_of_modules_without_one() -> None:
    assert ControlNet.openpose(POSE).brings_map
    assert not ControlNet.ip_adapter(POSE).brings_map
    assert not ControlNet.openpose(POSE, save_detected_map=False).brings_map


@pytest.mark.parametrize(
    ("index", "suffix"),
    [(0, ""), (1, " 2nd"), (2, " 3rd"), (3, " 4th"), (10, " 11th"), (20, " 21st"), (21, " 22nd")],
)
def test_ordinals(index: int, suffix: str) -> None:
    assert ordinal_suffix(index) == suffix


def test_pixels_are_compared_and_not_bytes() -> None:
    rgb, rgba = EncodedImage(fake_png(8, 8)), EncodedImage(fake_png(8, 8, "RGBA"))
    assert rgb.data != rgba.data
    assert not pixels_differ(rgb, rgba)
    assert pixels_differ(rgb, EncodedImage(fake_png(8, 8, salt=1)))
    assert pixels_differ(rgb, EncodedImage(fake_png(8, 16)))
