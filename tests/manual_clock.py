"""A clock of MCP sessions that a test moves, so that an hour of silence takes no time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from deskbell.app import Deskbell
from deskbell.foundation import clock
from deskbell.foundation.clock import Instant
from deskbell.settings import Settings
from deskbell.surfaces.mcp.session_clock import SessionClock
from tests.desk import PATIENCE, Server, running


class ManualClock(SessionClock):
    """The system's clock, ahead by as much as `advance` was told. Whoever waits by it is woken on the way."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.waiting: dict[asyncio.Event, tuple[float, asyncio.Event]] = {}
        self.waits: Counter[asyncio.Event] = Counter()

    def seconds_from_now(self, seconds: float) -> Instant:
        return clock.seconds_from_now(self.ahead + seconds)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        due = asyncio.Event()
        self.waiting[event] = (self.monotonic() + seconds, due)
        self.waits[event] += 1
        events = [asyncio.create_task(each.wait()) for each in (event, due)]
        try:
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waiting.pop(event, None)
            for task in events:
                task.cancel()

    def advance(self, seconds: float, step: float = 1.0) -> None:
        """Moves the clock, and returns when everybody who was due has done their work and waits again."""
        for _ in range(round(seconds / step)):
            asyncio.run_coroutine_threadsafe(self.move(step), self.loop).result(PATIENCE)

    async def move(self, step: float) -> None:
        await self.everybody_waits()
        self.ahead += step
        due = [(event, wake) for event, (moment, wake) in self.waiting.items() if moment <= self.monotonic()]
        for event, wake in due:
            del self.waiting[event]
            wake.set()
        await self.everybody_waits()

    async def everybody_waits(self) -> None:
        while len(self.waiting) < len(self.waits):  # noqa: ASYNC110  what they do meanwhile is partly done in threads
            await asyncio.sleep(0.001)


@contextlib.contextmanager
def timed(place: Path | str, settings: Settings) -> Iterator[tuple[Server, ManualClock]]:
    """A server whose MCP sessions grow idle by a clock of the test's own."""
    clock = ManualClock()

    class Timed(Deskbell):
        mcp_clock = clock

    with running(place, settings, Timed) as server:
        yield server, clock
