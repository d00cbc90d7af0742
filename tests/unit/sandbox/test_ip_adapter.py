"""IP-Adapter units in the sandbox: who is drawn, and when it is silently not done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faces import Person, crop_upright, detect, embed
from sdwebui_client import ControlNet, EncodedImage, WebUI
from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from sdwebui_client.sandbox.ip_adapter import is_ip_adapter, is_module, runs
from sdwebui_client.sandbox.render.shown import person_shown

PHOTO = Path(__file__).parents[3] / "examples" / "photos" / "01-portrait.jpg"
MODEL = "ip-adapter-plus-face_sd15"
MODULES = {"a1111": "ip-adapter_clip_sd15", "forge": "CLIP-ViT-H (IPAdapter)"}


@pytest.fixture(scope="module")
def face() -> EncodedImage:
    pixels = np.asarray(Image.open(PHOTO).convert("RGB"))
    crop = crop_upright(pixels, detect(pixels)[0], size=(512, 512), eyes_at=(256, 225), span_px=118)
    return EncodedImage.from_pil(Image.fromarray(crop))


@pytest.fixture(scope="module")
def person(face: EncodedImage) -> Person:
    image = face.open().convert("RGB")
    return Person.from_embeddings([embed(image, detect(image)[0])])


@pytest.fixture(scope="module", params=["a1111", "forge"])
def webui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebUI]:
    settings = SandboxSettings(
        models_dir=tmp_path_factory.mktemp("models"), seconds_per_step=0.0, flavour=request.param
    )
    with SandboxServer(settings) as server, WebUI(server.url) as client:
        yield client


def _drawn(webui: WebUI, *units: ControlNet, seed: int = 1) -> Any:
    result = webui.txt2img(prompt="photo of a person", width=256, height=384, steps=4, seed=seed, units=units)
    return result.images[0]


def _pixels(picture: EncodedImage) -> bytes:
    """Without the infotext, which lists a unit that did nothing too."""
    return picture.open().convert("RGB").tobytes()


def _unit(webui: WebUI, face: EncodedImage, **fields: Any) -> ControlNet:
    module = MODULES[str(webui.capabilities().flavour)]
    return ControlNet(image=face, **{"model": MODEL, "module": module, "save_detected_map": False, **fields})


def test_the_person_of_the_picture_is_drawn(webui: WebUI, face: EncodedImage, person: Person) -> None:
    shown = [_drawn(webui, _unit(webui, face), seed=seed) for seed in range(1, 4)]
    likeness = [person.score(picture.open().convert("RGB")).score for picture in shown]
    assert max(likeness) > 0.7
    assert person.score(_drawn(webui).open().convert("RGB")).score < 0.4


def test_a_preprocessor_of_another_model_changes_nothing(webui: WebUI, face: EncodedImage) -> None:
    wrong = "ip-adapter_clip_sdxl" if webui.capabilities().flavour == "a1111" else "CLIP-ViT-bigG (IPAdapter)"
    assert _pixels(_drawn(webui, _unit(webui, face, module=wrong))) == _pixels(_drawn(webui))


def test_a_picture_without_a_face_shows_nobody(webui: WebUI) -> None:
    grey = EncodedImage.from_pil(Image.new("RGB", (256, 256), "grey"))
    assert _pixels(_drawn(webui, _unit(webui, grey))) == _pixels(_drawn(webui))


@pytest.mark.parametrize(
    ("module", "model", "works"),
    [
        ("ip-adapter_clip_sd15", "ip-adapter-plus-face_sd15 [0123abcd]", True),
        ("ip-adapter-auto", "ip-adapter-plus-face_sd15", True),
        ("CLIP-ViT-H (IPAdapter)", "ip-adapter-plus-face_sdxl_vit-h", True),
        ("ip-adapter_clip_sdxl", "ip-adapter_sdxl", True),
        ("ip-adapter_clip_sd15", "ip-adapter_sdxl", False),
        ("ip-adapter_clip_sdxl", "ip-adapter-plus-face_sd15", False),
        ("ip-adapter_face_id_plus", "ip-adapter-faceid-plusv2_sd15", False),
        ("ip-adapter-auto", "ip-adapter-faceid-plusv2_sd15", False),
        ("ip-adapter_clip_sd15", "control_v11p_sd15_openpose", False),
        ("none", "ip-adapter-plus-face_sd15", False),
    ],
)
def test_which_pairs_run(module: str, model: str, works: bool) -> None:
    assert runs(module, model) is works


def test_what_belongs_to_an_ip_adapter() -> None:
    assert is_ip_adapter("ip-adapter_sd15 [0]")
    assert not is_ip_adapter("control_v11p_sd15_openpose")
    assert is_module("ip-adapter-auto")
    assert is_module("InsightFace+CLIP-H (IPAdapter)")
    assert not is_module("openpose_full")
    assert not is_module("none")


def test_equal_pictures_are_one_person(face: EncodedImage) -> None:
    pixels = np.asarray(face.open().convert("RGB"))
    found = person_shown(pixels)
    assert found is not None
    assert found is person_shown(pixels.copy())
    assert 0.1 < (found.mask > 128).mean() < 0.9
    assert person_shown(np.full((64, 64, 3), 128, np.uint8)) is None
