"""The log parser against every recorded run of the real sd-scripts."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recorded import training_logs
from train_lora.backends.kohya.log import CheckpointSaved, LogParser, ModelSaved, PhaseBegan, Said, Stepped


@dataclass(frozen=True)
class Expected:
    """What a run had come to at its end."""

    phase: str
    step: int = 0
    steps: int = 0
    saved: bool = False
    checkpoints: tuple[str, ...] = ()
    writing: str | None = None
    images: int | None = None
    modules: int | None = None
    loss: float | None = None
    pace: float | None = None


def done(steps: int, checkpoints: str, **facts: object) -> Expected:
    """A run that ended well."""
    return Expected("saving", steps, steps, True, tuple(checkpoints.split()), **facts)  # type: ignore[arg-type]


RUNS = {
    "cfg1": done(2, "ident", images=8, modules=264, loss=1.12, pace=2.52),
    "f_nocap": done(1, "ident", images=2, modules=264, loss=1.14, pace=27.76),
    "f_oom": done(1, "ident", images=4, modules=264, loss=1.12, pace=38.51),
    "full1": done(6, "ident-000001 ident", images=3, modules=192, loss=1.13, pace=2.08),
    "lora1": done(
        4, "ident-step00000002 ident-step00000004 ident", images=8, modules=264, loss=1.13, pace=2.39
    ),
    "r256_fp32": done(3, "ident", images=4, modules=264, loss=1.14, pace=6.31),
    "r512_bf16_unet": done(3, "ident", images=4, modules=192, loss=1.15, pace=20.27),
    "r512_fp32": done(3, "ident", images=4, modules=264, loss=1.14, pace=26.0),
    "resume1": done(8, "ident", images=8, modules=264, loss=1.08, pace=2.85),
    # --skip_until_initial_step: the bar goes from 0 to 4 for steps 5 to 8.
    "resume2": done(8, "ident", images=8, modules=264, loss=1.07, pace=27.76),
    "run_lora": done(
        4, "ident-step00000002 ident-step00000004 ident", images=8, modules=264, loss=1.12, pace=28.07
    ),
    "run_ti": done(3, "cu_trg-step00000002 cu_trg", images=4, loss=1.15, pace=15.24),
    "state1": done(
        6,
        "ident-step00000002 ident-step00000004 ident-step00000006 ident",
        images=8,
        modules=264,
        loss=1.1,
        pace=3.53,
    ),
    "ti1": done(3, "cu_trg-step00000002 cu_trg", images=4, loss=1.15, pace=3.55),
    "killpg": Expected(
        "training", 1, 300, False, (), "ident-step00000001", images=8, modules=264, loss=1.09, pace=9.12
    ),
    **{
        name: Expected(
            "training",
            step,
            400,
            False,
            tuple(f"ident-step{n:08d}" for n in range(1, step + 1)),
            images=8,
            modules=264,
            loss=loss,
            pace=pace,
        )
        for name, step, loss, pace in (
            ("sigint", 3, 1.13, 11.54),
            ("sigint_acc", 4, 1.13, 3.73),
            ("sigterm", 3, 1.13, 7.89),
            ("sigterm_acc", 4, 1.12, 15.14),
        )
    },
    "f_8bit": Expected("caching", modules=264),
    "f_fp16cpu": Expected("caching"),
    "f_trunc": Expected("caching"),
    "no_network_module": Expected("caching"),
    **{
        name: Expected("preparing")
        for name in (
            *("f_acc", "f_bad", "f_badarg", "f_corrupt", "f_empty", "f_nodir", "f_notok", "f_oom2"),
            *("f_syntax", "f_unknownkey", "missing_model", "missing_toml", "modern"),
        )
    },
}


def replay(name: str) -> LogParser:
    out, err = training_logs()[name]
    parser = LogParser()
    parser.feed_stdout(out)
    parser.feed_stderr(err)
    parser.close()
    return parser


def state(parser: LogParser) -> Expected:
    """What stays of a path is the file's stem."""

    def stem(path: str) -> str:
        return path.rpartition("/")[2].removesuffix(".safetensors")

    return Expected(
        parser.phase,
        parser.step,
        parser.steps,
        parser.saved,
        tuple(stem(path) for path in parser.checkpoints),
        None if parser.writing is None else stem(parser.writing),
        parser.images,
        parser.modules,
        parser.loss,
        parser.s_per_step,
    )


def test_no_recorded_run_is_left_out() -> None:
    assert set(RUNS) == set(training_logs())


@pytest.mark.parametrize("name", sorted(RUNS))
def test_where_each_run_had_come_to(name: str) -> None:
    assert state(replay(name)) == RUNS[name]


@pytest.mark.parametrize("name", sorted(RUNS))
def test_the_streams_need_not_arrive_in_step(name: str) -> None:
    """Cut anywhere and interleaved by chance, they say the same in the end."""
    chance = random.Random(name)
    for _ in range(5):
        rest = dict(zip(("out", "err"), training_logs()[name], strict=True))
        parser = LogParser()
        while any(rest.values()):
            end = chance.choice([end for end, data in rest.items() if data])
            cut = chance.randint(1, 400)
            feed = parser.feed_stdout if end == "out" else parser.feed_stderr
            feed(rest[end][:cut])
            rest[end] = rest[end][cut:]
        parser.close()
        assert state(parser) == RUNS[name]
        assert parser.losses == replay(name).losses


SAID_MOST = ("full1", "lora1", "resume2", "sigterm", "ti1")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SAID_MOST), st.lists(st.integers(1, 3000), max_size=40), st.booleans())
def test_cutting_a_stream_changes_no_event(name: str, cuts: list[int], single_bytes: bool) -> None:
    """Also inside a character of three bytes: the bars are drawn with those."""
    out, err = training_logs()[name]
    whole, parts = LogParser(), LogParser()
    expected = whole.feed_stdout(out) + whole.feed_stderr(err) + whole.close()
    events = parts.feed_stdout(out)
    at = 0
    while at < len(err):
        size = 1 if single_bytes and not cuts else cuts.pop() if cuts else len(err)
        events += parts.feed_stderr(err[at : at + size])
        at += size
    assert events + parts.close() == expected


def test_a_steps_bar_of_the_resumed_rest_counts_on() -> None:
    out, err = training_logs()["resume2"]
    parser = LogParser()
    events = parser.feed_stdout(out) + parser.feed_stderr(err) + parser.close()
    steps = [event.step for event in events if isinstance(event, Stepped)]
    assert steps[0] == 4
    assert steps[-1] == 8
    assert steps == sorted(steps)
    assert [step for step, _ in parser.losses] == [5, 6, 7, 8]


def test_events_of_a_whole_run() -> None:
    out, err = training_logs()["run_lora"]
    parser = LogParser()
    events = []
    # As it was: the latents, then the bar, then the end.
    split_out, split_err = out.index(b"import network module"), err.index(b"steps:")
    events += parser.feed_stdout(out[:split_out]) + parser.feed_stderr(err[:split_err])
    end = out.index(b"\nsaving checkpoint")
    events += parser.feed_stdout(out[split_out:end]) + parser.feed_stderr(err[split_err:])
    events += parser.feed_stdout(out[end:]) + parser.close()
    phases = [event.name for event in events if isinstance(event, PhaseBegan)]
    assert phases == ["preparing", "caching", "training", "saving"]
    assert events[-1] == ModelSaved()
    assert [type(e) for e in events if isinstance(e, CheckpointSaved)] == [CheckpointSaved] * 3
    first = next(event for event in events if isinstance(event, Stepped))
    assert first == Stepped(0, 4, None, None, None)
    second = next(e for e in events if isinstance(e, Stepped) and e.step == 1)
    assert second.seconds_per_step == 27.22
    assert second.eta_s == 81
    assert not [event for event in events if isinstance(event, Said)]
    assert parser.losses == [(1, 1.09), (2, 1.13), (3, 1.13), (4, 1.12)]


def test_hours_are_read() -> None:
    parser = replay("sigterm_acc")
    assert parser.eta_s == 1 * 3600 + 39 * 60 + 54


def test_losses_are_numbers() -> None:
    for name in RUNS:
        assert all(math.isfinite(loss) and 0 < loss < 2 for _, loss in replay(name).losses)


def test_what_is_said_names_no_folder() -> None:
    for name, (out, err) in training_logs().items():
        parser = LogParser()
        for event in parser.feed_stdout(out) + parser.feed_stderr(err) + parser.close():
            if isinstance(event, Said):
                assert "/srv" not in event.text, name
                assert "/train/" not in event.text, name
