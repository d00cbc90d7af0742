"""Heavy work takes turns, so that the threads that answer pages stay free however much is sent at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Request

TURNS = {"decoding": 2, "removing": 2, "cutting": 1}
"""How many at once: uploads decoded, photos removed (the others are compared anew), ID photos cut."""

P = ParamSpec("P")
T = TypeVar("T")


def make_turns() -> dict[str, CapacityLimiter]:
    """One application's turns."""
    return {name: CapacityLimiter(count) for name, count in TURNS.items()}


async def in_turn(request: Request, what: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work in a thread when its turn comes; waiting holds no thread.

    Args:
        request: Of the application whose turns these are.
        what: One of `TURNS`.
        work: Called with the rest.
    """
    turns: dict[str, CapacityLimiter] = request.app.state.turns
    return await to_thread.run_sync(lambda: work(*args, **kwargs), limiter=turns[what])
