"""Whether an IP-Adapter has any effect: two small pictures, compared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from sdwebui_client import EncodedImage
from sdwebui_client.capabilities import Capabilities, CheckpointInfo, ControlNetCaps, Flavour
from stages import identity_check
from stages.engine import Made
from stages.errors import StageError
from stages.identity import AdapterChoice
from stages.identity_check import mean_difference, prove_ip_adapter
from stages.plan import Blueprint
from stages.presets import load_preset
from stages.texts import Texts

CHOICE = AdapterChoice("ip-adapter-plus-face_sd15", "clip_h", None)
FACE_ID = AdapterChoice("ip-adapter-faceid_sd15", "face_id", None, "ip-adapter-faceid_sd15_lora", True)


def png(colour: int) -> bytes:
    return EncodedImage.from_pil(Image.new("RGB", (32, 32), (colour, colour, colour))).data


class Engine:
    """Runs what it is given and keeps the call."""

    def __init__(self) -> None:
        self.cancel, self.calls = None, []

    def local(self, call: Any, make: Any) -> Any:
        self.calls.append(call)
        return make()


@pytest.fixture
def probed() -> Any:
    caps = Capabilities(
        Flavour.A1111,
        checkpoints=(CheckpointInfo("m.safetensors [abcdef0123]", "m", hash="abcdef0123"),),
        loaded_checkpoint="m.safetensors [abcdef0123]",
        controlnet=ControlNetCaps(
            (CHOICE.model, FACE_ID.model), ("ip-adapter_clip_sd15", "ip-adapter_face_id"), 3
        ),
    )
    return SimpleNamespace(url="http://gpu:7860", caps=caps, webui=None)


@pytest.fixture
def blueprint() -> Blueprint:
    preset = load_preset("studio-sd15", sets=["identity=both"])
    texts = Texts(preset, "alice", "ohwx person", "person", adapter_loras=(("faceid_lora", 0.6),))
    return Blueprint(preset, texts, (SimpleNamespace(pose="front", tone="warm", rank=0),), "", 7, CHOICE)  # type: ignore[arg-type]


def _prove(
    monkeypatch: pytest.MonkeyPatch, probed: Any, blueprint: Blueprint, *colours: int, choice: Any = CHOICE
) -> tuple[Engine, list[Any]]:
    jobs: list[Any] = []
    answers = iter(colours)

    def run_job(_webui: Any, job: Any, **_: Any) -> Made:
        jobs.append(job)
        return Made({"image": png(next(answers))})

    monkeypatch.setattr(identity_check, "run_job", run_job)
    engine = Engine()
    faces = {"face-1": EncodedImage(png(90))}
    prove_ip_adapter(engine, probed, blueprint, choice, faces)  # type: ignore[arg-type]
    return engine, jobs


def test_a_picture_that_differs_proves_it(
    monkeypatch: pytest.MonkeyPatch, probed: Any, blueprint: Blueprint
) -> None:
    engine, (with_it, without) = _prove(monkeypatch, probed, blueprint, 40, 80)
    assert [unit.model for unit in with_it.units] == [CHOICE.model]
    assert without.units == ()
    assert with_it.request == without.request
    assert "<lora:" not in with_it.request.prompt, "a LoRA would make or hide a difference"
    assert with_it.request.width == 256
    (call,) = engine.calls
    assert call.params["of_server"]["url"] == "http://gpu:7860"
    assert "face-1" in call.inputs


def test_the_same_picture_is_an_error_that_names_the_server(
    monkeypatch: pytest.MonkeyPatch, probed: Any, blueprint: Blueprint
) -> None:
    with pytest.raises(StageError, match="no effect on http://gpu:7860") as caught:
        _prove(monkeypatch, probed, blueprint, 40, 41)
    assert "family" in caught.value.hint


def test_face_id_without_effect_says_insightface(
    monkeypatch: pytest.MonkeyPatch, probed: Any, blueprint: Blueprint
) -> None:
    with pytest.raises(StageError) as caught:
        _prove(monkeypatch, probed, blueprint, 40, 40, choice=FACE_ID)
    assert "insightface" in caught.value.hint
    assert "ip-adapter-plus-face_sd15" in caught.value.hint


def test_the_difference_of_two_pictures() -> None:
    assert mean_difference(png(10), png(10)) == 0
    assert mean_difference(png(10), png(35)) == pytest.approx(25)
    other = EncodedImage.from_pil(Image.new("RGB", (16, 32))).data
    assert mean_difference(png(10), other) == 255
