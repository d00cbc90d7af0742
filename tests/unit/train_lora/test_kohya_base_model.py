from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.unit.train_lora._safetensors_files import UNET, Tensors, checkpoint, header_of, write_file
from train_lora.backends.kohya.base_model import BaseModel, inspect_base_model, inspect_header, require_family
from train_lora.errors import TrainError

SDXL = checkpoint(2048, te="conditioner.embedders.0.")


@pytest.mark.parametrize(
    ("tensors", "family"),
    [(checkpoint(768), "sd15"), (checkpoint(1024, te="cond_stage_model.model."), "sd2"), (SDXL, "sdxl")],
)
def test_families_by_the_width_of_the_text(tmp_path: Path, tensors: Tensors, family: str) -> None:
    path = write_file(tmp_path / "model.safetensors", tensors)
    model = inspect_base_model(path)
    assert model == BaseModel(family, "safetensors", "F16", 5, path.stat().st_size, None)  # type: ignore[arg-type]
    assert inspect_header(header_of(tensors)).family == family


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F8_E4M3"])
def test_numbers_it_is_stored_in(dtype: str) -> None:
    assert inspect_header(header_of(checkpoint(dtype=dtype))).dtype == dtype


def test_a_header_alone_says_the_size_of_its_tensors() -> None:
    header = header_of(checkpoint())
    assert inspect_header(header).bytes == max(entry["data_offsets"][1] for entry in header.values())
    assert inspect_header({**header, "__metadata__": {}}).tensors == 5


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, None),
        ({"modelspec.prediction_type": "epsilon"}, False),
        ({"modelspec.prediction_type": "v"}, True),
    ],
)
def test_prediction_stated_by_the_file(metadata: dict[str, str], expected: bool | None) -> None:
    assert inspect_header(header_of(SDXL), metadata=metadata).v_prediction is expected


def test_prediction_marked_by_a_tensor() -> None:
    model = inspect_header(header_of({**SDXL, "v_pred": ("F32", [0])}))
    assert model.v_prediction is True
    with pytest.raises(TrainError, match="predicts v instead of noise"):
        require_family(model, "sdxl")


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (checkpoint(channels=9), "an inpainting model"),
        (checkpoint(channels=8), "an instruct-pix2pix model"),
        (checkpoint(channels=5), "a depth model"),
        (checkpoint(channels=12), "12 input channels"),
        (checkpoint(1280), "SDXL's refiner"),
        (checkpoint(999), "no known family"),
        ({"lora_unet_mid_block_attentions_0_proj_in.alpha": ("F16", [])}, "a LoRA"),
        ({"unet.x.lora_A.weight": ("F16", [4])}, "a LoRA"),
        ({"control_model.input_blocks.0.0.weight": ("F16", [4])}, "a ControlNet"),
        ({"controlnet_cond_embedding.conv_in.weight": ("F16", [4])}, "a ControlNet"),
        ({"emb_params": ("F16", [3, 768])}, "a textual inversion"),
        ({"model.diffusion_model.double_blocks.0.x": ("F16", [4])}, "a Flux model"),
        ({"model.diffusion_model.joint_blocks.0.x": ("F16", [4])}, "a Stable Diffusion 3 model"),
        ({"down_blocks.0.x": ("F16", [4])}, "only the U-Net of a diffusers folder"),
        ({"text_model.encoder.x": ("F16", [4])}, "only a text encoder"),
        ({"first_stage_model.decoder.x": ("F16", [4])}, "only a VAE"),
        ({"something.else": ("F16", [4])}, "no Stable Diffusion checkpoint"),
        ({}, "no Stable Diffusion checkpoint"),
    ],
)
def test_what_is_no_base_model(tmp_path: Path, tensors: Tensors, words: str) -> None:
    path = write_file(tmp_path / "thing.safetensors", tensors)
    with pytest.raises(TrainError, match=words) as caught:
        inspect_base_model(path)
    assert "thing.safetensors" in caught.value.message
    assert caught.value.hint
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("gone", "words"),
    [("cond_stage_model.", "lacks its text encoder"), ("first_stage_model.", "lacks its VAE")],
)
def test_a_model_without_all_its_parts(gone: str, words: str) -> None:
    tensors = {name: value for name, value in checkpoint().items() if not name.startswith(gone)}
    with pytest.raises(TrainError, match=words):
        inspect_header(header_of(tensors))


def test_a_half_downloaded_file(tmp_path: Path) -> None:
    path = write_file(tmp_path / "half.safetensors", checkpoint())
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size - 1000)
    with pytest.raises(TrainError, match=r"half\.safetensors cannot be read.*Download it again"):
        inspect_base_model(path)
    path.write_bytes(b"")
    with pytest.raises(TrainError, match="cannot be read"):
        inspect_base_model(path)


def test_files_that_stand_in_for_the_model(tmp_path: Path) -> None:
    pointer = tmp_path / "a.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n")
    with pytest.raises(TrainError, match="pointer of Git LFS"):
        inspect_base_model(pointer)
    page = tmp_path / "b.ckpt"
    page.write_text("<!DOCTYPE html><html>Please log in</html>")
    with pytest.raises(TrainError, match="web page"):
        inspect_base_model(page)


def test_pickles_are_let_through_with_doubt(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    model = inspect_base_model(path)
    assert (model.family, model.format, model.dtype, model.tensors) == ("unknown", "ckpt", "", 0)
    require_family(model, "sd15")
    require_family(model, "sdxl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(TrainError, match="half downloaded"):
        inspect_base_model(path)
    path.write_bytes(b"\x80\x02old pickle")
    assert inspect_base_model(path).format == "ckpt"
    path.write_bytes(b"hello")
    with pytest.raises(TrainError, match="no checkpoint"):
        inspect_base_model(path)


def test_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"There is no base model gone\.safetensors"):
        inspect_base_model(tmp_path / "gone.safetensors")
    with pytest.raises(TrainError, match="is a folder"):
        inspect_base_model(tmp_path)


def test_the_wrong_family_names_both_and_what_to_do() -> None:
    sd15, sdxl = (inspect_header(header_of(tensors)) for tensors in (checkpoint(), SDXL))
    require_family(sd15, "sd15")
    require_family(sdxl, "sdxl")
    with pytest.raises(
        TrainError, match=r"dreamy\.safetensors is SDXL, but the settings are for Stable Diffusion 1\.5"
    ) as caught:
        require_family(sdxl, "sd15", name="dreamy.safetensors")
    assert "--preset sdxl" in caught.value.hint
    with pytest.raises(TrainError, match="sd15-fast"):
        require_family(sd15, "sdxl")


def test_sd2_has_no_settings() -> None:
    sd2 = inspect_header(header_of(checkpoint(1024)))
    with pytest.raises(TrainError, match="no settings for this family"):
        require_family(sd2, "sd15")


def test_one_unet_with_two_widths_is_nothing_known() -> None:
    tensors = {
        **checkpoint(),
        f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight": ("F16", [64, 2048]),
    }
    with pytest.raises(TrainError, match="no known family"):
        inspect_header(header_of(tensors))
