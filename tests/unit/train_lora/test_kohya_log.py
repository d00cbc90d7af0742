from __future__ import annotations

import math

import pytest

from train_lora.backends.kohya.log import (
    CheckpointSaved,
    LogParser,
    ModelSaved,
    Moved,
    PhaseBegan,
    Said,
    Stepped,
)
from train_lora.backends.kohya.log_lines import LineSplitter, read_bar, read_rich


def bar(done: int, total: int, rest: str = "") -> bytes:
    return f"\rsteps:  {100 * done // total}%|█▌  | {done}/{total} [00:02<00:07,  2.50s/it{rest}]".encode()


def test_bars_as_tqdm_draws_them() -> None:
    found = read_bar("steps:   1%|          | 4/400 [01:00<1:39:54, 15.14s/it, avr_loss=1.12]")
    assert found is not None
    assert (found[0].name, found[0].done, found[0].total) == ("steps", 4, 400)
    assert found[0].left_s == 3600 + 39 * 60 + 54
    assert found[0].seconds_per_step == 15.14
    assert found[0].loss == 1.12


@pytest.mark.parametrize(
    ("rate", "pace"), [("2.50s/it", 2.5), (" 4.00it/s", 0.25), ("?it/s", None), ("0.00it/s", None)]
)
def test_pace(rate: str, pace: float | None) -> None:
    found = read_bar(f"steps: 25%|##| 1/4 [00:02<?, {rate}]")
    assert found is not None
    assert found[0].seconds_per_step == pace
    assert found[0].left_s is None


def test_other_numbers_may_stand_before_the_loss() -> None:
    found = read_bar(
        "steps: 17%|█| 1/6 [00:02<00:11,  2.35s/it, Average key norm=0.00254, Keys Scaled=0, avr_loss=1.17]"
    )
    assert found is not None
    assert found[0].loss == 1.17


@pytest.mark.parametrize(
    "line",
    ["0it [00:00, ?it/s]", "", "100% sure", "Traceback (most recent call last):", "loss=1.1", "epoch 1/2"],
)
def test_what_is_no_bar(line: str) -> None:
    assert read_bar(line) is None


def test_a_rich_record() -> None:
    line = "2026-11-20 20:04:23 WARNING  Failed to get git commit      sai_model_spec.py:288"
    assert read_rich(line) == ("WARNING", "Failed to get git commit")
    assert read_rich("                    INFO     model saved.                  train_network.py:1729") == (
        "INFO",
        "model saved.",
    )
    assert read_rich("                             /srv/train/data") is None


def test_lines_end_at_either_sign() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"a\rb\nc") == ["a", "b"]
    assert splitter.rest == "c"
    assert splitter.feed(b"\x1b[Ad\r\n") == ["cd", ""]
    assert splitter.feed("█".encode()[:1]) == []
    assert splitter.feed("█".encode()[1:] + b"\n") == ["█"]
    assert splitter.flush() == ""


def test_broken_utf8_does_not_stop_it() -> None:
    assert LineSplitter().feed(b"a\xff\xfe\n") == ["a��"]


def test_a_bar_counts_before_its_line_ends() -> None:
    """The next one may be a minute away."""
    parser = LogParser(total_steps=4)
    events = parser.feed_stderr(bar(1, 4))
    assert events[-1] == Stepped(1, 4, None, 2.5, 7.0)
    assert parser.feed_stderr(b"\n") == []


def test_progress_waits_for_the_total() -> None:
    parser = LogParser()
    assert parser.feed_stderr(bar(1, 4) + bar(2, 4)) == [PhaseBegan("preparing")]
    line = "  total optimization steps / 学習ステップ数: 8\n"
    steps = [event.step for event in parser.feed_stdout(line.encode()) if isinstance(event, Stepped)]
    assert steps == [5, 6]
    assert (parser.step, parser.steps) == (6, 8)


def test_a_total_that_never_comes() -> None:
    parser = LogParser()
    parser.feed_stderr(bar(3, 4))
    parser.close()
    assert (parser.step, parser.steps) == (3, 4)


def test_a_known_total_needs_no_waiting() -> None:
    parser = LogParser(total_steps=10)
    parser.feed_stderr(bar(1, 4))
    assert parser.step == 7


def test_the_step_never_goes_back() -> None:
    parser = LogParser(total_steps=4)
    parser.feed_stderr(bar(3, 4) + bar(1, 4) + b"\n")
    assert parser.step == 3


def test_pictures_being_cached() -> None:
    parser = LogParser()
    parser.feed_stdout(b"caching latents...\n")
    events = parser.feed_stderr(
        b"\r 17%|#| 1/6 [00:00<00:03,  1.41it/s]\r 33%|#| 2/6 [00:01<00:02,  1.61it/s]\r"
    )
    assert events == [Moved("caching", 1, 6), Moved("caching", 2, 6)]
    assert parser.feed_stderr(bar(0, 4)) == []  # total not known yet
    parser.feed_stdout(b"total optimization steps / x: 4\n")
    assert parser.phase == "training"
    # Bars of sample pictures are no progress of ours.
    assert parser.feed_stderr(b"\n 50%|#| 1/2 [00:00<00:00,  1.41it/s]\n") == []


def test_text_encoder_outputs_are_caching_too() -> None:
    parser = LogParser()
    assert PhaseBegan("caching") in parser.feed_stdout(b"caching Text Encoder outputs...\n")


def test_a_checkpoint_counts_when_it_is_whole() -> None:
    parser = LogParser()
    said = b"\nsaving checkpoint: /out/a-step00000200.safetensors\nFailed to get git commit hash, using\n"
    parser.feed_stdout(said)
    assert parser.checkpoints == []
    assert parser.writing == "/out/a-step00000200.safetensors"
    events = parser.feed_stdout(b"\nsaving state at step 200\n")
    assert events == [CheckpointSaved("/out/a-step00000200.safetensors")]
    assert parser.phase == "preparing"
    parser.feed_stdout(b"saving checkpoint: /out/a.safetensors\n")
    assert parser.phase == "saving"
    assert parser.checkpoints == ["/out/a-step00000200.safetensors"]
    assert parser.feed_stdout(b"model saved.\n") == [CheckpointSaved("/out/a.safetensors"), ModelSaved()]
    assert parser.saved
    assert parser.writing is None


def test_the_word_inside_another_line_does_not_count() -> None:
    parser = LogParser()
    parser.feed_stdout(b"the model saved. at last\nprompt: model saved. says the sign\n")
    assert not parser.saved


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_loss_that_is_no_number(value: str) -> None:
    parser = LogParser(total_steps=4)
    events = parser.feed_stderr(
        bar(1, 4, ", avr_loss=0.1") + bar(2, 4, f", avr_loss={value}") + bar(3, 4, ", avr_loss=nan")
    )
    assert parser.nan_step == 2
    assert [event for event in events if isinstance(event, Said)] == [
        Said("error", "The loss is no number any more (step 2).")
    ]
    assert parser.losses == [(1, 0.1)]
    assert [event.loss for event in events if isinstance(event, Stepped)] == [0.1, None, None]
    assert parser.loss is not None
    assert math.isnan(parser.loss)


def test_the_loss_curve_stays_small() -> None:
    parser = LogParser(total_steps=5000)
    parser.feed_stderr(b"".join(bar(n, 5000, f", avr_loss={1 / n:.3f}") for n in range(1, 5001)))
    parser.close()
    assert len(parser.losses) == 400
    assert parser.losses[0] == (1, 1.0)
    assert parser.losses[-1][0] == 5000
    assert parser.losses == sorted(parser.losses)


def test_the_latest_loss_of_a_step_counts() -> None:
    """tqdm draws each step twice: first with the loss of the step before."""
    parser = LogParser(total_steps=4)
    parser.feed_stderr(
        bar(1, 4, ", avr_loss=0.5") + bar(2, 4, ", avr_loss=0.5") + bar(2, 4, ", avr_loss=0.4")
    )
    assert parser.losses == [(1, 0.5), (2, 0.4)]


def test_errors_are_said_without_folders() -> None:
    parser = LogParser()
    events = parser.feed_stdout(b"Error loading file: /home/kim lee/t.jpg\n")
    events += parser.feed_stderr(b"FileNotFoundError: [Errno 2] No such file: '/home/kim lee/x.txt'\n")
    assert [event for event in events if isinstance(event, Said)] == [
        Said("error", "Error loading file: t.jpg"),
        Said("error", "FileNotFoundError: [Errno 2] No such file: 'x.txt'"),
    ]


def test_modules() -> None:
    parser = LogParser()
    assert parser.modules is None
    parser.feed_stdout(b"enable LoRA for U-Net: 192 modules\n")
    assert parser.modules == 192
    parser.feed_stdout(b"enable LoRA for text encoder: 72 modules\n")
    assert parser.modules == 264


def test_a_postfix_that_is_nonsense() -> None:
    parser = LogParser(total_steps=4)
    parser.feed_stderr(bar(1, 4, ", avr_loss=, x"))
    assert parser.step == 1
    assert parser.loss is None
