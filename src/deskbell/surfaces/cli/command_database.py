"""A database for asynchronous code in a command: the guest's transactions, one at a time, beside a server that may be running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from deskbell.foundation.databases import Guest
from deskbell.foundation.db import Graphs, T, Work
from deskbell.foundation.limits import Limits, MemoryLimits


class Beside:
    """Satisfies `foundation.db.Database`. The work runs in another thread, as a guest may have an event loop of its own."""

    single_process = False
    graphs: Graphs | None = None

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.limits: Limits = MemoryLimits()
        self.turn = asyncio.Lock()

    async def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """Who has opened the guest closes it."""

    async def read(self, work: Work[T], organization_id: str | None = None) -> T:
        async with self.turn:
            return await asyncio.to_thread(self.guest.read, work)

    async def write(self, work: Work[T], organization_id: str | None = None) -> T:
        async with self.turn:
            return await asyncio.to_thread(self.guest.write, work)

    def on_change(self, table: str, told: Callable[[], None]) -> None:
        """A command ends before anybody would have to tell it."""

    async def broadcast(self, news: str) -> None:
        """Nobody hears a command; servers see what it has written."""

    def on_broadcast(self, told: Callable[[str], None]) -> None:
        """Nor does it listen."""
