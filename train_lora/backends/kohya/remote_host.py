"""A job folder on a GPU host, as `runner.JobHost` wants it: the training there outlives this process."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from ...dataset import Dataset
from ...errors import TrainError
from ...progress import Cancel, stop_if_cancelled
from .host import ENDED, LOG_BYTES, OutFile
from .remote_files import download, overwrite_there, read_there, upload_dataset, walk_there, write_there
from .remote_link import Link
from .runner import SUPERVISOR

if TYPE_CHECKING:
    from paramiko import SFTPClient

T = TypeVar("T")

BEAT_S = 5.0
"""How often this client notes on the host that it is there. After `remote_side.GONE_S` it counts as gone."""
SWEEP_DAYS = 7.0
"""A training on the host that nobody came back for is removed after so many days, with its photos."""
LOGS = ("stdout.log", "stderr.log", "supervisor.log", "status.json", "spec.json")
"""What stays of a failed training besides saved states: no picture."""
_LOG_PIECE = 1 << 16
"""Bytes of a log that are read by SFTP; far more than a training says between two looks."""
_ENDING_S = 30.0
"""How long a training may take to end after it was told to. It takes a second."""


class SshHost:
    """A job folder on another machine, shared with whoever else follows the same training.

    One client leads: it uploads, starts and clears up. The others follow, and one of them leads when the
    leader is gone.

    Args:
        link: The machine.
        python: The trainer's interpreter there.
        job_dir: The folder there, absolute.
        client: Who we are: one word, the same when we come back after a crash.
        label: Who we are, for people.
        parts: Folder here for files on their way; gone on with after a crash.
        on_note: Called with a sentence when something happens that is worth a line.
        cancel: Cuts waiting short.
    """

    survives = True

    def __init__(
        self,
        link: Link,
        python: str,
        job_dir: str,
        *,
        client: str,
        label: str,
        parts: Path,
        on_note: Callable[[str], None],
        cancel: Cancel | None = None,
        poll_s: float = 1.0,
    ) -> None:
        self.poll_s = poll_s
        self._link, self._python, self._dir = link, python, job_dir
        self._client, self._label, self.parts = client, label, parts
        self._note, self._cancel = on_note, cancel
        self._leads = self._new = False
        self._held: list[Callable[[], None]] = []
        """What a leader would have written: done when we come to lead."""
        self._beaten = 0.0

    @property
    def job_dir(self) -> str:
        """See `JobHost`, as for all below."""
        return self._dir

    @property
    def dataset_dir(self) -> str:
        """Where the pictures are on the host."""
        return f"{self._dir}/dataset"

    # ---- sharing the job with other clients

    def prepare(self, dataset: Dataset) -> None:
        """Make sure that the job folder is there with its pictures, by us or by somebody else.

        Raises:
            TrainError, TrainCancelled.
        """
        told = False
        while True:
            others = self._claim()
            if self._leads:
                upload_dataset(
                    self._link, self._python, dataset, self.dataset_dir, new=self._new, on_sent=self._sent
                )
                return
            if not told:
                self._note(f"{' and '.join(others) or 'somebody'} started this very training: following it")
                told = True
            if self.status() is not None:
                return
            self._sleep(1.0)

    def stop(self) -> None:
        """End the training, if one runs, and wait until it has ended.

        Raises:
            TrainError: It does not end, or the host cannot be told.
        """
        self.cancel()
        until = time.monotonic() + _ENDING_S
        while (status := self.status()) is not None and status["state"] not in ENDED:
            if time.monotonic() > until:
                raise TrainError(
                    f"the training on {self._link.where} does not end.", "Log in there and end it."
                )
            time.sleep(0.2)

    def settle(self, keep: Callable[[], tuple[str, ...]]) -> None:
        """Leave; the leader removes the job from the host, but waits for those who still fetch its results.

        Args:
            keep: Called by the leader: which names in the job folder stay.

        Raises:
            TrainError: The host cannot be reached, or something there does not go away.
        """
        self._link.running = False  # nothing is lost any more by giving up
        told = False
        while True:
            others = self._claim()
            if not others:
                break
            if not self._leads or (self._cancel is not None and self._cancel.cancelled):
                self._side("leave", client=self._client)
                return  # the last of the others clears up
            if not told:
                self._note(
                    f"waiting until {' and '.join(others)} fetched the results, to clear up on the host"
                )
                told = True
            time.sleep(self.poll_s)
        self._wipe(keep())

    def _claim(self) -> list[str]:
        answer = self._side("claim", client=self._client, label=self._label, sweep_days=SWEEP_DAYS)
        self._beaten = time.monotonic()
        self._new = bool(answer["created"])
        self._leads = bool(answer["leader"])
        return [str(other) for other in answer["others"]]

    def _wipe(self, keep: tuple[str, ...]) -> None:
        until = time.monotonic() + _ENDING_S
        while not self._side("wipe", keep=list(keep))["gone"]:
            if time.monotonic() > until:
                raise TrainError(
                    f"The training on {self._link.where} does not end, so its photos cannot be removed.",
                    f"Log in there, end it, and remove {self._dir}.",
                )
            time.sleep(0.2)

    # ---- files

    def probe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._link.probe(self._python, request)

    def put_file(self, rel: str, content: bytes | Path) -> None:
        data = content if isinstance(content, bytes) else content.read_bytes()
        self._as_leader(lambda: self._put(rel, data))

    def _put(self, rel: str, data: bytes) -> None:
        try:
            self._link.sftp(lambda sftp: write_there(sftp, self._at(rel), data))
        except (
            OSError
        ):  # SFTP does not say what was wrong ("Failure"); this way it is told, or folders are made
            self._side("put", stdin=data, rel=rel)

    def read_file(self, rel: str) -> bytes | None:
        return self._look(self._at(rel), read_there, None)

    def read_log(self, name: str, offset: int) -> bytes:
        self._beat()
        path = self._at(name)
        data = self._look(path, lambda sftp, path: read_there(sftp, path, offset, _LOG_PIECE), b"")
        if len(data) < _LOG_PIECE:
            return data
        # Much of it, as after a night away: SFTP takes a round trip for each 32 KiB, this one for all.
        return data + self._link.piece(self._python, path, offset + len(data), LOG_BYTES)[1]

    def log_tail(self, name: str, size: int) -> bytes:
        return self._look(self._at(name), lambda sftp, path: read_there(sftp, path, -size, size), b"")

    def list_out(self) -> tuple[OutFile, ...]:
        none: list[OutFile] = []
        found = self._look(self._at("out"), lambda sftp, path: walk_there(sftp, path, ""), none)
        return tuple(sorted(found, key=lambda file: file.rel))

    def fetch(self, rel: str, dst: Path) -> None:
        name = PurePosixPath(rel).name

        def moved(done: int, size: int) -> None:
            self._beat()
            self._note(f"fetching {name}, {done / 1e6:.0f} of {size / 1e6:.0f} MB")

        download(self._link, self._python, self._at(rel), dst, parts=self.parts, on_moved=moved)

    def remove(self, rel: str) -> None:
        self._at(rel)
        self._as_leader(lambda: self._remove(rel))

    def _remove(self, rel: str) -> None:
        # Looked for first: most of what is removed is not there, and this costs much less than a command.
        if self._look(self._at(rel), lambda sftp, path: sftp.lstat(path), None) is not None:
            self._side("remove", rel=rel)

    def remove_tree(self) -> None:
        self._as_leader(lambda: self._wipe(()))

    # ---- the training

    def start(self, spec: Mapping[str, Any]) -> None:
        if not self._lead_or_see_it_started():
            self._held.clear()
            return
        held, self._held = self._held, []
        for deed in held:
            deed()
        given = {"spec": dict(spec), "supervisor": SUPERVISOR.read_text("utf-8")}
        self._link.running = True
        answer = self._side("start", stdin=json.dumps(given).encode(), run=uuid.uuid4().hex)
        if "said" in answer:
            lines = str(answer["said"]).strip().splitlines() or [f"exit code {answer['exit_code']}"]
            raise TrainError(
                f"The training could not be started on {self._link.where}: {lines[-1]}",
                f"The whole story is in {self._dir}/supervisor.log there.",
            )

    def _lead_or_see_it_started(self) -> bool:
        before, told = self.status(), False
        others = self._claim()
        if self._leads:
            if others and before is not None:
                self._sleep(3 * self.poll_s)  # let them see how the run before ended
            return True
        while not self._leads:
            if self.status() != before:
                return False
            if not told:
                self._note(f"waiting for {' and '.join(others) or 'somebody else'} to start the training")
                told = True
            self._sleep(0.5)
            self._claim()
        return True

    def status(self) -> dict[str, Any] | None:
        self._beat()
        status = self._status()
        if status is None or status.get("state") in ENDED:
            return status
        self._link.running = True
        if self._has_supervisor(status) or self._side("alive")["alive"]:
            return status
        status = self._status()  # it may have ended while we looked
        if status is None or status.get("state") in ENDED:
            return status
        return {**status, "state": "killed", "exit_code": None, "reason": "supervisor gone"}

    def _status(self) -> dict[str, Any] | None:
        raw = self.read_file("status.json")
        try:
            status = json.loads(raw) if raw else None
        except ValueError:
            return None
        return status if isinstance(status, dict) and "state" in status else None

    def _has_supervisor(self, status: Mapping[str, Any]) -> bool:
        """A quick look without starting a Python there; False also where SFTP does not show /proc."""
        path = f"/proc/{status.get('supervisor_pid')}/stat"
        try:
            text = self._look(path, read_there, b"")
            return int(text.rpartition(b")")[2].split()[19]) == status.get("supervisor_start")
        except (OSError, ValueError, IndexError):
            return False

    def cancel(self) -> None:
        # Not only the leader's: who stops a training stops it for all who follow it.
        self._side("cancel")

    # ---- inside

    def _sent(self, done: int, total: int) -> None:
        self._note(f"uploading the pictures, {done}/{total}")
        stop_if_cancelled(self._cancel)
        self._beat()

    def _as_leader(self, deed: Callable[[], None]) -> None:
        if self._leads:
            deed()
        else:
            self._held.append(deed)

    def _side(self, do: str, *, stdin: bytes | None = None, **request: Any) -> dict[str, Any]:
        return self._link.side(self._python, do, stdin=stdin, job=self._dir, **request)

    def _at(self, rel: str) -> str:
        if rel.startswith("/") or ".." in rel.split("/"):
            raise ValueError(f"{rel} leaves the job folder")
        return f"{self._dir}/{rel}"

    def _look(self, path: str, work: Callable[[SFTPClient, str], T], absent: T) -> T:
        try:
            return self._link.sftp(lambda sftp: work(sftp, path))
        except FileNotFoundError:
            return absent
        except OSError as error:
            raise TrainError(
                f"{path} on {self._link.where} cannot be read: {error}.", "Check that machine's disk."
            ) from error

    def _beat(self) -> None:
        if time.monotonic() - self._beaten < BEAT_S:
            return
        self._beaten = time.monotonic()
        note = json.dumps({"label": self._label}).encode()
        self._look(
            self._at(f"clients/{self._client}.json"),
            lambda sftp, path: overwrite_there(sftp, path, note),
            None,
        )

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            stop_if_cancelled(self._cancel)
            time.sleep(0.1)
