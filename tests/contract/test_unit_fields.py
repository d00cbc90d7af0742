"""Every field a unit can send exists in the extension's own recorded tables."""

from __future__ import annotations

from typing import Any

import pytest

from sdwebui_client.units import ADetailer, ControlNet, UltimateSDUpscale
from sdwebui_client.units.ultimate_upscale import REDRAW_MODES, SEAMS_FIXES, TARGETS
from tests.recorded import recordings
from tests.recorded.replay import fake_png, recorded_caps

EVERYWHERE = ("a1111", "forge", "reforge")


def schema(flavour: str) -> dict[str, Any]:
    return dict(recordings(flavour)["get_ad_schema"].body["properties"])


def script_args(flavour: str, name: str) -> list[dict[str, Any]]:
    rows = recordings(flavour)["get_script_info"].body
    return next(row["args"] for row in rows if row["name"] == name and row["is_img2img"])


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_adetailer_fields_and_switches(flavour: str) -> None:
    assert set(ADetailer.FIELDS.values()) | set(ADetailer.SWITCHES.values()) <= set(schema(flavour))
    assert set(ADetailer.FIELDS) | {"skip_img2img"} == set(ADetailer.model_fields)
    # What is left out is not for requests: the interface's own switch, and a mark that the API sets.
    left = set(schema(flavour)) - set(ADetailer.FIELDS.values()) - set(ADetailer.SWITCHES.values())
    assert left <= {"ad_tab_enable", "is_api"}


def test_adetailer_neutral_values_and_bounds_are_the_servers() -> None:
    table = schema("a1111")
    for ours, theirs in ADetailer.FIELDS.items():
        default = ADetailer.model_fields[ours].default
        if ours in ADetailer.SWITCHES or ours in ("model", "controlnet_model", "controlnet_module"):
            continue
        assert default == table[theirs]["default"], ours
    for value in (-0.01, 1.01):
        with pytest.raises(ValueError, match="confidence"):
            ADetailer.face(confidence=value)


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_controlnet_fields(flavour: str) -> None:
    known = set(script_args("a1111", "controlnet")[0]["value"])
    if flavour != "a1111":
        known = set(script_args(flavour, "controlnet")[0]["value"])
    unit = ControlNet.canny(
        fake_png(64, 64),
        model="control_v11p_sd15_canny",
        processor_res=512,
        threshold_a=100,
        threshold_b=200,
        save_detected_map=False,
    )
    assert set(unit.render(recorded_caps(flavour))) <= known


@pytest.mark.parametrize("flavour", EVERYWHERE)
def test_the_tile_upscales_18_positions(flavour: str) -> None:
    table = script_args(flavour, "ultimate sd upscale")
    args = UltimateSDUpscale().render_args(recorded_caps(flavour))
    assert len(args) == len(table) == 18
    labels = ["Tile width", "Tile height", "Mask blur", "Padding", "Width", "Denoise", "Padding", "Upscaler"]
    assert [row["label"] for row in table[1:9]] == labels
    for value, row in zip(args, table, strict=True):
        if row["choices"]:
            assert isinstance(value, int)
            assert value < len(row["choices"])
        elif row["minimum"] is not None:
            assert row["minimum"] <= value <= row["maximum"]
    assert table[8]["choices"][args[8]] == "4x-UltraSharp"
    assert len(REDRAW_MODES) == len(table[10]["choices"])
    assert len(SEAMS_FIXES) == len(table[13]["choices"])
    assert len(TARGETS) == len(table[14]["choices"])


def test_upscaler_positions_differ_between_servers() -> None:
    place = [UltimateSDUpscale(upscaler="R-ESRGAN 4x+").render_args(recorded_caps(f))[8] for f in EVERYWHERE]
    assert place == [8, 7, 7]


@pytest.mark.parametrize("flavour", EVERYWHERE)
@pytest.mark.parametrize(
    ("case", "fields"),
    [
        ("p09_img2img_tile_usdu_lanczos", {"upscaler": "Lanczos"}),
        ("p09b_img2img_tile_usdu_esrgan", {"upscaler": "4x-UltraSharp"}),
        ("p09c_usdu_target_from_settings", {"upscaler": "Lanczos", "target": "img2img"}),
        ("p09d_usdu_custom_size", {"upscaler": "Lanczos", "target": "custom", "width": 320, "height": 320}),
        (
            "p09e_usdu_save_true_seams",
            {"upscaler": "Lanczos", "save_upscaled": True, "seams_fix": "band_pass"},
        ),
    ],
)
def test_named_fields_give_the_recorded_arguments(flavour: str, case: str, fields: dict[str, Any]) -> None:
    recorded = recordings(flavour)[case].request_json["script_args"]
    same = {"width": 512, "height": 512, "tile_width": 256, "tile_height": 256, **fields}
    assert UltimateSDUpscale(**same).render_args(recorded_caps(flavour)) == recorded
