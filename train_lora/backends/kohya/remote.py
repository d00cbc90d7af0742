"""sd-scripts on a GPU host, over ssh: the same command, the same supervisor, on another machine.

The training belongs to the host: it goes on when the connection breaks or this process is killed, and calling
`train` again with the same dataset and recipe takes it up. Cancelling ends it there. What was sent (people's
faces) is removed from the host when the training is over, whatever its end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..._files import write_atomically
from ..._ssh_names import own_name
from ...dataset import Dataset
from ...errors import TrainCancelled, TrainerMissing, TrainError
from ...progress import Cancel, OnTrainProgress, TrainProgress
from ...recipe import TrainRecipe
from ...ssh import SshAuth, SshTarget
from ..base import TrainingRun
from .base_model import inspect_header
from .checks import problems_of
from .command import DatasetLayout, KohyaPaths
from .drive import Limits, drive
from .host import ENDED
from .job import JOB_FILE
from .machine import training_lock
from .remote_host import LOGS, SWEEP_DAYS, SshHost
from .remote_link import Link, Patience
from .remote_setup import RemotePaths, RemoteSetup, locate
from .remote_side import PREFIX
from .setup import VERSION

_CLIENT = ".remote-client"
_PARTS = ".remote-parts"
"""Files on their way here, in the folder they go to."""


class SshKohyaTrainer:
    """Trains on another machine.

    Args:
        target: Where, and where things lie there: see `RemoteSetup.of`.
        auth: How to log in.
        limits: When a training there is given up.
        patience: How long a host that cannot be reached is waited for.
        poll_s: Seconds between two looks at the training.

    Raises:
        TrainError: The address says something impossible.
    """

    name = "sd-scripts"
    sandbox = False

    def __init__(
        self,
        target: SshTarget,
        auth: SshAuth,
        *,
        limits: Limits | None = None,
        patience: Patience | None = None,
        poll_s: float = 1.0,
    ) -> None:
        self.setup = RemoteSetup.of(target)
        self._target, self._auth = target, auth
        self._limits = limits or Limits()
        self._patience = patience or Patience()
        self._poll_s = poll_s
        self._seen: tuple[RemotePaths, dict[str, Any]] | None = None

    @property
    def version(self) -> str:
        """The tag or commit of the host's checkout; asks the host the first time."""
        return _version(self._look()[1])

    def identity(self) -> Mapping[str, str]:
        """The base model on the host; it is known by its header, size and name, for it never comes here."""
        paths, facts = self._look()
        return _identity(paths, facts)

    def machine(self) -> Mapping[str, Any] | None:
        """What the trainer's Python knows of the host; None when it cannot be asked."""
        try:
            return self._look()[1]
        except TrainError:
            return None

    def check(self, recipe: TrainRecipe) -> list[str]:
        """What is missing on the host; takes seconds. Also that it cannot be reached at all."""
        try:
            with self._link() as link:
                paths = locate(link, self.setup)
                facts = _probe(link, paths, recipe)
                if link.side(paths.python, "busy", jobs=paths.jobs)["jobs"]:
                    facts = _without_free_memory(facts)
        except TrainError as error:
            return [str(error)]
        return self._problems(paths, facts, recipe)

    def train(
        self,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        *,
        on_progress: OnTrainProgress | None = None,
        cancel: Cancel | None = None,
    ) -> TrainingRun:
        """Train there and bring the checkpoints here; a training of the same dataset and recipe is taken up.

        Raises:
            TrainError: It did not work. The photos are removed from the host, the logs stay there.
            TrainCancelled: It was stopped. Nothing stays on the host.
        """
        out_dir = Path(out_dir).absolute()
        report = _Notes(on_progress, DatasetLayout.of(dataset).steps(recipe))
        with training_lock(out_dir, recipe.name), self._link(report.note, cancel) as link:
            paths = locate(link, self.setup)
            if paths.base_model is None:
                raise TrainerMissing(*_NO_MODEL)
            job = f"{paths.jobs}/{job_id(dataset, recipe, paths)}"
            host = SshHost(
                link, paths.python, job,
                client=_client(out_dir), label=f"{own_name() or 'somebody'}@{socket.gethostname()}",
                parts=out_dir / _PARTS, on_note=report.note, cancel=cancel, poll_s=self._poll_s,
            )  # fmt: skip
            status = host.status()
            facts = _probe(link, paths, recipe)
            # One that runs has taken the GPU's memory and the disk's room; one that is done needs none.
            under_way = status is not None and (status["state"] not in ENDED or status.get("exit_code") == 0)
            if not under_way and (problems := self._problems(paths, facts, recipe)):
                raise TrainError(problems[0], " ".join(problems[1:]))
            if not _version(facts).startswith(VERSION):
                report.note(
                    f"{self.setup.where} has sd-scripts {_version(facts)}; this was made for {VERSION}"
                )
            return self._follow(host, dataset, recipe, out_dir, paths, facts, report, cancel)

    def _follow(
        self,
        host: SshHost,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        paths: RemotePaths,
        facts: Mapping[str, Any],
        report: _Notes,
        cancel: Cancel | None,
    ) -> TrainingRun:
        try:
            host.prepare(dataset)
            run = drive(
                host, dataset, recipe, _paths(paths, host), out_dir,
                trainer=f"{self.name} {_version(facts)}", limits=self._limits,
                on_progress=report.progress, cancel=cancel, own_dataset=False, tidy=False,
            )  # fmt: skip
        except TrainCancelled as stopped:
            raise self._stopped(host, by_us=cancel is not None and cancel.cancelled) from stopped
        except KeyboardInterrupt:
            self._stopped(host, by_us=True)
            raise
        except TrainError as error:
            if left := self._clear(host, lambda: _worth_keeping(host)):
                raise TrainError(error.message, f"{error.hint} {left}") from error
            raise
        shutil.rmtree(host.parts, ignore_errors=True)
        if left := self._clear(host, lambda: ()):
            report.note(left)
        return run

    def _stopped(self, host: SshHost, *, by_us: bool) -> TrainCancelled:
        try:
            host.stop()
        except TrainCancelled as unreachable:
            return unreachable
        except TrainError as error:
            return TrainCancelled(
                f"Stopped here, but {self.setup.where} could not be told: {error.message}",
                f"The training may go on there, in {host.job_dir}: run the same command again to take it up.",
            )
        left = self._clear(host, lambda: ())
        shutil.rmtree(host.parts, ignore_errors=True)
        return TrainCancelled(
            "The training was stopped."
            if by_us
            else f"Somebody else stopped the training on {self.setup.where}.",
            left
            or f"Its photos and files were removed from {self.setup.where}; the same command starts over.",
        )

    def _clear(self, host: SshHost, keep: Callable[[], tuple[str, ...]]) -> str:
        """Clear up on the host; a sentence about what is left when that does not work."""
        try:
            host.settle(keep)
        except TrainError as error:
            return (
                f"The photos could not be removed from {self.setup.where} ({error.message}): they lie in "
                f"{host.job_dir} until the next training there, {SWEEP_DAYS:g} days at least."
            )
        return ""

    # ---- what is known of the host

    @contextmanager
    def _link(
        self, on_note: Callable[[str], None] | None = None, cancel: Cancel | None = None
    ) -> Iterator[Link]:
        link = Link(self._target, self._auth, patience=self._patience, on_note=on_note, cancel=cancel)
        try:
            yield link
        finally:
            link.close()

    def _look(self) -> tuple[RemotePaths, dict[str, Any]]:
        if self._seen is None:
            with self._link() as link:
                paths = locate(link, self.setup)
                self._seen = paths, _probe(link, paths, None)
        return self._seen

    def _problems(self, paths: RemotePaths, facts: Mapping[str, Any], recipe: TrainRecipe) -> list[str]:
        if paths.base_model is None:
            return [" ".join(_NO_MODEL)]
        found = problems_of(facts, recipe, base_model=paths.base_model)
        return [f"On {self.setup.where}: {sentence}" for sentence in found]


_NO_MODEL = (
    "The trainer's address names no base model.",
    "Add the path of a Stable Diffusion checkpoint on that host: ?base_model=/path/to/model.safetensors",
)


def job_id(dataset: Dataset, recipe: TrainRecipe, paths: RemotePaths) -> str:
    """Name of a training's folder on the host: the same for the same training, and it tells nobody's name.

    The trainer counts too: two clients that name two checkouts would end each other's training otherwise.
    """
    trainer = [paths.base_model, paths.sd_scripts, paths.python]
    parts = [dataset.manifest_sha256, recipe.model_dump(mode="json"), trainer]
    return PREFIX + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _probe(link: Link, paths: RemotePaths, recipe: TrainRecipe | None) -> dict[str, Any]:
    request: dict[str, Any] = {"sd_scripts": paths.sd_scripts, "disk": paths.jobs}
    for key in ("base_model", "tokenizers"):
        if (value := getattr(paths, key)) is not None:
            request[key] = value
    if recipe is not None:
        request["families"] = [recipe.family]
    return link.probe(paths.python, request)


def _without_free_memory(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A training of ours may be what takes it, and may be the very one that is to be followed."""
    return {**facts, "gpus": [{**gpu, "free_mib": None} for gpu in facts.get("gpus", ())]}


def _paths(paths: RemotePaths, host: SshHost) -> KohyaPaths:
    return KohyaPaths(
        python=paths.python,
        script_dir=paths.sd_scripts,
        base_model=paths.base_model or "",
        dataset_dir=host.dataset_dir,
        job_dir=host.job_dir,
        tokenizers=paths.tokenizers,
    )


def _version(facts: Mapping[str, Any]) -> str:
    found = facts.get("sd_scripts", {})
    return str(found.get("version") or f"{VERSION}? {str(found.get('script_sha256'))[:12]}")


def _identity(paths: RemotePaths, facts: Mapping[str, Any]) -> dict[str, str]:
    model = facts.get("base_model") or {}
    header = model.get("header")
    known = json.dumps([model.get("bytes"), header], sort_keys=True)
    tensors = {name: entry for name, entry in (header or {}).items() if name != "__metadata__"}
    return {
        "name": PurePosixPath(paths.base_model or "").stem,
        "header_sha256": hashlib.sha256(known.encode()).hexdigest(),
        "family": inspect_header(tensors).family if header else "unknown",
    }


def _client(out_dir: Path) -> str:
    """Who we are on the host: the same word when we come back after a crash, another for another folder."""
    note = out_dir / _CLIENT
    try:
        known = note.read_text("ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        known = ""
    if not (len(known) == 32 and known.isalnum()):
        known = uuid.uuid4().hex
        write_atomically(note, known.encode(), mode=0o600)
    return known


def _worth_keeping(host: SshHost) -> tuple[str, ...]:
    """Logs, and what a second call goes on with: checkpoints and saved states."""
    return (*LOGS, JOB_FILE, "out") if host.list_out() else LOGS


class _Notes:
    """Hands progress on, and puts notes between."""

    def __init__(self, on_progress: OnTrainProgress | None, steps: int) -> None:
        self._on_progress = on_progress
        self._last = TrainProgress(0, steps, None, None, phase="preparing")

    def progress(self, progress: TrainProgress) -> None:
        self._last = progress
        if self._on_progress is not None:
            self._on_progress(progress)

    def note(self, text: str) -> None:
        if self._on_progress is not None:
            self._on_progress(replace(self._last, message=text))
