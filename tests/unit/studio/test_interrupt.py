from __future__ import annotations

import os
import signal
import threading

import pytest

from studio.cli._interrupt import SIGNALS, ending_softly, interruptible


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_cancels_and_the_second_ends(number: signal.Signals) -> None:
    cancelled = threading.Event()
    notes: list[str] = []
    with interruptible(cancelled.set, notes.append):
        os.kill(os.getpid(), number)
        assert cancelled.wait(5)
        assert len(notes) == 1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_a_signal_inside_a_lock_the_cancel_needs_does_not_hang() -> None:
    lock = threading.Lock()
    cancelled = threading.Event()

    def cancel() -> None:
        with lock:
            cancelled.set()

    with interruptible(cancel, lambda _: None):
        with lock:
            os.kill(os.getpid(), signal.SIGINT)
            assert not cancelled.wait(0.05)
        assert cancelled.wait(5)


def test_a_closed_terminal_does_not_keep_the_job_running() -> None:
    cancelled = threading.Event()

    def gone(_: str) -> None:
        raise OSError(5, "Input/output error")

    with interruptible(cancelled.set, gone):
        os.kill(os.getpid(), signal.SIGHUP)
        assert cancelled.wait(5)


def test_nohup_stays_in_force() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_softly(), interruptible(lambda: pytest.fail("cancelled"), lambda _: None):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_ends_the_program_like_ctrl_c(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), ending_softly():
        os.kill(os.getpid(), number)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ZeroDivisionError), interruptible(lambda: None, lambda _: None):
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_other_threads_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with interruptible(lambda: None, lambda _: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
