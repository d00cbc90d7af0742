"""Albums are judged one after the other, and an upload does not wait for everybody's."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest

from studio.web.judging import Judging


class Work:
    """Judging that takes as long as the test wants."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.done: list[str] = []
        self.at_once = self.most = 0

    def of(self, name: str) -> Callable[[], None]:
        def work() -> None:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            self.go.wait(10)
            self.done.append(name)
            self.at_once -= 1

        return work


def test_one_album_at_a_time_and_every_photo_is_seen() -> None:
    work = Work()

    async def people() -> None:
        judging = Judging()
        first = asyncio.create_task(judging.judge("a", work.of("a1"), patience_s=None))
        while not work.at_once:
            await asyncio.sleep(0.001)
        # These came while the first was under way: it may not have seen them, so they need another, together.
        later = [judging.judge(album, work.of(album + "2"), patience_s=None) for album in "aab"]
        asyncio.get_running_loop().call_later(0.05, work.go.set)
        assert all(await asyncio.gather(first, *later))

    asyncio.run(people())
    assert work.done == ["a1", "a2", "b2"]
    assert work.most == 1


def test_an_upload_is_answered_before_its_turn_comes() -> None:
    work = Work()

    async def people() -> None:
        judging = Judging()
        begun = time.monotonic()
        assert not await judging.judge("a", work.of("a"), patience_s=0.02)
        assert not await judging.judge("b", work.of("b"), patience_s=0.02)
        assert time.monotonic() - begun < 5
        work.go.set()
        assert await judging.judge("b", work.of("again"), patience_s=None)

    asyncio.run(people())
    assert work.done[:2] == ["a", "b"], "they are judged all the same"


def test_an_error_is_for_those_who_wait(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        time.sleep(0.02)
        raise RuntimeError("secret")

    async def people() -> None:
        judging = Judging()
        with pytest.raises(RuntimeError):
            await judging.judge("a", broken, patience_s=None)
        assert not await judging.judge("b", broken, patience_s=0.001)
        await asyncio.sleep(0.1)

    with caplog.at_level(logging.WARNING):
        asyncio.run(people())
    assert caplog.text.count("RuntimeError") == 2
    assert "secret" not in caplog.text
