"""Running again: what changed is redone, what broke is mended, nothing finished is lost."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from sdwebui_client import Cancelled, CancelToken, OutOfMemory, WebUIError
from sdwebui_client.sandbox import Fault, SandboxServer
from stages.errors import LikenessNotReached, WorkFolderBusy
from stages.events import Event, Note, PlanGrown, ShotRejected, StageDone, StageProgress
from stages.lock import FolderLock
from tests.pipeline._recipe import (
    GENERATIONS,
    Watched,
    deliverables,
    generations,
    options,
    run,
    sandbox,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(
    photos: Path, server: SandboxServer, trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of an undisturbed run."""
    out = Path(shutil.copytree(trained, tmp_path_factory.mktemp("whole") / "out"))
    run(options(photos, out), server.url)
    return out


@pytest.fixture(scope="module")
def whole(finished: Path) -> dict[str, bytes]:
    """What an undisturbed run delivers."""
    return deliverables(finished)


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A finished run's folder to try something on."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def _switch(server: SandboxServer, *faults: Fault) -> None:
    server.sandbox.faults.switch(faults)


def test_one_changed_parameter_redoes_only_what_follows(
    photos: Path, server: SandboxServer, out: Path, whole: dict[str, bytes]
) -> None:
    made, watch = generations(server), Watched()
    run(options(photos, out, "stages.img2img.denoising_strength=0.35"), server.url, watch=watch)
    redone = watch.redone()
    assert {stage for _, stage in redone} == {"img2img", "upscale", "finish", "score"}
    assert not any(stage == "score" and shot.count("-") == 1 for shot, stage in redone)
    said = {stage: why for (_, stage), why in redone.items()}
    assert said["img2img"] == "parameter img2img.denoising_strength changed 0.3 -> 0.35"
    assert said["upscale"] == "input changed: image"
    assert generations(server) == made + 4
    assert deliverables(out) != whole
    # And back: both are in the store now.
    watch = Watched()
    run(options(photos, out), server.url, watch=watch)
    assert watch.redone() == {}
    assert deliverables(out) == whole


def test_a_changed_grade_touches_no_server(photos: Path, server: SandboxServer, out: Path) -> None:
    made, watch = generations(server), Watched()
    run(options(photos, out, "stages.finish.grade_strength=0.5"), server.url, watch=watch)
    assert {stage for _, stage in watch.redone()} == {"finish", "score"}
    assert generations(server) == made


def test_a_damaged_store_is_mended(
    photos: Path, server: SandboxServer, out: Path, whole: dict[str, bytes]
) -> None:
    sidecar = json.loads((out / "portraits" / "01-front-cool.provenance.json").read_text())
    sha = next(stage["output"] for stage in sidecar["stages"] if stage["stage"] == "upscale")
    blob = out / ".work" / "store" / "blobs" / sha[:2] / sha
    blob.write_bytes(blob.read_bytes()[:-100] + bytes(100))
    made, watch = generations(server), Watched()
    run(options(photos, out), server.url, watch=watch)
    shot = sidecar["shot"]
    assert watch.redone() == {(shot, "upscale"): "the stored result was damaged"}
    assert any("damaged" in note.text for note in watch.of(Note))
    assert generations(server) == made + 1
    assert deliverables(out) == whole


def test_two_runs_do_not_share_a_folder(photos: Path, server: SandboxServer, tmp_path: Path) -> None:
    made = generations(server)
    with FolderLock(tmp_path / ".work" / "lock"), pytest.raises(WorkFolderBusy, match="in use by process"):
        run(options(photos, tmp_path), server.url)
    assert generations(server) == made


def test_a_server_that_restarts_is_waited_for(
    photos: Path, server: SandboxServer, begun: Path, whole: dict[str, bytes]
) -> None:
    _switch(server, Fault(kind="restart", after=3, seconds=0.3))
    try:
        run(options(photos, begun), server.url)
    finally:
        _switch(server)
    assert deliverables(begun) == whole


def test_a_server_that_dies_in_the_middle_loses_nothing(
    photos: Path, begun: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    with sandbox(tmp_path / "models") as dying:

        class Killer(Watched):
            def __call__(self, event: Event) -> None:
                super().__call__(event)
                if isinstance(event, StageDone) and event.stage == "img2img":
                    dying.stop()

        first = Killer()
        with pytest.raises(WebUIError):
            run(options(photos, begun), dying.url, watch=first)
    assert not (begun / "run.json").exists()
    done = {(e.shot, e.stage) for e in first.of(StageDone)}
    second = Watched()
    with sandbox(tmp_path / "models") as another:
        run(options(photos, begun), another.url, watch=second)
        redone = [key for key in second.redone() if key[1] in ("txt2img", "img2img", "upscale")]
        assert generations(another) == len(redone) < GENERATIONS
    assert done.isdisjoint(second.redone())
    assert deliverables(begun) == whole


def test_out_of_memory_is_said_and_the_next_run_goes_on(
    photos: Path, server: SandboxServer, begun: Path, whole: dict[str, bytes]
) -> None:
    first = Watched()
    _switch(server, Fault(kind="oom", after=4, count=0))
    with pytest.raises(OutOfMemory) as caught:
        run(options(photos, begun), server.url, watch=first)
    _switch(server)
    assert caught.value.hint
    made, second = generations(server), Watched()
    finished = [e for e in first.of(StageDone) if e.generation]
    run(options(photos, begun), server.url, watch=second)
    assert generations(server) == made + GENERATIONS - len(finished)
    assert deliverables(begun) == whole


def test_cancelling_stops_soon_and_keeps_what_is_finished(
    photos: Path, server: SandboxServer, begun: Path, whole: dict[str, bytes]
) -> None:
    token = CancelToken()

    class Watcher(Watched):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            if isinstance(event, StageProgress) and event.stage == "upscale":
                token.cancel()

    watch = Watcher()
    with pytest.raises(Cancelled):
        run(options(photos, begun), server.url, watch=watch, cancel=token)
    finished = {(e.shot, e.stage) for e in watch.of(StageDone)}
    again = Watched()
    run(options(photos, begun), server.url, watch=again)
    assert finished.isdisjoint(again.redone())
    assert deliverables(begun) == whole


def test_ctrl_c_interrupts_our_job_and_leaves_the_store_whole(
    photos: Path,
    server: SandboxServer,
    begun: Path,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import stages.director as director

    real, calls = director.wait, []

    def interrupted(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(director, "wait", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run(options(photos, begun), server.url)
    monkeypatch.undo()
    assert threading.active_count() <= before + 1
    run(options(photos, begun), server.url)
    assert deliverables(begun) == whole


def test_nothing_good_enough_is_an_error_with_a_report(
    photos: Path, server: SandboxServer, begun: Path
) -> None:
    watch = Watched()
    with pytest.raises(LikenessNotReached) as caught:
        run(options(photos, begun, "min_likeness=1.0"), server.url, watch=watch)
    assert caught.value.best is not None
    assert caught.value.asked == 1.0
    content = json.loads((begun / "run.json").read_text())
    assert content["portraits"] == []
    assert len(content["unfilled"]) == 2
    assert all("below the asked 1.00" in entry["reason"] for entry in content["rejected"])
    assert "No portrait reached" in (begun / "report.html").read_text()
    assert not (begun / "contact-sheet.jpg").exists()
    assert watch.of(ShotRejected)
    # Tried again, but not for ever: each candidate once per tone, and one further batch of candidates.
    assert watch.of(PlanGrown)
    drawn = [e for e in watch.of(StageDone) if e.stage == "txt2img"]
    assert len(drawn) == 4


def test_what_another_run_delivered_is_taken_away(photos: Path, server: SandboxServer, out: Path) -> None:
    mine = out / "portraits" / "mine.png"
    mine.write_bytes(b"kept by the user")
    run(options(photos, out, "tones=[warm]"), server.url)
    assert sorted(path.name for path in (out / "portraits").iterdir()) == [
        "01-front-warm.png",
        "01-front-warm.provenance.json",
        "mine.png",
    ]


def test_the_seed_is_drawn_once_and_kept(photos: Path, server: SandboxServer, begun: Path) -> None:
    first = run(options(photos, begun, "tones=[warm]", seed=None), server.url)
    watch = Watched()
    second = run(options(photos, begun, "tones=[warm]", seed=None), server.url, watch=watch)
    assert watch.redone() == {}
    assert first.run["seed"] == second.run["seed"] != 7
