"""Pictures of the class, made by the sandbox."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from sdwebui_client import WebUI
from sdwebui_client.sandbox import SandboxServer, SandboxSettings
from stages.engine import Engine
from stages.events import Event, StageDone
from stages.explain import LastRun
from stages.progress import Tracker
from stages.regularisation import make_regularisation_images
from stages.servers import ServerSet
from stages.store import Store
from train_lora.dataset import RegularisationImage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    models = tmp_path_factory.mktemp("models")
    with SandboxServer(SandboxSettings(models_dir=models, seconds_per_step=0.0)) as running:
        yield running


class Bench:
    """An engine on one server."""

    def __init__(self, server: SandboxServer, folder: Path) -> None:
        self.events: list[Event] = []
        self.webui = WebUI(server.url)
        self.servers = ServerSet([self.webui], checkpoint=None)
        self.servers.probe(self.events.append)
        store, last = Store(folder / "store"), LastRun(folder / "last")
        self.engine = Engine(store, last, self.events.append, Tracker(self.events.append))

    def make(self, count: int, **settings: object) -> tuple[RegularisationImage, ...]:
        given = {"resolution": 128, "class_word": "woman", **settings}
        return make_regularisation_images(self.engine, self.servers, count=count, **given)  # type: ignore[arg-type]

    @property
    def drawn(self) -> int:
        return sum(isinstance(event, StageDone) and not event.cached for event in self.events)


@pytest.fixture
def bench(server: SandboxServer, tmp_path: Path) -> Bench:
    return Bench(server, tmp_path)


def test_pictures_of_the_class_and_not_of_the_person(bench: Bench) -> None:
    made = bench.make(2)
    assert [image.caption for image in made] == ["photo of a woman"] * 2
    sizes = set()
    for image in made:
        with Image.open(io.BytesIO(image.png)) as opened:
            assert "photo of a woman" in opened.info["parameters"]
            sizes.add(opened.size)
    assert sizes == {(128, 128)}
    assert made[0].png != made[1].png


def test_another_run_draws_none_again_and_more_only_add(
    bench: Bench, server: SandboxServer, tmp_path: Path
) -> None:
    before = int(bench.webui.sandbox_info()["generations"])
    first = bench.make(2)
    again = Bench(server, tmp_path)
    assert again.make(2) == first
    assert again.drawn == 0
    assert again.make(3)[:2] == first
    assert again.drawn == 1
    assert int(bench.webui.sandbox_info()["generations"]) == before + 3


@pytest.mark.parametrize(
    "change",
    [{"class_word": "man"}, {"resolution": 192}, {"seed": 1}, {"family": "sdxl"}],
)
def test_any_setting_makes_others(bench: Bench, change: dict[str, object]) -> None:
    bench.make(1)
    bench.make(1, **change)
    assert bench.drawn == 2


def test_none_are_none_and_fewer_are_refused(bench: Bench) -> None:
    assert bench.make(0) == ()
    assert bench.drawn == 0
    with pytest.raises(ValueError, match="0 or more"):
        bench.make(-1)


@pytest.mark.parametrize(
    ("word", "caption"), [("person", "photo of a person"), ("actor", "photo of an actor")]
)
def test_captions_are_english(bench: Bench, word: str, caption: str) -> None:
    assert bench.make(1, class_word=word)[0].caption == caption
