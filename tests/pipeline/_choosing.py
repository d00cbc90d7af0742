"""A choice among checkpoints of the sandbox trainer, over real HTTP."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdwebui_client import CancelToken, Timeouts, WebUI
from stages.choosing import Choice, ChooseParams, choose_checkpoint
from stages.engine import Engine
from stages.explain import LastRun
from stages.lora import for_trial, sweep_trials
from stages.progress import Tracker
from stages.servers import Probed, ServerSet
from stages.store import Store
from tests.pipeline._recipe import Watched
from train_lora import Checkpoint, Dataset, SandboxTrainer, build_dataset, load_photos, make_recipe

STEPS, EVERY = 1200, 200
SMALL: dict[str, Any] = {"width": 320, "height": 400}
"""Small enough for a test, large enough for a face."""
Publish = Callable[[Checkpoint, str], AbstractContextManager[str]]


def trained(
    dataset: Dataset, folder: Path, *, family: str = "sd15", **planted: Any
) -> tuple[Checkpoint, ...]:
    """The checkpoints of a training whose best moment is known."""
    recipe = make_recipe(
        name="alice", steps=STEPS, save_every_n_steps=EVERY, trigger=dataset.trigger, family=family
    )
    return SandboxTrainer(seconds=0, **planted).train(dataset, recipe, folder).checkpoints


def in_models_dir(models_dir: Path) -> set[str]:
    """The LoRA files there."""
    return {path.name for path in (models_dir / "Lora").glob("**/*") if path.is_file()}


@dataclass
class Lender:
    """The recipe's own way to put a checkpoint on a server for a while; keeps count."""

    inner: Publish
    lent: list[str]

    @contextlib.contextmanager
    def __call__(self, checkpoint: Checkpoint, name: str) -> Iterator[str]:
        self.lent.append(name)
        with self.inner(checkpoint, name) as published:
            yield published


@dataclass
class Session:
    """One process's worth of choosing."""

    url: str
    models_dir: Path
    work: Path
    dataset: Dataset
    watch: Watched = field(default_factory=Watched)
    cancel: CancelToken = field(default_factory=CancelToken)
    lent: list[str] = field(default_factory=list)

    def choose(
        self,
        checkpoints: tuple[Checkpoint, ...],
        *,
        wrap: Callable[[Publish], Publish] | None = None,
        family: Any = "sd15",
        **changed: Any,
    ) -> Choice:
        """Choose with small pictures."""
        params = ChooseParams.model_validate({**SMALL, **changed})
        # A server that is gone is given up soon; the default waits long enough for one that restarts.
        with WebUI(self.url, timeouts=Timeouts(recover_s=2)) as webui:
            servers = ServerSet([webui], checkpoint=None)
            servers.keep([Probed(webui, webui.capabilities())])
            sweep_trials(servers.probed, self.models_dir, work=self.work, emit=self.watch)
            lender = Lender(for_trial(servers, self.models_dir, work=self.work), self.lent)
            engine = Engine(
                Store(self.work / "store"),
                LastRun(self.work / "last"),
                self.watch,
                Tracker(self.watch),
                cancel=self.cancel,
            )
            return choose_checkpoint(
                engine,
                servers,
                checkpoints,
                params=params,
                preset_family=family,
                checkpoint=None,
                trigger=self.dataset.trigger,
                subject="woman",
                dataset=self.dataset,
                publish=wrap(lender) if wrap else lender,
                on_event=self.watch,
            )


def main() -> None:
    """Choose in a process of its own, to be killed: ADDRESS MODELS_DIR WORK PHOTOS."""
    url, models_dir, work, photos = sys.argv[1:]
    root = Path(work)
    dataset = build_dataset(load_photos(Path(photos)), root / "dataset", trigger="ohwx person", held_out=2)
    session = Session(url, Path(models_dir), root, dataset)
    choice = session.choose(trained(dataset, root / "training", best_step=600)[1:5], finalists=1)
    sys.stdout.write(f"{choice.step} {choice.weight}\n")


if __name__ == "__main__":
    main()
