"""A connection that breaks, comes back, or does not; and the address it is made from. No network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from train_lora import TrainCancelled, TrainError
from train_lora.backends.kohya.remote_link import FOUND, LOST, LOST_BEFORE, HostRefused, Link, Patience
from train_lora.backends.kohya.remote_setup import RemoteSetup
from train_lora.backends.kohya.remote_side import MARK
from train_lora.ssh import Completed, HostKeyError, SshAuth, SshConnection, SshError, SshLost, parse_ssh_url

TARGET = parse_ssh_url("ssh://me@gpu/opt/sd-scripts")
QUICK = Patience(first_wait_s=0.001, longest_wait_s=0.004, before_start_s=0.2, running_s=0.4, cancel_s=0.05)


@dataclass
class Host:
    """What the connections do, one after the other: an error to raise when opened or asked, or an answer."""

    opened: list[Exception | None] = field(default_factory=list)
    answers: list[Exception | bytes] = field(default_factory=list)
    connections: int = 0
    closed: int = 0

    def connect(self, target: Any, auth: Any) -> SshConnection:
        self.connections += 1
        return _Connection(self)  # type: ignore[return-value]


@dataclass
class _Connection:
    host: Host

    def open(self) -> None:
        error = self.host.opened.pop(0) if self.host.opened else None
        if error is not None:
            raise error

    def close(self) -> None:
        self.host.closed += 1

    def run(self, argv: list[str], *, stdin: bytes | None, timeout_s: float) -> Completed:
        answer = self.host.answers.pop(0) if self.host.answers else SshLost("gone")
        if isinstance(answer, Exception):
            raise answer
        return Completed(0, answer, b"")


@dataclass
class Token:
    cancelled: bool = False


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def link(notes: list[str]) -> Callable[..., Link]:
    def make(host: Host, **changes: Any) -> Link:
        return Link(
            TARGET, SshAuth(None, None), patience=QUICK, on_note=notes.append, connect=host.connect, **changes
        )

    return make


def test_a_broken_connection_is_made_again_and_said_once(link: Callable[..., Link], notes: list[str]) -> None:
    host = Host([None, SshError("refused"), SshError("refused"), None], [SshLost("gone"), b"there"])
    one = link(host)
    one.running = True
    assert one.run(["ls"]).stdout == b"there"
    assert notes == [LOST, FOUND]
    assert host.connections == 4


def test_before_anything_runs_there_it_is_not_said_to_go_on(
    link: Callable[..., Link], notes: list[str]
) -> None:
    link(Host([], [SshLost("gone"), b"there"])).run(["ls"])
    assert notes == [LOST_BEFORE, FOUND]


@pytest.mark.parametrize("error", [SshError("nobody there"), HostKeyError("unknown key")])
def test_a_host_that_was_never_reached_fails_at_once(link: Callable[..., Link], error: SshError) -> None:
    host = Host([error])
    with pytest.raises(type(error), match=str(error)):
        link(host).run(["ls"])
    assert host.connections == 1


def test_another_host_key_after_a_break_is_not_waited_out(link: Callable[..., Link]) -> None:
    host = Host([None, HostKeyError("another key")], [SshLost("gone")])
    with pytest.raises(HostKeyError):
        link(host).run(["ls"])
    assert host.connections == 2


def test_what_the_host_refuses_is_not_tried_again(link: Callable[..., Link]) -> None:
    host = Host([], [SshError("runs no commands")])
    with pytest.raises(SshError, match="runs no commands"):
        link(host).run(["ls"])
    assert host.connections == 1


@pytest.mark.parametrize(("running", "hint"), [(True, "take it up"), (False, "goes on where it was")])
def test_in_the_end_it_gives_up(link: Callable[..., Link], running: bool, hint: str) -> None:
    one = link(Host())
    one.running = running
    with pytest.raises(TrainError, match=r"could not be reached for 1 min") as caught:
        one.run(["ls"])
    assert hint in caught.value.hint


def test_cancelling_while_nobody_answers_says_that_the_training_may_go_on(link: Callable[..., Link]) -> None:
    one = link(Host(), cancel=Token(cancelled=True), sleep=lambda seconds: None)
    one.running = True
    with pytest.raises(TrainCancelled, match="may go on there"):
        one.run(["ls"])


def test_a_host_that_was_given_up_is_not_waited_for_again(link: Callable[..., Link]) -> None:
    host = Host()
    one = link(host)
    with pytest.raises(TrainError, match="could not be reached"):
        one.run(["train"])
    before = host.connections
    with pytest.raises(TrainError, match="could not be reached"):
        one.run(["clear", "up"])
    assert host.connections == before + 1


def test_the_side_answers_after_a_greeting_and_refusals_say_what_to_do(link: Callable[..., Link]) -> None:
    greeting = b"Welcome to gpu!\n{not json}\n"
    answers: list[Exception | bytes] = [
        greeting + f"\n{MARK}{json.dumps({'gone': True})}\n".encode(),
        f"\n{MARK}{json.dumps({'error': 'ENOSPC', 'text': 'x'})}\n".encode(),
        b"Segmentation fault\n",
    ]
    one = link(Host([], answers))
    assert one.side("python3", "wipe") == {"gone": True}
    with pytest.raises(HostRefused, match="me@gpu has no space left") as caught:
        one.side("python3", "unpack")
    assert "jobs=" in caught.value.hint
    with pytest.raises(TrainError, match="instead of an answer"):
        one.side("python3", "wipe")


def test_programs_are_sent_as_one_line_that_runs() -> None:
    from train_lora.backends.kohya.remote_link import _one_line

    text = _one_line('import sys\nprint("é", sys.argv[1], __name__)\n')
    assert "\n" not in text
    done = subprocess.run([sys.executable, "-I", "-c", text, "x"], capture_output=True, check=True)
    assert done.stdout.decode() == "é x __main__\n"


# ---- the address


def test_an_address_names_every_path() -> None:
    target = parse_ssh_url(
        "ssh://me@gpu:2222/opt/sd-scripts/?python=/venv/bin/python&base_model=~/m.safetensors&tokenizers=/tok&jobs=/j"
    )
    assert RemoteSetup.of(target) == RemoteSetup(
        "me@gpu:2222", "/opt/sd-scripts", "/venv/bin/python", "~/m.safetensors", "/tok", "/j"
    )


def test_an_address_needs_the_folder_only() -> None:
    assert RemoteSetup.of(parse_ssh_url("ssh://gpu/~/sd-scripts")) == RemoteSetup("gpu", "~/sd-scripts")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ssh://gpu/s?base-model=/m", "'base-model'.*'base_model'"),
        ("ssh://gpu/s?cuda=1", "'cuda'.*Known: python"),
        ("ssh://gpu", "does not say where sd-scripts"),
        ("ssh://gpu/s?base_model=m.safetensors", "no whole path.*from the root"),
        ("ssh://gpu/s?jobs=", "no whole path"),
    ],
)
def test_a_wrong_address_says_what_to_write(url: str, says: str) -> None:
    with pytest.raises(TrainError, match=says):
        RemoteSetup.of(parse_ssh_url(url))
