from __future__ import annotations

import pytest

from train_lora.backends.kohya.failures import Failure, explain_failure
from train_lora.recipe import TrainRecipe, make_recipe

H200 = {"gpus": [{"name": "NVIDIA H200", "total_mib": 143771, "free_mib": 512}], "device": "cuda"}


def recipe(**settings: object) -> TrainRecipe:
    return make_recipe(name="alice", **settings)


def explain(
    err: str = "",
    out: str = "",
    *,
    code: int | None = 1,
    reason: str | None = None,
    facts: dict[str, object] | None = None,
    **settings: object,
) -> Failure:
    return explain_failure(code, out, err, reason=reason, recipe=recipe(**settings), facts=facts)


@pytest.mark.parametrize(
    "words",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.93 GiB total",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_the_gpus_memory(words: str) -> None:
    failure = explain(f"Traceback (most recent call last):\n{words}\n", facts=H200)
    assert failure.kind == "gpu_memory"
    assert failure.lighter_may_help
    assert "NVIDIA H200, 140.4 GiB, 0.5 GiB of them free" in failure.message
    assert "gradient_checkpointing: true" in failure.hint


def test_advice_leaves_out_what_is_set_already() -> None:
    tight = {"gradient_checkpointing": True, "text_encoder_lr": 0.0, "optimizer_type": "AdamW8bit"}
    hint = explain("CUDA out of memory.", **tight).hint
    assert "a smaller resolution" in hint
    for word in ("gradient_checkpointing", "batch_size", "text_encoder_lr", "AdamW8bit"):
        assert word not in hint
    assert "batch_size: 1" in explain("CUDA out of memory.", batch_size=4).hint
    assert explain("CUDA out of memory.", facts={"gpus": [{"name": "?"}]}).message.endswith("enough.")


@pytest.mark.parametrize(
    ("err", "kind", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "disk_full", "Free some space"),
        ("RuntimeError: [enforce fail at inline_container.cc:626] . unexpected pos 64 vs 0\n"
         "RuntimeError: PytorchStreamWriter failed writing file data/7: failed", "disk_full", "space"),
        ("safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, os error 28",
         "disk_full", "space"),
        ("RuntimeError: CUDA driver version is insufficient for CUDA", "driver", "NVIDIA driver"),
        ("RuntimeError: The NVIDIA driver on your system is too old (found 11040)", "driver", "driver"),
        ("RuntimeError: CUDA error: no kernel image is available for execution", "driver", "torch"),
        ("AssertionError: Torch not compiled with CUDA enabled", "driver", "CUDA build of torch"),
        ("ModuleNotFoundError: No module named 'xformers'", "package", "set attention to sdpa"),
        ("NotImplementedError: No operator found for `memory_efficient_attention`", "package", "sdpa"),
        ("ImportError: No Prodigy / Prodigy がインストールされていないようです", "package", "prodigyopt"),
        ("ImportError: No lion_pytorch / lion_pytorch が", "package", "lion-pytorch"),
        ("ModuleNotFoundError: No module named 'accelerate'", "package", "requirements.txt"),
        ("ModuleNotFoundError: No module named 'library.utils'", "checkout", "v0.10.1"),
        ("python: can't open file '/home/kim/sd/train_network.py': [Errno 2]", "checkout", "v0.10.1"),
        ("train_network.py: error: argument --save_precision: invalid choice", "version", "--save_precision"),
        ("RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n\tsize mismatch for x",
         "model_family", "sd15"),
        ("OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'.", "tokenizer", "huggingface.co"),
        ("PermissionError: [Errno 13] Permission denied: '/data/kim/out'", "permission", "owner"),
        ("MemoryError", "host_memory", "RAM"),
    ],
)  # fmt: skip
def test_what_the_streams_say(err: str, kind: str, words: str) -> None:
    failure = explain(f'Traceback (most recent call last):\n  File "/home/kim/x.py", line 1\n{err}\n')
    assert failure.kind == kind
    assert words in f"{failure.message} {failure.hint}"
    assert "kim" not in failure.message + failure.hint


def test_sdxl_needs_two_tokenizers() -> None:
    said = "OSError: Can't load tokenizer for 'laion/CLIP-ViT-bigG-14-laion2B-39B-b160k'"
    assert "bigG" in explain(said, family="sdxl").hint
    assert "bigG" not in explain(said).hint


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("cancelled", "cancelled"),
        ("stalled", "stalled"),
        ("time limit", "time_limit"),
        ("parent gone", "parent_gone"),
        ("supervisor gone", "supervisor_gone"),
        ("disk full", "disk_full"),
        ("nan", "nan"),
    ],
)
def test_reasons_of_our_own(reason: str, kind: str) -> None:
    failure = explain(reason=reason, code=-15)
    assert failure.kind == kind
    assert failure.hint


def test_a_python_that_is_not_there() -> None:
    reason = "cannot start: [Errno 2] No such file or directory: '/home/kim/venv/bin/python'"
    failure = explain(reason=reason, code=127)
    assert failure.kind == "cannot_start"
    assert "SD_SCRIPTS_PYTHON" in failure.hint
    assert "kim" not in failure.message


@pytest.mark.parametrize("bar", ["avr_loss=nan", "loss=nan", "avr_loss=inf", "Keys Scaled=0, avr_loss=nan"])
@pytest.mark.parametrize("code", [0, 1])
def test_a_loss_that_is_no_number(bar: str, code: int) -> None:
    err = f"steps:  25%|##   | 1/4 [00:02<00:07,  2.50s/it, {bar}]"
    failure = explain(err, "model saved.", code=code, unet_lr=1e-3)
    assert failure.kind == "nan"
    assert "unet_lr 0.001" in failure.message
    assert "Lower the learning rates" in failure.hint
    assert not failure.lighter_may_help


def test_bf16_is_proposed_where_it_may_help() -> None:
    assert "bf16" in explain("avr_loss=nan", mixed_precision="fp16").hint
    assert "bf16" not in explain("avr_loss=nan", mixed_precision="bf16").hint


def test_the_systems_killer() -> None:
    failure = explain(code=-9, facts={"device": "cpu"})
    assert failure.kind == "killed"
    assert failure.lighter_may_help
    assert not explain(code=-9, facts={"device": "cuda"}).lighter_may_help


def test_a_crash_by_signal() -> None:
    assert explain(code=-11).message == "The trainer crashed (SIGSEGV)."
    assert "signal 77" in explain(code=-77).message


def test_what_is_unknown_is_quoted_without_folders() -> None:
    failure = explain(
        "ValueError: could not open /home/kim/secret stuff/photo.png because of 'C:\\\\kim\\\\x.txt'"
    )
    assert failure.kind == "unknown"
    assert failure.message.startswith("sd-scripts failed: ValueError: could not open")
    assert "kim" not in failure.message
    assert "photo.png" in failure.message
    assert "x.txt" in failure.message


def test_of_several_errors_the_last_one_is_quoted() -> None:
    chained = (
        "Traceback (most recent call last):\nKeyError: 'first'\n\nDuring handling of the above exception, "
        "another exception occurred:\n\nTraceback (most recent call last):\nsome.OddError: and this is why"
    )
    assert explain(chained).message == "sd-scripts failed: some.OddError: and this is why"


def test_a_very_long_message_is_cut() -> None:
    assert len(explain("ValueError: " + "words " * 500).message) < 400


def test_nothing_said_at_all() -> None:
    assert "exit code 3" in explain(code=3).message
    assert "lost sight of" in explain(code=None).message


def test_the_gpus_memory_goes_before_what_follows_from_it() -> None:
    err = (
        "torch.OutOfMemoryError: CUDA out of memory.\nsteps: 0%| | 1/4 [00:02<00:07,  2.50s/it, avr_loss=nan]"
    )
    assert explain(err, code=-9).kind == "gpu_memory"
