"""A server that fails once, a run that is cancelled early, one that is killed while it delivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdwebui_client import Cancelled, CancelToken, ServerError
from sdwebui_client.sandbox.settings import Fault
from stages.events import Event, Note, PhotosProgress
from tests.pipeline._recipe import GENERATIONS, Watched, generations, options, run, sandbox

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["500", "oom"])
def test_one_failing_generation_is_tried_again_and_said(
    photos: Path, begun: Path, tmp_path: Path, kind: str
) -> None:
    watch = Watched()
    with sandbox(tmp_path / "models", faults=(Fault(kind=kind, after=3),)) as server:
        result = run(options(photos, begun), server.url, watch=watch)
        assert generations(server) == GENERATIONS + 1  # the failed one is counted too
    assert len(result.delivered) == 2
    (told,) = (event.text for event in watch.of(Note) if "once more" in event.text)
    assert told.startswith(("img2img of front-", "txt2img of front-", "upscale of front-"))


def test_a_generation_that_fails_twice_ends_the_run_and_is_named(
    photos: Path, begun: Path, tmp_path: Path
) -> None:
    watch = Watched()
    with sandbox(tmp_path / "models", faults=(Fault(kind="500", after=3, count=0),)) as server:
        with pytest.raises(ServerError):
            run(options(photos, begun), server.url, watch=watch)
        made = generations(server)
    assert any("failed again" in event.text for event in watch.of(Note))
    # Twice, not more; the shot that goes beside it may have come as far by then.
    assert 3 + 2 <= made <= 3 + 2 * 2


def test_cancelling_while_photos_are_looked_at_stops_there(photos: Path, tmp_path: Path) -> None:
    token = CancelToken()

    class Watcher(Watched):
        def __call__(self, event: Event) -> None:
            super().__call__(event)
            if isinstance(event, PhotosProgress):
                token.cancel()

    watch = Watcher()
    with sandbox(tmp_path / "models") as server, pytest.raises(Cancelled):
        run(options(photos, tmp_path / "out"), server.url, watch=watch, cancel=token)
    assert [event.done for event in watch.of(PhotosProgress)] == [1]


def test_half_a_delivery_of_a_killed_run_is_swept(photos: Path, begun: Path, tmp_path: Path) -> None:
    out = begun
    with sandbox(tmp_path / "models") as server:
        left = out / ".work" / "store" / "tmp" / ".part-k1ll3d"
        left.write_bytes(b"half a portrait")
        run(options(photos, out, "tones=[warm]"), server.url)
    assert not left.exists()


def test_unfinished_files_never_lie_among_the_delivered(
    photos: Path, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages import deliver

    places = []

    def watched(path: Path, data: bytes, *, tmp_dir: Path | None = None) -> None:
        places.append(tmp_dir or path.parent)
        write(path, data, tmp_dir=tmp_dir)

    write = deliver.write_atomically
    monkeypatch.setattr(deliver, "write_atomically", watched)
    with sandbox(tmp_path / "models") as server:
        run(options(photos, begun, "tones=[warm]"), server.url)
    assert {place.relative_to(begun).parts[0] for place in places} == {".work"}
