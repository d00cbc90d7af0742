"""What a WebUI does for a training beforehand: captions by its interrogator, pictures of other people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..engine import Engine
from ..errors import StageError
from ..servers import ServerSet

if TYPE_CHECKING:
    from train_lora.dataset import RegularisationImage

    from .person import PersonTraining

Captioner = Callable[[bytes], str]


def extras_of(
    engine: Engine, servers: ServerSet | None, what: PersonTraining
) -> tuple[Captioner | None, tuple[RegularisationImage, ...]]:
    """The interrogator and the regularisation images, as far as the settings ask for them.

    Raises:
        StageError: They do, and there is no WebUI.
        WebUIError: The WebUI cannot.
    """
    settings = what.settings
    wants_captions, wants_others = settings.captions == "interrogate", settings.regularisation_images > 0
    if not (wants_captions or wants_others):
        return None, ()
    if servers is None:
        asked = "captions: interrogate" if wants_captions else "regularisation_images"
        raise StageError(
            f"the training preset says `{asked}`, which a WebUI does, and there is none",
            hint="Name one with --webui, or set captions=template and regularisation_images=0.",
        )
    from ..interrogation import make_captioner
    from ..regularisation import make_regularisation_images

    captioner = make_captioner(servers.probed[0].webui, engine=engine) if wants_captions else None
    others: tuple[RegularisationImage, ...] = ()
    if wants_others:
        others = make_regularisation_images(
            engine,
            servers,
            count=settings.regularisation_images,
            class_word=what.subject,
            resolution=settings.resolution,
            family=what.family,
            checkpoint=what.checkpoint,
        )
    return captioner, others
