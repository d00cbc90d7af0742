"""One run of the profile recipe, step by step."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from secrets import randbelow

from sdwebui_client import CancelToken, WebUI, WebUIPool
from train_lora import PhotoSet, load_photos
from train_lora.photos import PhotoVerdict

from ..canonical import digest
from ..deliver import as_json
from ..director import Director
from ..engine import Engine
from ..errors import PlanError
from ..events import (
    Event,
    LoraReady,
    Note,
    PhotoChecked,
    PhotosDone,
    PhotosProgress,
    PlanReady,
    ServerChecked,
)
from ..explain import LastRun
from ..family import checkpoint_doubt
from ..lib.pose import skeleton_from_photo
from ..lock import FolderLock
from ..lora import (
    PersonLora,
    lora_identity,
    lora_metadata,
    named_lora,
    publish_everywhere,
    require_trainer,
    train,
)
from ..plan import Blueprint, check_server
from ..progress import Announcer, Tracker
from ..servers import Probed, ServerSet
from ..shots import Shooter, Subject
from ..store import Store, explain_full_disk, write_atomically
from ..texts import FROM_PHOTO
from ._profile_delivery import Clock, Outcome, deliver
from .profile import ProfileOptions, RunResult, blueprint_of

WORK = ".work"


class ProfileRun:
    """Use once."""

    def __init__(
        self,
        options: ProfileOptions,
        servers: WebUIPool | Sequence[WebUI],
        *,
        on_event: Callable[[Event], None],
        cancel: CancelToken,
    ) -> None:
        self._options, self._preset = options, options.preset
        self._work = options.out_dir / WORK
        self._emit = Announcer(on_event)
        self._servers = ServerSet(servers, checkpoint=options.preset.checkpoint)
        self._cancel = cancel
        self._clock = Clock.start()

    def go(self) -> RunResult:
        """Everything, under the folder's lock."""
        with explain_full_disk(self._options.out_dir), FolderLock(self._work / "lock"):
            self._sweep()
            self._check_plan()
            engine = self._engine()
            photos = self._photos(engine)
            lora = self._lora(engine, photos)
            blueprint = self._blueprint(lora)
            shooter = self._shooter(engine, blueprint, photos, lora)
            self._announce_plan(engine, blueprint)
            since = time.monotonic()
            session = Director(
                shooter, blueprint.slots, blueprint.draws, parallel=len(self._servers.probed)
            ).run()
            self._clock.lap("shots", since)
            outcome = Outcome(
                self._options,
                self._servers.probed,
                blueprint,
                photos,
                lora,
                shooter.skeletons,
                session,
            )
            return deliver(outcome, engine, self._work, self._clock)

    # ---- before anything is drawn

    def _sweep(self) -> None:
        """Remove what a killed run left half-made."""
        for leftover in self._work.glob(".*.part"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _check_plan(self) -> None:
        """Probe the servers and keep those that can do all of it.

        Raises:
            PlanError: None can.
            StageError: There is no LoRA and nothing to train one with.
        """
        probed = self._servers.probe(self._emit)
        blueprint = blueprint_of(self._options, [server.caps for server in probed], seed=0)
        will_come = self._options.lora is None
        checks = [
            (server, check_server(blueprint, server.caps, lora_will_come=will_come).problems)
            for server in probed
        ]
        able = [server for server, problems in checks if not problems]
        for server, problems in checks:
            caps = server.caps
            self._emit(
                ServerChecked(
                    server.url, str(caps.flavour), caps.version, caps.sandbox, not problems, problems
                )
            )
        if not able:
            raise PlanError({server.url: problems for server, problems in checks})
        if len(able) < len(probed):
            left_out = ", ".join(server.url for server, problems in checks if problems)
            self._emit(Note(f"Goes on without {left_out}: the plan needs what they lack."))
        if will_come:
            require_trainer(able)
        doubts = (checkpoint_doubt(self._preset, server.caps) for server in able)
        for doubt in dict.fromkeys(doubt for doubt in doubts if doubt):
            self._emit(Note(doubt))
        self._servers.keep(able)

    def _engine(self) -> Engine:
        return Engine(
            Store(self._work / "store"),
            LastRun(self._work / "last"),
            self._emit,
            Tracker(self._emit, parallel=len(self._servers.probed)),
            cancel=self._cancel,
        )

    def _photos(self, engine: Engine) -> PhotoSet:
        since = time.monotonic()

        def judged(verdict: PhotoVerdict, index: int, total: int) -> None:
            self._emit(
                PhotoChecked(verdict.file, verdict.accepted, verdict.reason, verdict.advice, index, total)
            )

        def looked_at(done: int, total: int) -> None:
            engine.may_go_on()  # a large folder takes minutes
            self._emit(PhotosProgress(done, total))

        photos = load_photos(
            self._options.photos_dir,
            on_photo=judged,
            on_progress=looked_at,
        )
        self._emit(PhotosDone(len(photos.accepted), len(photos.refused)))
        self._clock.lap("photos", since)
        return photos

    def _lora(self, engine: Engine, photos: PhotoSet) -> PersonLora:
        since = time.monotonic()
        probed = self._servers.probed
        if self._options.lora is not None:
            lora = named_lora(self._options.lora, probed)
            self._emit(LoraReady(lora.name, lora.sha256, lora.trainer, lora.sandbox, cached=True))
        else:
            artifact, cached = train(
                engine,
                photos,
                self._preset,
                name=self._options.name,
                work=self._work,
                backend=require_trainer(probed),
            )
            lora = publish_everywhere(
                engine, artifact, probed, models_dir=self._options.models_dir, cached=cached
            )
        refreshed = [Probed(server.webui, server.webui.capabilities(refresh=True)) for server in probed]
        self._servers.keep(refreshed, loras=(lora.name,))
        self._clock.lap("lora", since)
        return lora

    def _blueprint(self, lora: PersonLora) -> Blueprint:
        caps_list = [server.caps for server in self._servers.probed]
        blueprint = blueprint_of(self._options, caps_list, lora=lora, seed=self._seed())
        for name in blueprint.texts.left_out():
            self._emit(Note(f"The LoRA {name} of the mix is not on the servers and is left out."))
        return blueprint

    def _seed(self) -> int:
        """The asked seed, or the one drawn when this folder was first used."""
        if self._options.seed is not None:
            return self._options.seed
        path = self._work / "seed.json"
        try:
            known = json.loads(path.read_text("utf-8"))["seed"]
        except (OSError, ValueError, KeyError, TypeError):
            known = None
        if isinstance(known, int):
            return known
        drawn = randbelow(2**32)
        write_atomically(path, as_json({"seed": drawn}))
        return drawn

    def _shooter(self, engine: Engine, blueprint: Blueprint, photos: PhotoSet, lora: PersonLora) -> Shooter:
        skeletons = blueprint.skeletons()
        size = (self._preset.txt2img.width, self._preset.txt2img.height)
        if self._options.pose_from is not None and self._preset.txt2img.controlnet is not None:
            skeletons[FROM_PHOTO] = skeleton_from_photo(
                engine, self._servers, self._options.pose_from, size=size
            )
        for skeleton in skeletons.values():
            engine.store.put(skeleton.data)
        person_sha256 = digest(sorted(photo.sha256 for photo in photos.accepted))
        return Shooter(
            engine=engine,
            servers=self._servers,
            preset=self._preset,
            texts=blueprint.texts,
            subject=Subject(photos.person(), person_sha256, self._lora_identities(blueprint, lora)),
            skeletons=skeletons,
            upscaler=blueprint.upscaler,
            seed=blueprint.seed,
        )

    def _lora_identities(self, blueprint: Blueprint, lora: PersonLora) -> Mapping[str, str]:
        """What stands for each LoRA of the prompts in the stages' keys."""
        caps = self._servers.probed[0].caps
        prompt = blueprint.texts.main(self._preset.txt2img, pose=blueprint.poses[0], tone=None)
        others = {name for name, _ in prompt.loras if name != lora.name}
        found = {name: lora_identity(name, lora_metadata(caps, name)) for name in sorted(others)}
        return {lora.name: lora.identity, **found}

    def _announce_plan(self, engine: Engine, blueprint: Blueprint) -> None:
        generations = blueprint.generations()
        engine.tracker.plan(generations)
        self._emit(PlanReady(sum(generations.values()), len(blueprint.slots), generations))
