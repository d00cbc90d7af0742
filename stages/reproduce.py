"""Makes a delivered picture again from its provenance, and says whether the bytes are equal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdwebui_client import CancelToken, Capabilities, EncodedImage, Progress, WebUI, WebUIPool
from train_lora.artifact import read_artifact

from .canonical import sha256_hex
from .engine import Made
from .errors import ProvenanceError
from .lib import finish, img2img, txt2img, upscale
from .lib.finish import FinishSettings
from .lib.generation import run_job
from .lora import models_folder, publish_to
from .provenance import read_sidecar
from .servers import Probed, ServerSet, server_identity
from .shots import JobMaker
from .store import Store

_JOBS: dict[str, tuple[int, JobMaker]] = {
    txt2img.STAGE: (txt2img.VERSION, txt2img.job),
    img2img.STAGE: (img2img.VERSION, img2img.job),
    upscale.STAGE: (upscale.VERSION, upscale.job),
}


@dataclass(frozen=True)
class StageComparison:
    """One stage, made again."""

    stage: str
    equal: bool
    expected_sha256: str
    got_sha256: str
    differences: tuple[str, ...] = ()
    """What was not as it was then: the server, the model, the request."""


@dataclass(frozen=True)
class ReproduceResult:
    """A picture, made again."""

    equal: bool
    """Whether the picture's bytes are the same."""
    expected_sha256: str
    got_sha256: str
    stages: tuple[StageComparison, ...]
    picture: EncodedImage
    """What came out this time."""

    @property
    def first_difference(self) -> StageComparison | None:
        """The stage from which on it is another picture; None when all are equal."""
        return next((stage for stage in self.stages if not stage.equal), None)


def reproduce(
    picture: Path,
    servers: WebUIPool | Sequence[WebUI],
    *,
    on_progress: Callable[[str, Progress], None] | None = None,
    cancel: CancelToken | None = None,
    models_dir: Path | str | None = None,
) -> ReproduceResult:
    """Make a delivered picture again, stage by stage, and compare every stage's bytes.

    Args:
        picture: A portrait with its sidecar beside it; the run's `.work` folder is used for pictures that
            went in.
        servers: The first one that answers is used.
        on_progress: Told the stage and how far it is.
        cancel: Ends it from another thread.
        models_dir: Where a sandbox on another machine keeps its models, to put the run's LoRA there again.

    Raises:
        ProvenanceError: The sidecar is missing, damaged or of another version, a stage's code has changed,
            or a picture that went in is gone.
        WebUIError: The server.
    """
    content = read_sidecar(picture)
    delivered = _delivered(picture, content)
    store = _store_of(picture)
    pool = ServerSet(servers, checkpoint=None)
    server = pool.probe(lambda _event: None)[0]
    server = _with_lora(server, content, store, models_dir)
    made: dict[str, bytes] = {}
    compared = []
    for entry in content["stages"]:
        inputs = {name: _input(sha256, made, store) for name, sha256 in _pictures(entry).items()}
        got, differences = _again(entry, inputs, server, on_progress, cancel)
        made[entry["output"]] = got
        sha256 = sha256_hex(got)
        compared.append(
            StageComparison(entry["stage"], sha256 == entry["output"], entry["output"], sha256, differences)
        )
    last = EncodedImage(made[content["stages"][-1]["output"]])
    return ReproduceResult(last.data == delivered, content["picture"], last.sha256, tuple(compared), last)


def _delivered(picture: Path, content: Mapping[str, Any]) -> bytes:
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise ProvenanceError(f"{picture} cannot be read: {error}") from error
    if sha256_hex(data) != content["picture"]:
        raise ProvenanceError(
            f"{picture} is not the picture its provenance describes",
            hint="It was changed, or another picture was copied over it.",
        )
    return data


def _store_of(picture: Path) -> Store | None:
    """The store of the run the picture lies in; None when only the picture and its sidecar were kept."""
    folder = picture.resolve().parent.parent / ".work" / "store"
    return Store(folder) if folder.is_dir() else None


def _pictures(entry: Mapping[str, Any]) -> dict[str, str]:
    """The pictures among a stage's inputs; LoRAs are files of the server."""
    return {name: sha for name, sha in entry["inputs"].items() if not name.startswith("lora:")}


def _input(sha256: str, made: Mapping[str, bytes], store: Store | None) -> EncodedImage:
    if sha256 in made:
        return EncodedImage(made[sha256])
    if store is None or not store.has(sha256):
        raise ProvenanceError(
            f"a picture that went in ({sha256[:12]}…) is gone",
            hint="It lies in the run's .work folder; keep that folder to make its pictures again.",
        )
    return EncodedImage(store.get(sha256))


def _again(
    entry: Mapping[str, Any],
    inputs: Mapping[str, EncodedImage],
    server: Probed,
    on_progress: Callable[[str, Progress], None] | None,
    cancel: CancelToken | None,
) -> tuple[bytes, tuple[str, ...]]:
    stage = entry["stage"]
    if stage == finish.STAGE:
        _require_version(entry, finish.VERSION)
        return finish.finish(inputs["image"], FinishSettings(**entry["params"])).data, ()
    if stage not in _JOBS:
        raise ProvenanceError(f"the stage {stage!r} is not known to this version")
    version, make_job = _JOBS[stage]
    _require_version(entry, version)
    params = {**entry["params"], "checkpoint": _checkpoint(entry, server.caps)}
    job = make_job(params, inputs, server.caps)
    relay = (lambda progress: on_progress(stage, progress)) if on_progress is not None else None
    made = run_job(server.webui, job, on_progress=relay, cancel=cancel)
    return made.outputs["image"], _differences(entry, made, server)


def _checkpoint(entry: Mapping[str, Any], caps: Capabilities) -> str | None:
    """The checkpoint to ask for: the preset's, or the one that was loaded then, if the server has it.

    None keeps the loaded one, and the comparison says that it is another.
    """
    named: str | None = entry["params"]["checkpoint"]
    reported = entry["reported"]["model_hash"]
    if named is not None or not reported:
        return named
    for checkpoint in caps.checkpoints:
        if reported in (checkpoint.hash, (checkpoint.sha256 or "")[:10]):
            return None if checkpoint.title == caps.loaded_checkpoint else checkpoint.title
    return None


def _without_checkpoint(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request but for the checkpoint it asks for: which model drew is compared by its hash."""
    override = {k: v for k, v in request.get("override_settings", {}).items() if k != "sd_model_checkpoint"}
    return {**request, "override_settings": override}


def _require_version(entry: Mapping[str, Any], version: int) -> None:
    if entry["version"] != version:
        raise ProvenanceError(
            f"the picture was made by version {entry['version']} of the stage {entry['stage']}; "
            f"this is {version}",
            hint="Use the version of this program that made it.",
        )


def _differences(entry: Mapping[str, Any], made: Made, server: Probed) -> tuple[str, ...]:
    found = []
    then = entry["server"]["identity"]
    now = server_identity(server.caps, entry["params"]["checkpoint"])
    if now["fingerprint"] != then["fingerprint"]:
        was, here = entry["server"], server.caps
        found.append(
            f"another server: {was['flavour']} {was['version']} then, {here.flavour} {here.version} now, "
            "or other versions of its extensions"
        )
    reported = made.payload["model_hash"]
    if reported != entry["reported"]["model_hash"]:
        found.append(f"another model: {entry['reported']['model_hash']} then, {reported} now")
    if _without_checkpoint(made.payload["request"]) != _without_checkpoint(entry["request"]):
        found.append("the request is not the same")
    return tuple(found)


def _with_lora(
    server: Probed, content: Mapping[str, Any], store: Store | None, models_dir: Path | str | None
) -> Probed:
    """The server with the run's LoRA: a sandbox that was started anew gets it out of the store again."""
    if content["lora"] is None:
        return server
    name, sha256 = content["lora"]["name"], content["lora"]["sha256"]
    if name in server.caps.lora_names() or not server.caps.sandbox:
        return server
    if sha256 is None or store is None or not store.has(sha256):
        return server
    folder = models_folder(server, models_dir)
    with tempfile.TemporaryDirectory(prefix="reproduce-") as scratch:
        path = Path(scratch) / f"{name}.safetensors"
        path.write_bytes(store.get(sha256))
        publish_to(server, read_artifact(path), folder)
    return Probed(server.webui, server.webui.capabilities(refresh=True))
