"""One run of the training recipe, step by step."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sdwebui_client import CancelToken, WebUI, WebUIPool
from train_lora import PhotoSet, TrainerBackend

from ..engine import Engine
from ..events import Event, LoraVerified, Note
from ..explain import LastRun
from ..lock import FolderLock
from ..lora import for_trial, publish_everywhere, sweep_trials
from ..progress import Announcer, Tracker
from ..servers import ServerSet
from ..store import Store, explain_full_disk, write_atomically
from ..training.files import as_named
from ..training.papers import REPORT, About, TrainingPapers
from ..training.person import PersonTraining, Trained, Trainer
from ..training.photos import check_photos, settled_trigger
from ..training.prepare import extras_of
from ..training.trainers import (
    base_model_of,
    check_names,
    is_sandbox,
    make_trainer,
    must_suit,
    reach,
)
from ..training.verify import verify_used
from .train import TrainOptions, TrainResult

WORK = ".work"


class TrainRun:
    """Use once."""

    def __init__(
        self,
        options: TrainOptions,
        servers: WebUIPool | Sequence[WebUI],
        *,
        on_event: Callable[[Event], None],
        cancel: CancelToken,
    ) -> None:
        self._options = options
        self._work = options.out_dir / WORK
        self._emit = Announcer(on_event)
        some = servers.servers if isinstance(servers, WebUIPool) else servers
        self._servers = ServerSet(servers, checkpoint=None) if some else None
        self._cancel = cancel
        self._seconds: dict[str, float] = {}

    def go(self) -> TrainResult:
        """Everything, under the folder's lock."""
        with explain_full_disk(self._options.out_dir), FolderLock(self._work / "lock"):
            for leftover in self._work.glob(".*.part"):
                shutil.rmtree(leftover, ignore_errors=True)
            backend = self._backend()
            engine = self._engine()
            photos = self._timed("photos", lambda: check_photos(self._options.photos_dir, engine))
            self._check_name(photos)
            trained = self._trained(engine, photos, backend)
            artifact = as_named(trained.path, self._options.name, self._work)
            self._write_file(artifact.path.read_bytes())
            papers = self._papers(engine, photos)
            record = papers.write(trained, seconds=self._seconds)
            if self._servers is not None and self._options.publish:
                published = self._timed("publishing", lambda: self._publish(engine, trained))
                record = papers.write(trained, seconds=self._seconds, published=published)
            out_dir = self._options.out_dir
            return TrainResult(record, out_dir, self._file, out_dir / REPORT, trained.cached)

    # ---- before the training

    def _backend(self) -> TrainerBackend:
        """The trainer that suits the servers, which are asked first: a night's training for a server that is
        not there would be in vain."""
        options, family = self._options, self._options.preset.family
        if self._servers is None:
            return make_trainer(options.trainer, sandbox=False)
        probed = self._servers.probe(self._emit)
        self._servers.keep(probed)
        if options.publish or options.choose:
            reach(probed, options.models_dir)
        sweep_trials(probed, options.models_dir, work=self._work, emit=self._emit)
        sandbox = is_sandbox(probed)
        base_model = base_model_of(probed, options.models_dir, family=family, checkpoint=None)
        backend = make_trainer(options.trainer, sandbox=sandbox, base_model=base_model)
        if not sandbox:
            must_suit(backend, sandbox=False)
        return backend

    def _check_name(self, photos: PhotoSet) -> None:
        options = self._options
        if self._servers is not None and options.publish:
            check_names(self._servers.probed, options.models_dir, name=options.name, photos=photos)

    def _engine(self) -> Engine:
        parallel = len(self._servers.probed) if self._servers else 1
        return Engine(
            Store(self._work / "store"),
            LastRun(self._work / "last"),
            self._emit,
            Tracker(self._emit, parallel=parallel),
            cancel=self._cancel,
        )

    # ---- the training

    def _trained(self, engine: Engine, photos: PhotoSet, backend: TrainerBackend) -> Trained:
        options, preset = self._options, self._options.preset
        servers = self._for_choosing(backend)
        what = PersonTraining(
            settings=preset.train,
            choose=preset.choose if options.choose else None,
            family=preset.family,
            trigger=settled_trigger(preset.train.trigger, options.name, options.subject, self._emit),
            subject=options.subject,
            checkpoint=None,
        )
        captioner, regularisation = extras_of(engine, self._servers, what)
        return Trainer(
            engine,
            photos,
            what,
            backend,
            work=self._work,
            servers=servers,
            publish=for_trial(servers, options.models_dir, work=self._work) if servers else None,
            captioner=captioner,
            regularisation=regularisation,
            measure_first=options.measure_first,
        ).go()

    def _for_choosing(self, backend: TrainerBackend) -> ServerSet | None:
        """The servers, if they can draw with what is trained."""
        if self._servers is None or not self._options.choose:
            return None
        if any(server.caps.sandbox != backend.sandbox for server in self._servers.probed):
            self._emit(
                Note(
                    "The last checkpoint is taken, unseen: the sandbox cannot draw with a LoRA that was "
                    "really trained. With a real WebUI the best one is chosen by likeness."
                )
            )
            return None
        return self._servers

    # ---- after it

    def _publish(self, engine: Engine, trained: Trained) -> list[dict[str, Any]]:
        assert self._servers is not None
        options = self._options
        _, places = publish_everywhere(
            engine,
            trained,
            self._servers.probed,
            name=options.name,
            work=self._work,
            models_dir=options.models_dir,
        )
        artifact = as_named(trained.path, options.name, self._work)
        published = []
        for probed, place in zip(self._servers.probed, places, strict=True):
            if probed.caps.sandbox and not artifact.sandbox:
                evidence = "the sandbox lists it, but cannot draw with a LoRA that was really trained"
            else:
                evidence = verify_used(probed, artifact, cancel=engine.cancel)
            engine.emit(LoraVerified(probed.url, options.name, evidence))
            published.append(
                {
                    "server": probed.url,
                    "place": place.place,
                    "copied": place.copied,
                    "listed": True,
                    "verified": evidence,
                }
            )
        return published

    def _papers(self, engine: Engine, photos: PhotoSet) -> TrainingPapers:
        options = self._options
        about = About(
            name=options.name,
            file=self._file.name,
            preset=options.preset.name,
            person=options.person,
            consent=options.consent,
        )
        return TrainingPapers(options.out_dir, self._work, engine.store, photos, about)

    @property
    def _file(self) -> Path:
        return self._options.out_dir / f"{self._options.name}.safetensors"

    def _write_file(self, data: bytes) -> None:
        if not (self._file.is_file() and self._file.read_bytes() == data):
            write_atomically(self._file, data, tmp_dir=self._work / "store" / "tmp")

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        since = time.monotonic()
        done = work()
        self._seconds[part] = time.monotonic() - since
        return done
