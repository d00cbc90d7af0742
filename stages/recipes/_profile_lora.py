"""The LoRA of a run for portraits: the one that was named, or one trained from the photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from train_lora import PhotoSet, TrainerBackend

from ..engine import Engine
from ..events import Listener, LoraReady
from ..lora import PersonLora, for_trial, named_lora, planned_name, publish_everywhere, sweep_trials
from ..servers import Probed, ServerSet
from ..training.papers import About, TrainingPapers
from ..training.person import PersonTraining, Trained, Trainer
from ..training.photos import settled_trigger
from ..training.prepare import extras_of
from ..training.trainers import base_model_of, is_sandbox, make_trainer, must_suit, reach, trials_of

if TYPE_CHECKING:
    from .profile import ProfileOptions


class ProfileLora:
    """Finds or makes it."""

    def __init__(self, options: ProfileOptions, servers: ServerSet, emit: Listener, *, work: Path) -> None:
        self._options, self._preset = options, options.preset
        self._servers, self._emit, self._work = servers, emit, work

    def check(self) -> None:
        """See that one can be trained and published, before anybody waits for photos.

        Raises:
            StageError: The trainer and the servers do not belong together, or a models folder is not known.
            TrainError: There is no trainer, or the models folder is out of reach; it says what to do.
        """
        self._backend()
        reach(self._servers.probed, self._options.models_dir)

    def make(self, engine: Engine, photos: PhotoSet) -> PersonLora:
        """The LoRA, listed by every server."""
        probed = self._servers.probed
        if self._options.lora is not None:
            lora = named_lora(self._options.lora, probed)
            self._emit(LoraReady(lora.name, lora.sha256, lora.trainer, lora.sandbox, cached=True))
        else:
            lora = self._new(engine, photos)
        refreshed = [Probed(server.webui, server.webui.capabilities(refresh=True)) for server in probed]
        self._servers.keep(refreshed, loras=(lora.name,))
        return lora

    def _new(self, engine: Engine, photos: PhotoSet) -> PersonLora:
        trained, options = self._trained(engine, photos), self._options
        # Called after what is in it: another set of photos never has to overwrite a published file.
        name = f"{planned_name(options.name, self._preset)}-{trained.sha256[:8]}"
        lora, places = publish_everywhere(
            engine,
            trained,
            self._servers.probed,
            name=name,
            work=self._work,
            models_dir=options.models_dir,
        )
        file = f"{self._work.name}/lora/{name}.safetensors"
        about = About(name, file, self._preset.name, options.person, options.consent)
        TrainingPapers(options.out_dir, self._work, engine.store, photos, about).write(
            trained,
            seconds={},
            published=[
                {
                    "server": probed.url,
                    "place": place.place,
                    "copied": place.copied,
                    "listed": True,
                    "verified": "with every portrait: one that is drawn without it is refused",
                }
                for probed, place in zip(self._servers.probed, places, strict=True)
            ],
        )
        return lora

    def _backend(self) -> TrainerBackend:
        """The trainer that suits the servers."""
        options, preset, probed = self._options, self._preset, self._servers.probed
        if options.trained is not None:
            must_suit(options.trained, sandbox=is_sandbox(probed))
            return options.trained
        base_model = base_model_of(
            probed, options.models_dir, family=preset.family, checkpoint=preset.checkpoint
        )
        sandbox = is_sandbox(probed)
        backend = make_trainer(options.trainer, sandbox=sandbox, base_model=base_model)
        must_suit(backend, sandbox=sandbox)
        return backend

    def _trained(self, engine: Engine, photos: PhotoSet) -> Trained:
        options, servers = self._options, self._servers
        what = person_training(options, sandbox=is_sandbox(servers.probed), emit=self._emit)
        captioner, regularisation = extras_of(engine, servers, what)
        sweep_trials(servers.probed, options.models_dir, work=self._work, emit=self._emit)
        return Trainer(
            engine,
            photos,
            what,
            self._backend(),
            work=self._work,
            servers=servers,
            publish=for_trial(servers, options.models_dir, work=self._work),
            captioner=captioner,
            regularisation=regularisation,
        ).go()


def person_training(options: ProfileOptions, *, sandbox: bool, emit: Listener) -> PersonTraining:
    """What decides the LoRA of a run for portraits."""
    preset = options.preset
    subject = options.subject or preset.subject
    return PersonTraining(
        settings=preset.train,
        choose=trials_of(preset.choose, sandbox=sandbox, emit=emit),
        family=preset.family,
        trigger=settled_trigger(preset.train.trigger, options.name, subject, emit),
        subject=subject,
        checkpoint=preset.checkpoint,
        vae=preset.vae,
        clip_skip=preset.clip_skip,
    )
