"""The run's own progress never goes back and its time left follows what was measured."""

from __future__ import annotations

import threading

from stages.events import Event, Note, Overall
from stages.progress import Announcer, Tracker


def _tracker() -> tuple[Tracker, list[Overall]]:
    seen: list[Overall] = []

    def emit(event: Event) -> None:
        assert isinstance(event, Overall)
        seen.append(event)

    return Tracker(emit), seen


def test_it_goes_from_nothing_to_everything() -> None:
    tracker, seen = _tracker()
    tracker.plan({"txt2img": 2, "upscale": 1})
    tracker.moved("a", "txt2img", 0.5)
    tracker.finished("a", "txt2img", cached=False, seconds=2.0)
    tracker.finished("b", "txt2img", cached=False, seconds=2.0)
    tracker.finished("b", "upscale", cached=False, seconds=6.0)
    fractions = [event.fraction for event in seen]
    assert fractions == sorted(fractions)
    assert seen[-1] == Overall(fraction=1.0, time_left_s=0.0, done=3, total=3)


def test_it_does_not_go_back_when_more_becomes_necessary() -> None:
    tracker, seen = _tracker()
    tracker.plan({"txt2img": 1})
    tracker.finished("a", "txt2img", cached=False, seconds=1.0)
    tracker.plan({"txt2img": 9})
    tracker.moved("b", "txt2img", 0.1)
    assert [event.fraction for event in seen] == [1.0, 1.0]
    assert seen[-1].total == 10


def test_the_time_left_comes_from_what_was_timed() -> None:
    tracker, seen = _tracker()
    tracker.plan({"txt2img": 3})
    tracker.moved("a", "txt2img", 0.5)
    assert seen[-1].time_left_s is None
    tracker.finished("a", "txt2img", cached=False, seconds=4.0)
    assert seen[-1].time_left_s == 8.0


def test_the_picture_that_waited_for_the_models_does_not_promise_hours() -> None:
    tracker, seen = _tracker()
    tracker.plan({"txt2img": 10})
    tracker.finished("a", "txt2img", cached=False, seconds=60.0)
    tracker.finished("b", "txt2img", cached=False, seconds=4.0)
    assert seen[-1].time_left_s == 32.0
    tracker.finished("c", "txt2img", cached=False, seconds=6.0)
    assert seen[-1].time_left_s == 35.0


def test_cached_stages_do_not_make_the_rest_look_quick() -> None:
    tracker, seen = _tracker()
    tracker.plan({"txt2img": 3})
    tracker.finished("a", "txt2img", cached=True, seconds=0.0)
    tracker.finished("b", "txt2img", cached=False, seconds=4.0)
    assert seen[-1].time_left_s == 4.0


def test_several_servers_share_the_time_left() -> None:
    seen: list[Event] = []
    tracker = Tracker(seen.append, parallel=2)
    tracker.plan({"txt2img": 5})
    tracker.finished("a", "txt2img", cached=False, seconds=3.0)
    last = seen[-1]
    assert isinstance(last, Overall)
    assert last.time_left_s == 6.0


def test_a_failed_job_counts_as_not_begun() -> None:
    tracker, seen = _tracker()
    tracker.plan({"txt2img": 2})
    tracker.moved("a", "txt2img", 0.9)
    tracker.failed("a", "txt2img")
    tracker.finished("b", "txt2img", cached=False, seconds=1.0)
    assert seen[-1].done == 1
    assert seen[-1].fraction < 1.0


def test_dropped_jobs_are_not_waited_for() -> None:
    tracker, seen = _tracker()
    tracker.plan({"txt2img": 4})
    tracker.finished("a", "txt2img", cached=False, seconds=1.0)
    tracker.drop({"txt2img": 3})
    assert seen[-1].fraction == 1.0


def test_events_reach_the_watcher_one_at_a_time() -> None:
    inside = 0
    overlaps = []

    def listener(event: Event) -> None:
        nonlocal inside
        inside += 1
        overlaps.append(inside)
        inside -= 1

    announce = Announcer(listener)
    threads = [threading.Thread(target=lambda: [announce(Note("x")) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(overlaps) == 800
    assert set(overlaps) == {1}
