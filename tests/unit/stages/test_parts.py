"""Small parts of the recipe:
names, identities of servers and LoRAs, requests as they are kept, the upscaler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from sdwebui_client import Capabilities, EncodedImage
from sdwebui_client.capabilities import CheckpointInfo, Flavour, LoraInfo
from stages.errors import LikenessNotReached, PlanError, StageError
from stages.lib.upscale import choose_upscaler
from stages.lora import lora_identity, models_folder, named_lora, slug
from stages.plan import stand_in, with_lora
from stages.presets import load_preset
from stages.provenance import summarise_request
from stages.servers import Probed, model_hash, server_identity, with_reported_model
from stages.texts import FROM_PHOTO, Texts
from stages.training.trainers import is_sandbox, must_suit

HASHED = CheckpointInfo(
    "real.safetensors [abcdef0123]", "real", "/m/real.safetensors", "abcdef0123", "abcdef0123" + "4" * 54
)
FRESH = CheckpointInfo("fresh.safetensors", "fresh", "/m/fresh.safetensors", None, None)


def _caps(**fields: Any) -> Capabilities:
    given: dict[str, Any] = {"checkpoints": (HASHED, FRESH), "loaded_checkpoint": HASHED.title}
    return Capabilities(Flavour.A1111, **{**given, **fields})


def _probed(caps: Capabilities) -> Probed:
    return Probed(SimpleNamespace(url="http://gpu:7860"), caps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("alice", "alice"),
        ("Alice_2-b", "Alice_2-b"),
        ("Jean Luc", "Jean-Luc-"),
        ("지민", "person-"),
        ("../../etc", "etc-"),
        ("<lora:x:9>", "lora-x-9-"),
    ],
)
def test_a_persons_name_becomes_a_file_name(text: str, name: str) -> None:
    made = slug(text)
    assert made.startswith(name)
    assert made.isascii()
    assert len(made) <= 47
    assert made == slug(text)


def test_different_names_stay_different() -> None:
    assert slug("지민") != slug("지은")
    assert slug("a b") != slug("a-b")


def test_the_model_is_told_by_its_hash() -> None:
    assert model_hash(_caps(), None) == "abcdef0123"
    for form in ("real", "real.safetensors", HASHED.title, "abcdef0123", HASHED.sha256):
        assert model_hash(_caps(loaded_checkpoint=FRESH.title), form) == "abcdef0123"


def test_a_model_that_was_never_loaded_is_told_by_the_answer() -> None:
    identity = server_identity(_caps(), "fresh")
    assert identity["model"] is None
    assert with_reported_model(identity, "0123456789")["model"] == "0123456789"
    assert with_reported_model(server_identity(_caps(), None), None)["model"] == "abcdef0123"


def test_a_picture_is_kept_under_the_model_that_drew_it() -> None:
    """Somebody else may have loaded another checkpoint after the server was probed."""
    assert with_reported_model(server_identity(_caps(), None), "0123456789")["model"] == "0123456789"


def test_what_nobody_can_identify_is_never_taken_for_the_same() -> None:
    identity = server_identity(_caps(loaded_checkpoint=None), None)
    first, second = (with_reported_model(identity, None)["model"] for _ in range(2))
    assert first != second


def test_a_sandbox_and_a_real_server_never_share_results() -> None:
    assert server_identity(_caps(), None) != server_identity(_caps(sandbox=True), None)


def test_the_sandbox_and_a_real_server_are_not_mixed() -> None:
    assert is_sandbox([_probed(_caps(sandbox=True))])
    assert not is_sandbox([_probed(_caps())])
    assert not is_sandbox([])
    with pytest.raises(StageError, match="no LoRA suits both"):
        is_sandbox([_probed(_caps(sandbox=True)), _probed(_caps())])


def test_a_named_lora_brings_its_words_and_its_weight() -> None:
    metadata = {"ss_trigger": "qzv woman", "ss_chosen_weight": "0.9"}
    caps = replace(_caps(), loras=(LoraInfo(name="alice", metadata=metadata),))
    lora = named_lora("alice", [_probed(caps)])
    assert (lora.trigger, lora.weight) == ("qzv woman", 0.9)
    for nonsense in ("", "high", "nan", "-1", "7"):
        caps = replace(_caps(), loras=(LoraInfo(name="alice", metadata={"ss_chosen_weight": nonsense}),))
        assert named_lora("alice", [_probed(caps)]).weight is None


def test_a_real_server_does_not_tell_where_its_models_are(tmp_path: Any) -> None:
    with pytest.raises(StageError, match="--models-dir"):
        models_folder(_probed(_caps()), None)
    assert models_folder(_probed(_caps()), tmp_path) == tmp_path


def test_a_named_lora_is_another_one_when_its_metadata_change() -> None:
    one = _caps(loras=(LoraInfo("alice", metadata={"ss_steps": "1000", "sshs_model_hash": "ab" * 32}),))
    two = _caps(loras=(LoraInfo("alice", metadata={"ss_steps": "1200"}),))
    first, second = named_lora("alice", [_probed(one)]), named_lora("alice", [_probed(two)])
    assert first.identity != second.identity
    assert first.sha256 == "ab" * 32
    assert second.sha256 is None
    assert first.identity == lora_identity("alice", {"sshs_model_hash": "ab" * 32, "ss_steps": "1000"})


def test_a_lora_that_will_be_published_counts_as_there() -> None:
    caps = with_lora(_caps(), "alice")
    assert "alice" in caps.lora_names()
    assert with_lora(caps, "alice") is caps


def test_a_fallback_upscaler_only_when_the_preset_lists_it() -> None:
    plain = load_preset("studio-sd15").upscale
    listed = load_preset(
        "studio-sd15", sets=["stages.upscale.fallback_upscalers=[R-ESRGAN 4x+, Lanczos]"]
    ).upscale
    assert plain is not None
    assert listed is not None
    poor = _caps(upscalers=("None", "Lanczos"))
    assert choose_upscaler(plain, [poor]) == "4x-UltraSharp"
    assert choose_upscaler(listed, [poor]) == "Lanczos"
    assert choose_upscaler(listed, [poor, _caps(upscalers=("4x-UltraSharp",))]) == "4x-UltraSharp"


def test_pictures_in_a_request_are_kept_by_their_hash() -> None:
    picture = EncodedImage.from_pil(Image.effect_noise((32, 32), 50))
    payload = {
        "force_task_id": "task(random)",
        "prompt": "long " * 200,
        "init_images": [picture],
        "scripts": {"args": [True, {"image": picture.to_base64()}]},
    }
    kept = summarise_request(payload)
    assert kept == {
        "prompt": "long " * 200,
        "init_images": [{"picture": picture.sha256}],
        "scripts": {"args": [True, {"image": {"picture": picture.sha256}}]},
    }


def test_the_stand_in_for_a_picture_has_its_size() -> None:
    assert stand_in((512, 768)).size == (512, 768)
    assert stand_in((512, 768)).format == "PNG"


def _texts(**sets: str) -> Texts:
    preset = load_preset(
        "studio-sd15", sets=[f"{name.replace('__', '.')}={value}" for name, value in sets.items()]
    )
    return Texts(preset, "alice", "ohwx person", "woman", available_loras={"alice"})


def test_the_lora_stands_in_the_face_prompt_at_its_own_weight_and_not_in_the_hands() -> None:
    texts = _texts()
    stage = texts.preset.txt2img
    assert stage.adetailer is not None
    assert stage.adetailer.face is not None
    assert stage.adetailer.hand is not None
    assert "<lora:alice:0.8>" in texts.main(stage, pose="front", tone=None).positive
    assert "<lora:alice:0.9>" in texts.face(stage, stage.adetailer.face, pose="front", tone=None).positive
    assert "<lora:" not in texts.hand(stage, stage.adetailer.hand, pose="front", tone=None).positive


def test_a_weight_of_zero_leaves_the_lora_out() -> None:
    texts = _texts(lora__weight="0.0")
    assert "<lora:" not in texts.main(texts.preset.txt2img, pose="front", tone=None).positive


def test_a_pose_of_a_photo_has_no_words() -> None:
    texts = _texts()
    assert texts.pose(FROM_PHOTO) is None
    assert "facing the camera" not in texts.main(texts.preset.txt2img, pose=FROM_PHOTO, tone=None).positive


def test_loras_of_the_mix_that_are_not_there_are_reported() -> None:
    texts = _texts(mix="detail")
    assert texts.left_out()
    assert all(
        name not in texts.main(texts.preset.txt2img, pose="front", tone=None).positive
        for name in texts.left_out()
    )


def test_errors_say_what_to_do() -> None:
    error = PlanError({"http://gpu:7860": ("ADetailer: missing", "upscaler: missing")})
    assert "http://gpu:7860:\n  - ADetailer: missing\n  - upscaler: missing" in str(error)
    assert "doctor" in error.hint
    none = LikenessNotReached(best=None, asked=0.5, out_dir=Path("out"))
    assert "no face was found in any picture" in str(none)
    assert "report.html" in none.hint
    blurred = LikenessNotReached(best=0.9, asked=0.5, out_dir=Path("out"), reason="the face is not sharp")
    assert "likeness of 0.90: the face is not sharp" in str(blurred)


def test_a_likeness_just_below_is_not_shown_as_reached() -> None:
    told = str(LikenessNotReached(best=0.998, asked=1.0, out_dir=Path("out")))
    assert "asked likeness of 1.000: the best reached 0.998" in told


class _Backend:
    def __init__(self, *, sandbox: bool) -> None:
        self.sandbox = sandbox


def test_a_stand_in_is_for_the_sandbox_and_a_real_lora_for_a_real_webui() -> None:
    must_suit(_Backend(sandbox=True), sandbox=True)  # type: ignore[arg-type]
    must_suit(_Backend(sandbox=False), sandbox=False)  # type: ignore[arg-type]
    with pytest.raises(StageError, match="really trained") as told:
        must_suit(_Backend(sandbox=False), sandbox=True)  # type: ignore[arg-type]
    assert "train-lora" in told.value.hint
    with pytest.raises(StageError, match="stand-in"):
        must_suit(_Backend(sandbox=True), sandbox=False)  # type: ignore[arg-type]
