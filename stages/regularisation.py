"""Pictures of other people of the person's class, made by the WebUI before the training.

A LoRA that only ever sees "ohwx woman" pulls every woman towards the person. Pictures the model itself makes
of "photo of a woman", trained beside the photos, hold the class where it is (prior preservation: Ruiz et al.
2022, "DreamBooth", section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from sdwebui_client import Progress, Txt2ImgRequest, WebUI
from train_lora.dataset import RegularisationImage

from .canonical import draw_number
from .engine import Made, StageCall
from .lib.generation import Job, request_fields, run_job

if TYPE_CHECKING:
    from .engine import Engine
    from .servers import ServerSet

STAGE = "regularise"
VERSION = 1
_NEGATIVE = "painting, drawing, cartoon, deformed, blurry, text, watermark"
_STEPS = 20
_CFG_SCALE = 6.0
_SAMPLER, _SCHEDULER = "DPM++ 2M", "Karras"


def make_regularisation_images(
    engine: Engine,
    servers: ServerSet,
    *,
    count: int,
    class_word: str = "person",
    resolution: int = 512,
    family: Literal["sd15", "sdxl"] = "sd15",
    checkpoint: str | None = None,
    seed: int = 0,
) -> tuple[RegularisationImage, ...]:
    """Let the servers draw pictures of the class; what is in the store already is not drawn again.

    They have nothing of the person in them, so all people of a class and model share them.

    Args:
        engine: Runs the jobs and keeps the pictures.
        servers: Probed, each with the model the LoRA is meant for.
        count: How many; 0 makes none. A larger number later only adds to them.
        class_word: What the person is: "person", "woman", "man".
        resolution: Side of the square pictures, pixels, a multiple of 64.
        family: The model's; a part of the key, for servers that do not tell which model they have loaded.
        checkpoint: The model to draw with; None = the loaded one.
        seed: The first picture's seeds follow from it.

    Returns:
        PNG bytes as the server sent them, and the caption that goes under each.

    Raises:
        WebUIError: A server failed, or the run was cancelled.
        ValueError: `count` is negative.
    """
    if count < 0:
        raise ValueError(f"count is 0 or more, got {count}")
    text = f"photo of {_article(class_word)} {class_word}"
    engine.tracker.plan({STAGE: count})
    made = []
    for number in range(count):
        params = _params(text, class_word, number, resolution, family, checkpoint, seed)
        call = StageCall(STAGE, VERSION, f"{class_word}-{number + 1}", params)
        outcome = engine.generate(call, servers, _drawing(engine, params))
        made.append(RegularisationImage(engine.store.get(outcome.sha256), text))
    return tuple(made)


def _params(
    text: str, class_word: str, number: int, resolution: int, family: str, checkpoint: str | None, seed: int
) -> dict[str, Any]:
    return {
        "prompt": text,
        "negative_prompt": _NEGATIVE,
        "seed": draw_number(seed, STAGE, class_word, number),
        "steps": _STEPS,
        "cfg_scale": _CFG_SCALE,
        "sampler_name": _SAMPLER,
        "scheduler": _SCHEDULER,
        "checkpoint": checkpoint,
        "vae": None,
        "clip_skip": 1,
        "width": resolution,
        "height": resolution,
        "family": family,
    }


def _drawing(engine: Engine, params: dict[str, Any]) -> Callable[[WebUI, Callable[[Progress], None]], Made]:
    def draw(webui: WebUI, relay: Callable[[Progress], None]) -> Made:
        request = Txt2ImgRequest(
            **request_fields(params, webui.capabilities()),
            width=params["width"],
            height=params["height"],
            batch_size=1,
            n_iter=1,
        )
        return run_job(webui, Job("txt2img", request), on_progress=relay, cancel=engine.cancel)

    return draw


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"
