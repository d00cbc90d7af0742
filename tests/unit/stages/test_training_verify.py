"""That a server drew with this very file is seen, not believed."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdwebui_client import (
    Cancelled,
    CancelToken,
    Capabilities,
    CapabilityMissing,
    EffectMissing,
    Flavour,
    ServerError,
    WebUI,
)
from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from sdwebui_client.sandbox.render.nobody import nobody
from stages.errors import StageError
from stages.servers import Probed
from stages.training.verify import verify_used
from tests.unit.stages._training import lora_file
from train_lora import LoraArtifact, read_artifact
from train_lora.lora_metadata import webui_hash

URL = "http://gpu:7860"


class Server:
    """Answers with an infotext, or raises."""

    url = URL

    def __init__(self, hashes: str | None = None, *, error: Exception | None = None) -> None:
        line = "Steps: 2, Sampler: Euler, Seed: 1, Size: 256x256"
        self.text = f'ohwx\n{line}, Lora hashes: "{hashes}"' if hashes is not None else f"ohwx\n{line}"
        self.error = error
        self.asked: list[Any] = []

    def txt2img(self, request: Any, *, cancel: CancelToken) -> Any:
        if cancel.cancelled:
            raise Cancelled("cancelled")
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        texts = [self.text] if self.text else []
        return SimpleNamespace(info=SimpleNamespace(infotexts=texts))

    @property
    def probed(self) -> Probed:
        return Probed(self, Capabilities(Flavour.A1111))  # type: ignore[arg-type]


def verify(probed: Probed, artifact: LoraArtifact, cancel: CancelToken | None = None) -> str:
    return verify_used(probed, artifact, cancel=cancel or CancelToken())


@pytest.fixture
def alice(tmp_path: Path) -> LoraArtifact:
    return read_artifact(lora_file(tmp_path / "alice.safetensors", ss_trigger="ohwx person"))


def test_the_hash_in_the_files_notes_is_what_a1111_shows(alice: LoraArtifact) -> None:
    shown = webui_hash(alice.path)
    server = Server(f"bob: 0123456789ab, alice: {shown}")
    assert shown in verify(server.probed, alice)
    assert not alice.sha256.startswith(shown[:4])
    (request,) = server.asked
    assert request.prompt == "ohwx person <lora:alice:1>"
    assert (request.width, request.height, request.steps) == (256, 256, 2)


@pytest.mark.parametrize("digits", [10, 12, 64])
def test_the_beginning_of_the_files_own_hash_is_what_forge_shows(alice: LoraArtifact, digits: int) -> None:
    assert verify(Server(f"alice: {alice.sha256[:digits]}").probed, alice)


def test_a_longer_hash_of_the_notes_is_the_same(alice: LoraArtifact) -> None:
    assert verify(Server(f"alice: {webui_hash(alice.path)}aabbcc").probed, alice)


def test_another_file_of_this_name_is_found_out(alice: LoraArtifact) -> None:
    other = hashlib.sha256(b"somebody else").hexdigest()[:12]
    with pytest.raises(StageError, match=f"another file named alice: .*{other}") as caught:
        verify(Server(f"alice: {other}").probed, alice)
    assert URL in caught.value.message
    assert "--name" in caught.value.hint


def test_a_hash_that_only_begins_alike_is_another_file(alice: LoraArtifact) -> None:
    shown = webui_hash(alice.path)
    last = "0" if shown[9] != "0" else "1"
    with pytest.raises(StageError, match="another file"):
        verify(Server(f"alice: {shown[:9]}{last}{shown[10:]}").probed, alice)


@pytest.mark.parametrize("hashes", [None, "bob: 0123456789ab"])
def test_a_server_that_shows_no_hash_proves_nothing_and_is_no_error(
    alice: LoraArtifact, hashes: str | None
) -> None:
    assert "not confirmed" in verify(Server(hashes).probed, alice)


def test_no_infotext_at_all_proves_nothing(alice: LoraArtifact) -> None:
    server = Server()
    server.text = ""
    assert "not confirmed" in verify(server.probed, alice)


def test_a_server_that_drew_without_it_is_told_on(alice: LoraArtifact) -> None:
    missing = EffectMissing("lora:alice was not applied")
    with pytest.raises(StageError, match="drew without it: lora:alice was not applied") as caught:
        verify(Server(error=missing).probed, alice)
    assert caught.value.__cause__ is missing
    assert "family" in caught.value.hint


def test_a_server_that_cannot_draw_keeps_its_own_error(alice: LoraArtifact) -> None:
    error = ServerError("no model is loaded")
    with pytest.raises(ServerError) as caught:
        verify(Server(error=error).probed, alice)
    assert caught.value is error


def test_it_can_be_stopped(alice: LoraArtifact) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        verify(Server().probed, alice, cancel)


@pytest.mark.parametrize("hashes", ["alice: ", "alice"])
def test_an_empty_hash_proves_nothing(alice: LoraArtifact, hashes: str) -> None:
    assert "not confirmed" in verify(Server(hashes).probed, alice)


def test_a_file_without_a_trigger_is_asked_for_all_the_same(tmp_path: Path) -> None:
    plain = read_artifact(lora_file(tmp_path / "plain.safetensors"))
    server = Server()
    verify(server.probed, plain)
    assert server.asked[0].prompt == "photo <lora:plain:1>"


# ---- over HTTP, as each flavour shows it


@pytest.fixture(scope="module", params=["a1111", "reforge", "forge"])
def flavour(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probed]:
    models = tmp_path_factory.mktemp("models")
    settings = SandboxSettings(models_dir=models, flavour=request.param, seconds_per_step=0.0)
    stand_in(models / "Lora" / "alice.safetensors", seed=1)
    with SandboxServer(settings) as server, WebUI(server.url) as webui:
        yield Probed(webui, webui.capabilities())


def stand_in(path: Path, *, seed: int) -> Path:
    """A LoRA the sandbox can draw with: of nobody."""
    person = nobody(seed, female=True)
    metadata = {
        "sandbox": "true", "sandbox_format": "1", "sandbox_quality": "1.0", "ss_trigger": "ohwx person",
        "sandbox_landmarks": json.dumps(person.landmarks),
    }  # fmt: skip
    header: dict[str, Any] = {"__metadata__": metadata}
    body = b""
    for name, pixels in (("sandbox.reference", person.reference), ("sandbox.mask", person.mask)):
        span = [len(body), len(body) + pixels.nbytes]
        header[name] = {"dtype": "U8", "shape": list(pixels.shape), "data_offsets": span}
        body += pixels.tobytes()
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def published(flavour: Probed) -> LoraArtifact:
    models = Path(str(flavour.webui.sandbox_info()["models_dir"]))
    return read_artifact(models / "Lora" / "alice.safetensors")


def test_each_flavour_proves_the_file(flavour: Probed) -> None:
    artifact = published(flavour)
    evidence = verify(flavour, artifact)
    forge = flavour.caps.flavour is Flavour.FORGE
    assert (artifact.sha256[:10] in evidence) == forge
    assert (webui_hash(artifact.path)[:10] in evidence) != forge


def test_each_flavour_shows_another_file(flavour: Probed, tmp_path: Path) -> None:
    other = read_artifact(stand_in(tmp_path / "alice.safetensors", seed=3))
    assert other.name == published(flavour).name
    with pytest.raises(StageError, match="another file named alice"):
        verify(flavour, other)


def test_each_flavour_misses_what_it_does_not_have(flavour: Probed) -> None:
    with pytest.raises(CapabilityMissing, match="nobody-put-it-there"):
        verify(flavour, replace(published(flavour), name="nobody-put-it-there"))
