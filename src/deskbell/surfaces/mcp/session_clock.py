"""The time by which sessions grow idle."""

from __future__ import annotations

import asyncio
import contextlib
import time

from deskbell.foundation import clock
from deskbell.foundation.clock import Instant


class SessionClock:
    """The system's clock. Tests put their own in its place, so that half an hour of silence takes them no time."""

    def seconds_from_now(self, seconds: float) -> Instant:
        return clock.seconds_from_now(seconds)

    def monotonic(self) -> float:
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Returns when the event is set, or after that many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
