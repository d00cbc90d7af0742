"""Decides which shot is made next, hands shots to the servers side by side, and fills the wanted portraits.

What is delivered depends on the pictures only, never on which of them was ready first: candidates of a pose
are ranked when all are there, and a pose in a tone is filled round by round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .events import PlanGrown
from .lib.select import MAX_RETRIES, Slot, rank_candidates
from .shots import Candidate, Finished, Shooter

_BESIDE_SERVERS = 1
"""Workers beyond one a server: they score and finish while the servers draw."""


@dataclass(frozen=True)
class Session:
    """All shots of a run."""

    candidates: Mapping[str, tuple[Candidate, ...]]
    """Pose -> its candidates in the order of drawing."""
    finished: tuple[Finished, ...]
    """Everything that was finished, delivered or not, in a fixed order."""
    chosen: tuple[tuple[Slot, Finished], ...]
    """What is delivered, in the order of the slots."""
    unfilled: tuple[Slot, ...]
    """Wanted, but no picture was good enough."""

    @property
    def best_likeness(self) -> float | None:
        """Highest likeness of a finished picture,
        or of a candidate when none was finished; None without a face."""
        scores = [shot.score for shot in self.finished]
        scores = scores or [shot.score for shots in self.candidates.values() for shot in shots]
        return max((score.likeness for score in scores if score.has_face), default=None)

    @property
    def usual_reason(self) -> str:
        """Why most pictures that were refused were; empty when none was."""
        drawn = [shot.refused for shots in self.candidates.values() for shot in shots]
        refused = [reason for reason in [shot.refused for shot in self.finished] or drawn if reason]
        return Counter(refused).most_common(1)[0][0] if refused else ""


@dataclass
class _Lane:
    """A pose in a tone: how many portraits it needs and what was tried."""

    tone: str
    need: int
    tried: int = 0
    running: int = 0
    done: list[tuple[int, Finished]] = field(default_factory=list)
    """(place in the pose's ranking, result)."""

    @property
    def missing(self) -> int:
        return self.need - sum(1 for _, shot in self.done if shot.refused is None)

    def good(self) -> list[Finished]:
        ordered = sorted(self.done, key=lambda entry: entry[0])
        return [shot for _, shot in ordered if shot.refused is None]


@dataclass
class _Pose:
    """A pose: its candidates, their ranking, its lanes."""

    name: str
    batch: int
    """Candidates drawn at once."""
    lanes: list[_Lane]
    drawn: dict[int, Candidate] = field(default_factory=dict)
    asked: int = 0
    ranking: list[Candidate] = field(default_factory=list)

    @property
    def may_draw_again(self) -> bool:
        """A pose is drawn a second time when the first did not give enough, and never a third time."""
        return self.asked < 2 * self.batch

    @property
    def complete(self) -> bool:
        return len(self.drawn) == self.asked


class Director:
    """Runs one session. Use once."""

    def __init__(
        self, shooter: Shooter, slots: Sequence[Slot], draws: Mapping[str, int], *, parallel: int
    ) -> None:
        self._shooter, self._slots = shooter, tuple(slots)
        self._poses = {pose: _Pose(pose, batch, _lanes(slots, pose)) for pose, batch in draws.items()}
        self._workers = parallel + _BESIDE_SERVERS
        self._pending: dict[Future[Any], Callable[[Any], None]] = {}
        self._later_stages: dict[str, int] = {
            stage.type: 1 for stage in (shooter.preset.img2img, shooter.preset.upscale) if stage is not None
        }

    def run(self) -> Session:
        """Make everything. Ctrl-C interrupts the jobs that run and leaves the store whole."""
        with ThreadPoolExecutor(self._workers, thread_name_prefix="shot") as self._executor:
            try:
                for pose in self._poses.values():
                    self._draw_batch(pose)
                self._work_off()
            except BaseException as error:
                self._stop(interrupt=not isinstance(error, Exception))
                raise
        return self._session()

    def _stop(self, *, interrupt: bool) -> None:
        """Hand out nothing more. Jobs that run are finished and kept (their time is paid), unless a person
        asked for the end."""
        for future in self._pending:
            future.cancel()
        self._shooter.engine.halt()
        if interrupt:
            self._shooter.engine.cancel.cancel()

    def _work_off(self) -> None:
        while self._pending:
            ready, _ = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in ready:
                then = self._pending.pop(future)
                then(future.result())

    def _submit(self, task: Callable[..., Any], *args: Any, then: Callable[[Any], None]) -> None:
        self._pending[self._executor.submit(task, *args)] = then

    # ---- candidates

    def _draw_batch(self, pose: _Pose) -> None:
        first = pose.asked
        pose.asked += pose.batch
        for index in range(first, pose.asked):
            self._submit(self._shooter.draw, pose.name, index, then=partial(self._drawn, pose))

    def _drawn(self, pose: _Pose, candidate: Candidate) -> None:
        pose.drawn[candidate.index] = candidate
        if not pose.complete:
            return
        batch = range(pose.asked - pose.batch, pose.asked)
        scores = {index: pose.drawn[index].score for index in batch}
        ranked = rank_candidates(scores, min_likeness=self._shooter.preset.min_likeness)
        # A second batch queues behind the first: what was ranked before keeps its place.
        pose.ranking += [pose.drawn[index] for index in ranked]
        for lane in pose.lanes:
            self._next_round(pose, lane)

    # ---- portraits

    def _next_round(self, pose: _Pose, lane: _Lane) -> None:
        if lane.running or lane.missing <= 0 or not pose.complete:
            return
        room = lane.need + MAX_RETRIES - lane.tried
        batch = pose.ranking[lane.tried : lane.tried + min(lane.missing, room)]
        if not batch:
            self._out_of_candidates(pose, lane, room)
            return
        retries = max(0, lane.tried + len(batch) - lane.need)
        if lane.tried and retries:
            self._grow(
                self._later_stages, len(batch), f"{pose.name} in {lane.tone}: another candidate is tried"
            )
        for candidate in batch:
            done = partial(self._finished, pose, lane, lane.tried)
            lane.tried, lane.running = lane.tried + 1, lane.running + 1
            self._submit(self._shooter.finish, candidate, lane.tone, then=done)

    def _finished(self, pose: _Pose, lane: _Lane, place: int, shot: Finished) -> None:
        lane.running -= 1
        lane.done.append((place, shot))
        self._next_round(pose, lane)

    def _out_of_candidates(self, pose: _Pose, lane: _Lane, room: int) -> None:
        if room > 0 and pose.may_draw_again:
            self._grow({"txt2img": 1}, pose.batch, f"{pose.name}: not enough good candidates, more are drawn")
            self._draw_batch(pose)
            return
        # Only what was planned and never begun: a retry brought its own jobs along.
        unused = max(0, lane.need - lane.tried)
        self._shooter.engine.tracker.drop(dict.fromkeys(self._later_stages, unused))

    def _grow(self, stages: Mapping[str, int], number: int, reason: str) -> None:
        tracker = self._shooter.engine.tracker
        tracker.plan({stage: times * number for stage, times in stages.items()})
        self._shooter.engine.emit(PlanGrown(tracker.total, reason))

    # ---- the end

    def _session(self) -> Session:
        lanes = {(pose.name, lane.tone): lane.good() for pose in self._poses.values() for lane in pose.lanes}
        chosen, unfilled = [], []
        for slot in self._slots:
            good = lanes[slot.pose, slot.tone]
            if slot.rank < len(good):
                chosen.append((slot, good[slot.rank]))
            else:
                unfilled.append(slot)
        finished = [
            shot
            for pose in self._poses.values()
            for lane in pose.lanes
            for _, shot in sorted(lane.done, key=lambda entry: entry[0])
        ]
        candidates = {
            pose.name: tuple(pose.drawn[index] for index in sorted(pose.drawn))
            for pose in self._poses.values()
        }
        return Session(candidates, tuple(finished), tuple(chosen), tuple(unfilled))


def _lanes(slots: Sequence[Slot], pose: str) -> list[_Lane]:
    tones = dict.fromkeys(slot.tone for slot in slots if slot.pose == pose)
    return [
        _Lane(tone, need=sum(slot.pose == pose and slot.tone == tone for slot in slots)) for tone in tones
    ]
