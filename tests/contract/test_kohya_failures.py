"""Each recorded failure of the real sd-scripts becomes a sentence that says what to do."""

from __future__ import annotations

import pytest

from tests.recorded import training_logs
from train_lora.backends.kohya.failures import Failure, explain_failure
from train_lora.recipe import make_recipe

RECIPE = make_recipe(name="alice")
# name -> (exit code as recorded, kind, what the sentences must hold)
CASES = {
    "f_empty": (0, "no_data", "no training pictures in the dataset's folder"),
    "f_nodir": (0, "no_data", "their folder is gone"),
    "f_nocap": (0, "no_captions", "Captions"),
    "missing_model": (1, "model_missing", "SDWEBUI_BASE_MODEL"),
    "f_corrupt": (1, "model_broken", "Download it again"),
    "missing_toml": (1, "version", "v0.10.1"),
    "f_acc": (1, "version", "v0.10.1"),
    "f_syntax": (1, "version", "configuration"),
    "f_unknownkey": (1, "version", "configuration"),
    "f_bad": (1, "picture", "(x.jpg)"),
    "f_trunc": (1, "picture", "(t.jpg)"),
    "f_8bit": (1, "package", "pip install bitsandbytes"),
    "no_network_module": (1, "checkout", "sd-scripts v0.10.1"),
    "f_badarg": (2, "version", "--no_such_flag"),
    "f_oom2": (1, "host_memory", "RAM"),
    "f_notok": (1, "tokenizer", "SD_SCRIPTS_TOKENIZERS"),
    "modern": (1, "versions", "requirements.txt"),
    "sigterm": (-15, "ended", "SIGTERM"),
    "sigterm_acc": (-15, "ended", "goes on from the last saved state"),
    "sigint": (-2, "ended", "SIGINT"),
    "sigint_acc": (-2, "ended", "SIGINT"),
    "killpg": (-9, "killed", "RAM"),
    "f_fp16cpu": (-15, "ended", "SIGTERM"),
}
WENT_WELL = {
    *("cfg1", "f_oom", "full1", "lora1", "r256_fp32", "r512_bf16_unet", "r512_fp32", "resume1", "resume2"),
    *("run_lora", "run_ti", "state1", "ti1"),
}


def explained(name: str, code: int | None, reason: str | None = None) -> Failure:
    out, err = (stream.decode() for stream in training_logs()[name])
    return explain_failure(code, out[-8000:], err[-8000:], reason=reason, recipe=RECIPE, facts={})


def test_no_recorded_run_is_left_out() -> None:
    assert set(CASES) | WENT_WELL == set(training_logs())


@pytest.mark.parametrize("name", sorted(CASES))
def test_each_recorded_failure(name: str) -> None:
    code, kind, words = CASES[name]
    failure = explained(name, code)
    assert failure.kind == kind
    assert words in f"{failure.message} {failure.hint}"
    assert failure.message.endswith(".")
    assert failure.hint.endswith(".")
    assert "/srv" not in failure.message + failure.hint
    assert not failure.lighter_may_help


@pytest.mark.parametrize("name", sorted(set(CASES) - {"sigint", "sigint_acc"}))
@pytest.mark.parametrize("reason", ["cancelled", "stalled", "time limit", "parent gone"])
def test_what_we_ended_ourselves_goes_first(name: str, reason: str) -> None:
    assert explained(name, -15, reason).kind == reason.replace(" ", "_")


@pytest.mark.parametrize("name", sorted(WENT_WELL))
def test_a_good_log_is_no_known_failure(name: str) -> None:
    """Their words must not be mistaken for trouble when something else went wrong afterwards."""
    assert explained(name, 1).kind == "unknown"


def test_exit_0_without_the_word() -> None:
    out, err = (stream.decode() for stream in training_logs()["run_lora"])
    cut = out.replace("model saved.", "")
    failure = explain_failure(0, cut, err, recipe=RECIPE)
    assert failure.kind == "not_saved"
    assert "there is no LoRA" in failure.message
