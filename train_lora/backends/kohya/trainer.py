"""sd-scripts on this machine, as a trainer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..._files import sha256_file
from ...dataset import Dataset
from ...errors import TrainerMissing, TrainError
from ...progress import Cancel, OnTrainProgress
from ...recipe import TrainRecipe
from ..base import TrainingRun
from .base_model import inspect_base_model
from .checks import problems_of
from .command import KohyaPaths
from .drive import Limits, drive
from .machine import training_lock
from .runner import LocalHost, run_probe
from .setup import VERSION, KohyaSetup, no_base_model

JOB = ".job"
"""Folder of the running training, in the folder it trains into."""


class KohyaTrainer:
    """Trains with kohya's sd-scripts in a process of their own.

    Args:
        setup: Where they are: `find_setup`.
        limits: When a training is given up.
    """

    name = "sd-scripts"
    sandbox = False

    def __init__(self, setup: KohyaSetup, *, limits: Limits | None = None) -> None:
        self.setup = setup
        self._limits = limits or Limits()
        self._facts: dict[str, dict[str, Any]] = {}
        self._identity: tuple[tuple[int, int, int], dict[str, str]] | None = None
        """The base model's file as it was, and what was found out of it."""

    @property
    def version(self) -> str:
        """Tag or commit of the checkout; VERSION and a "?" when it has no history to tell by."""
        found = self._probed("sd15").get("sd_scripts", {})
        return str(found.get("version") or f"{VERSION}? {str(found.get('script_sha256'))[:12]}")

    def identity(self) -> Mapping[str, str]:
        """The base model: name, SHA-256 of the file, family. The hash is made once for a file that does not
        change; 2 GB take seconds.

        Raises:
            TrainerMissing: No base model was given.
            TrainError: It cannot be read.
        """
        path = self._base_model()
        try:
            facts = path.stat()
            file = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
            if self._identity is None or self._identity[0] != file:
                family = inspect_base_model(path).family
                self._identity = file, {"name": path.stem, "sha256": sha256_file(path), "family": family}
        except OSError as error:
            raise TrainError(
                f"The base model {path.name} cannot be read: {error.strerror}.",
                "Check the file and its disk.",
            ) from error
        return self._identity[1]

    def machine(self) -> Mapping[str, Any] | None:
        """What the trainer's Python knows of this machine; None when it cannot be asked."""
        try:
            return next(iter(self._facts.values()), None) or self._probed("sd15")
        except TrainError:
            return None

    def check(self, recipe: TrainRecipe) -> list[str]:
        """Everything that can be known to be missing, each a sentence. A second or two, the first time."""
        try:
            found = [] if self.setup.base_model is not None else [no_base_model()]
            facts = self._probed(recipe.family)
            path = self.setup.base_model
            if path is not None and (facts.get("base_model") or {}).get("header") is None:
                inspect_base_model(path)  # says what is wrong with it, also of a .ckpt
            return found + problems_of(facts, recipe, base_model=str(path or ""))
        except TrainError as error:
            return [str(error)]

    def train(
        self,
        dataset: Dataset,
        recipe: TrainRecipe,
        out_dir: Path,
        *,
        on_progress: OnTrainProgress | None = None,
        cancel: Cancel | None = None,
    ) -> TrainingRun:
        """See `TrainerBackend.train`. The job folder, `out_dir`/.job, is removed when all is done.

        Raises:
            TrainerMissing: No base model was given.
            TrainError: It did not work, or somebody else trains into `out_dir`.
            TrainCancelled: It was stopped; within a second nothing of it runs.
        """
        out_dir = Path(out_dir).absolute()
        base_model = self._base_model()
        host = LocalHost(out_dir / JOB, self.setup.python)
        paths = KohyaPaths(
            python=str(self.setup.python),
            script_dir=str(self.setup.sd_scripts),
            base_model=str(base_model),
            dataset_dir=f"{host.job_dir}/dataset",
            job_dir=host.job_dir,
            tokenizers=str(self.setup.tokenizers) if self.setup.tokenizers else None,
        )
        with training_lock(out_dir, recipe.name):
            return drive(
                host,
                dataset,
                recipe,
                paths,
                out_dir,
                trainer=f"{self.name} {self.version}",
                limits=self._limits,
                on_progress=on_progress,
                cancel=cancel,
            )

    def _base_model(self) -> Path:
        if self.setup.base_model is None:
            raise TrainerMissing("No base model is given.", no_base_model().partition(". ")[2])
        return self.setup.base_model

    def _probed(self, family: str) -> dict[str, Any]:
        """The facts, asked for once a family."""
        if family not in self._facts:
            setup = self.setup
            self._facts[family] = run_probe(
                setup.python,
                {
                    "sd_scripts": str(setup.sd_scripts),
                    "base_model": str(setup.base_model) if setup.base_model else None,
                    "tokenizers": str(setup.tokenizers) if setup.tokenizers else None,
                    "families": [family],
                    "disk": str(Path.cwd()),
                },
            )
        return self._facts[family]
