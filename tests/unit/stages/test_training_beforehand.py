"""Before a training: verdicts on photos are passed on, the trigger is settled, a WebUI helps if asked to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdwebui_client import Cancelled, CancelToken
from stages import interrogation, regularisation
from stages.engine import Engine
from stages.errors import StageError
from stages.events import Event, Note, PhotoChecked, PhotosDone, PhotosProgress
from stages.explain import LastRun
from stages.presets.model import TrainParams
from stages.progress import Tracker
from stages.store import Store
from stages.training import photos as photos_module
from stages.training.person import PersonTraining
from stages.training.photos import check_photos, settled_trigger, trigger_for
from stages.training.prepare import extras_of

SERVERS: Any = SimpleNamespace(probed=(SimpleNamespace(webui="first"), SimpleNamespace(webui="second")))


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def engine(tmp_path: Path, events: list[Event]) -> Engine:
    emit = events.append
    return Engine(Store(tmp_path / "s"), LastRun(tmp_path / "l"), emit, Tracker(emit), cancel=CancelToken())


# ---- photos


@pytest.fixture
def two_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one photo that can be used and one that cannot."""

    def load(folder: Path, *, on_photo: Any, on_progress: Any, known: Any) -> Any:
        assert known is None
        for done in (1, 2):
            on_progress(done, 2)
        on_photo(SimpleNamespace(file="a.jpg", accepted=True, reason="", advice=""), 1, 2)
        on_photo(SimpleNamespace(file="b.jpg", accepted=False, reason="no face", advice="another"), 2, 2)
        return SimpleNamespace(accepted=["a"], refused=["b"])

    advice = SimpleNamespace(describe=lambda language: f"add one from the side ({language})")
    monkeypatch.setattr(photos_module, "load_photos", load)
    monkeypatch.setattr(photos_module, "advise", lambda photos: (advice,))


@pytest.mark.usefixtures("two_photos")
def test_every_verdict_and_advice_is_told(engine: Engine, events: list[Event], tmp_path: Path) -> None:
    check_photos(tmp_path, engine)
    assert events == [
        PhotosProgress(1, 2),
        PhotosProgress(2, 2),
        PhotoChecked("a.jpg", True, "", "", 1, 2),
        PhotoChecked("b.jpg", False, "no face", "another", 2, 2),
        PhotosDone(1, 1),
        Note("add one from the side (en)"),
    ]


@pytest.mark.usefixtures("two_photos")
def test_looking_at_photos_can_be_stopped(engine: Engine, events: list[Event], tmp_path: Path) -> None:
    engine.cancel.cancel()
    with pytest.raises(Cancelled):
        check_photos(tmp_path, engine)
    assert events == []


# ---- the trigger


def test_a_person_gets_a_word_of_their_own_and_keeps_it() -> None:
    alice = trigger_for(None, "alice", "woman")
    assert alice == trigger_for(None, "alice", "woman")
    assert alice != trigger_for(None, "bea", "woman")
    assert alice.endswith(" woman")
    assert trigger_for("ohwx person", "alice", "woman") == "ohwx person"


@pytest.mark.parametrize(("asked", "words"), [("rose person", "rose"), ("person", "only a class")])
def test_a_common_word_is_kept_and_warned_of(asked: str, words: str, events: list[Event]) -> None:
    assert settled_trigger(asked, "alice", "woman", events.append) == asked
    (note,) = events
    assert isinstance(note, Note)
    assert words in note.text


@pytest.mark.parametrize("asked", ["ohwx person", None])
def test_a_rare_word_needs_no_words(asked: str | None, events: list[Event]) -> None:
    settled_trigger(asked, "alice", "woman", events.append)
    assert events == []


# ---- what a WebUI does for it


def what(**settings: Any) -> PersonTraining:
    return PersonTraining(TrainParams(**settings), None, "sdxl", "ohwx person", "actor", "model.safetensors")


def test_usually_nothing_is_asked_of_a_webui(engine: Engine) -> None:
    assert extras_of(engine, None, what()) == (None, ())
    assert extras_of(engine, SERVERS, what()) == (None, ())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"captions": "interrogate"}, "captions: interrogate"),
        ({"regularisation_images": 3}, "regularisation_images"),
    ],
)
def test_without_a_webui_what_needs_one_is_refused(
    engine: Engine, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(StageError, match=words) as told:
        extras_of(engine, None, what(**settings))
    assert "--webui" in told.value.hint


def test_the_first_server_describes_and_all_draw(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def captioner(webui: Any, *, engine: Engine) -> str:
        asked.append(webui)
        return "captioner"

    def others(engine: Engine, servers: Any, **given: Any) -> tuple[str, ...]:
        asked.append((servers, given))
        return ("a stranger",)

    monkeypatch.setattr(interrogation, "make_captioner", captioner)
    monkeypatch.setattr(regularisation, "make_regularisation_images", others)
    wish = what(captions="interrogate", regularisation_images=3, resolution=768)
    assert extras_of(engine, SERVERS, wish) == ("captioner", ("a stranger",))
    first, (servers, given) = asked
    assert first == "first"
    assert servers is SERVERS
    assert given == {
        "count": 3,
        "class_word": "actor",
        "resolution": 768,
        "family": "sdxl",
        "checkpoint": "model.safetensors",
    }
    assert extras_of(engine, SERVERS, what(captions="interrogate")) == ("captioner", ())
