"""What a WebUI sees in a picture, for captions.

A1111, Forge and reForge have the route, but the model behind it is downloaded on first use; where that fails
they answer HTTP 200 and `<error>` ("clip"), or a 500 ("deepdanbooru"). SD.Next has another route. None of it
is passed over: captions that are missing on some pictures would teach the model what is not so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sdwebui_client import EncodedImage, WebUI, WebUIError
from sdwebui_client.errors import CapabilityMissing, EffectMissing, NotFound, ServerError, ValidationRejected
from train_lora.captions import Captioner

from .canonical import sha256_hex
from .engine import Made, StageCall
from .errors import StageError

if TYPE_CHECKING:
    from .engine import Engine

STAGE = "interrogate"
VERSION = 1
_WITHOUT = "Or train without: set train.captions=template."


def make_captioner(
    webui: WebUI, *, model: Literal["clip", "deepdanbooru"] = "clip", engine: Engine | None = None
) -> Captioner:
    """A captioner for `train_lora.build_dataset` that asks a WebUI.

    Args:
        webui: The server.
        model: "clip" gives a sentence, "deepdanbooru" tags.
        engine: Keeps each answer under the picture's hash, so that a picture is described once. None = ask
            each time.

    Returns:
        A function from PNG bytes to the interrogator's words, as they are. It raises `StageError` when the
        WebUI cannot describe pictures, and what else the client raises (no answer, wrong password).
    """

    def ask(png: bytes) -> str:
        try:
            words = webui.interrogate(EncodedImage(png), model=model).strip()
        except (CapabilityMissing, EffectMissing, NotFound, ServerError, ValidationRejected) as error:
            raise _refused(webui.url, error) from error
        if not words:
            raise StageError(f"{webui.url} described a picture with no words", hint=_WITHOUT)
        return words

    return ask if engine is None else _kept(ask, engine, model)


def _refused(url: str, error: WebUIError) -> StageError:
    if isinstance(error, NotFound):
        return StageError(
            f"{url} has no interrogator (SD.Next, for one, has it elsewhere)",
            hint=f"Use a WebUI that has /sdapi/v1/interrogate. {_WITHOUT}",
        )
    return StageError(
        f"{url} could not describe a picture: {error.message}",
        hint=f"Try Interrogate CLIP in the WebUI's img2img tab: it downloads its model there. {_WITHOUT}",
    )


def _kept(ask: Callable[[bytes], str], engine: Engine, model: str) -> Captioner:
    def recall_or_ask(png: bytes) -> str:
        sha256 = sha256_hex(png)
        call = StageCall(STAGE, VERSION, f"photo-{sha256[:12]}", {"model": model}, {"image": sha256})
        outcome = engine.local(call, lambda: Made(payload={"words": ask(png)}))
        return str(outcome.payload["words"])

    return recall_or_ask
