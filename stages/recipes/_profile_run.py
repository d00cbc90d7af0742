"""One run of the profile recipe, step by step."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from secrets import randbelow

from sdwebui_client import CancelToken, EncodedImage, WebUI, WebUIPool
from train_lora import PhotoSet

from ..canonical import digest
from ..deliver import as_json
from ..director import Director
from ..engine import Engine
from ..errors import PlanError
from ..events import Event, Note, PlanReady, ServerChecked
from ..explain import LastRun
from ..family import checkpoint_doubt
from ..identity import face_crops, uses_lora
from ..identity_check import prove_ip_adapter
from ..lib.pose import skeleton_from_photo
from ..lock import FolderLock
from ..lora import PersonLora, lora_identity, lora_metadata
from ..plan import Blueprint, check_server
from ..progress import Announcer, Tracker
from ..servers import ServerSet
from ..shots import Shooter, Subject
from ..store import Store, explain_full_disk, write_atomically
from ..texts import FROM_PHOTO
from ..tone import ToneChoice, choose_tones
from ..training.photos import check_photos
from ._profile_delivery import Clock, Outcome, deliver
from ._profile_lora import ProfileLora
from .profile import ProfileOptions, RunResult, blueprint_of


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
        self._work = options.work
        self._emit = Announcer(on_event)
        self._servers = ServerSet(servers, checkpoint=options.preset.checkpoint)
        self._maker = ProfileLora(options, self._servers, self._emit, work=self._work)
        self._cancel = cancel
        self._clock = Clock.start()

    def go(self, turn: AbstractContextManager[object]) -> RunResult:
        """Everything, under the folder's lock; the servers work within `turn`."""
        with explain_full_disk(self._options.out_dir), FolderLock(self._work / "lock"):
            self._options.out_dir.mkdir(parents=True, exist_ok=True)
            self._sweep()
            self._check_plan()
            engine = self._engine()
            photos = self._photos(engine)
            tone = self._tone(photos)
            # Before the trials of checkpoints: the progress is of all pictures together, and never goes back.
            engine.tracker.plan(self._blueprint(None, tone).generations())
            with turn:
                outcome = self._drawn(engine, photos, tone)
            return deliver(outcome, engine, self._clock)

    def _drawn(self, engine: Engine, photos: PhotoSet, tone: ToneChoice) -> Outcome:
        """The LoRA and every picture: what the servers are needed for."""
        lora = self._lora(engine, photos) if uses_lora(self._preset) else None
        blueprint = self._blueprint(lora, tone)
        self._say_what_is_left_out(blueprint)
        shooter = self._shooter(engine, blueprint, photos, lora)
        self._announce_plan(blueprint)
        since = time.monotonic()
        parallel = len(self._servers.probed)
        session = Director(shooter, blueprint.slots, blueprint.draws, parallel=parallel).run()
        self._clock.lap("shots", since)
        return Outcome(
            self._options,
            self._servers.probed,
            blueprint,
            photos,
            lora,
            shooter.skeletons,
            session,
            tone,
        )

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
        will_come = self._options.lora is None and uses_lora(self._preset)
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
        doubts = (checkpoint_doubt(self._preset, server.caps) for server in able)
        for doubt in dict.fromkeys(doubt for doubt in doubts if doubt):
            self._emit(Note(doubt))
        self._servers.keep(able)
        if will_come:
            self._maker.check()

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
        photos = check_photos(self._options.photos_dir, engine, known=self._options.screened)
        self._clock.lap("photos", since)
        return photos

    def _lora(self, engine: Engine, photos: PhotoSet) -> PersonLora:
        since = time.monotonic()
        lora = self._maker.make(engine, photos)
        self._clock.lap("lora", since)
        return lora

    def _tone(self, photos: PhotoSet) -> ToneChoice:
        tone = choose_tones(self._preset, photos)
        if tone.text:
            self._emit(Note(tone.text))
        return tone

    def _blueprint(self, lora: PersonLora | None, tone: ToneChoice) -> Blueprint:
        caps_list = [server.caps for server in self._servers.probed]
        return blueprint_of(self._options, caps_list, lora=lora, seed=self._seed(), tones=tone.tones)

    def _say_what_is_left_out(self, blueprint: Blueprint) -> None:
        for name in blueprint.texts.left_out():
            self._emit(Note(f"The LoRA {name} of the mix is not on the servers and is left out."))

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

    def _faces(self, engine: Engine, blueprint: Blueprint, photos: PhotoSet) -> dict[str, EncodedImage]:
        """What an IP-Adapter is shown, once every server was seen to look at it; empty without one."""
        choice = blueprint.chosen_adapter
        if choice is None:
            return {}
        since = time.monotonic()
        faces = face_crops(photos, self._preset)
        for face in faces.values():
            engine.store.put(face.data)
        if choice.face_id:
            self._emit(Note(f"{choice.model} is for non-commercial use: its makers' licence says so."))
        for server in self._servers.probed:
            prove_ip_adapter(engine, server, blueprint, choice, faces)
        self._clock.lap("identity", since)
        return faces

    def _shooter(
        self, engine: Engine, blueprint: Blueprint, photos: PhotoSet, lora: PersonLora | None
    ) -> Shooter:
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
            adapter=blueprint.chosen_adapter,
            faces=self._faces(engine, blueprint, photos),
        )

    def _lora_identities(self, blueprint: Blueprint, lora: PersonLora | None) -> Mapping[str, str]:
        """What stands for each LoRA of the prompts in the stages' keys."""
        caps = self._servers.probed[0].caps
        prompt = blueprint.texts.main(self._preset.txt2img, pose=blueprint.poses[0], tone=None)
        own = {lora.name: lora.identity} if lora is not None else {}
        others = sorted({name for name, _ in prompt.loras} - set(own))
        return {**own, **{name: lora_identity(name, lora_metadata(caps, name)) for name in others}}

    def _announce_plan(self, blueprint: Blueprint) -> None:
        generations = blueprint.generations()
        self._emit(PlanReady(sum(generations.values()), len(blueprint.slots), generations))
