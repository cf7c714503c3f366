"""The connections of one worker. Lighter than asyncpg's own pool, which makes a task and a timer for each use and resets connections."""

from __future__ import annotations

import asyncio
from collections import deque

from deskbell.foundation.postgres import connection as connections
from deskbell.foundation.postgres.connection import Connection

UNUSED = 300.0  # seconds after which a connection is closed
CLOSE_EVERY = 60.0  # seconds between two looks for such


class Pool:
    """At most `size` connections, made when they are needed. The one used last is used first; tasks that wait get theirs in order."""

    def __init__(self, url: str, size: int) -> None:
        self.url, self.size = url, size
        self.places = 0  # taken by connections, free ones too, and by those that are being made
        self.free: list[Connection] = []
        self.used: set[Connection] = set()
        self.waiting: deque[asyncio.Future[Connection | None]] = deque()

    async def take(self) -> Connection:
        """A connection for the caller alone. Raises TimeoutError when none becomes free within `CONNECT`."""
        found = self.take_unused()
        if found is None and self.places >= self.size:
            found = await self.wait_for_one()
        elif found is None:
            self.places += 1
        if found is None:
            try:
                found = await Connection.open(self.url)
            except BaseException:
                self.free_place()
                raise
        self.used.add(found)
        return found

    def take_unused(self) -> Connection | None:
        while self.free:
            found = self.free.pop()
            if not found.raw.is_closed():
                return found
            self.places -= 1
        return None

    async def wait_for_one(self) -> Connection | None:
        """Waits for a connection, or for the place of one that is gone."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self.waiting.append(waiter)
        timer = loop.call_later(connections.CONNECT, give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.pass_on(waiter.result())
            raise
        finally:
            timer.cancel()

    def give(self, connection: Connection) -> None:
        """Takes a connection back, with no transaction open on it."""
        self.used.discard(connection)
        connection.since = asyncio.get_running_loop().time()
        self.pass_on(None if connection.raw.is_closed() else connection)

    def drop(self, connection: Connection) -> None:
        """Closes a connection that is taken."""
        self.used.discard(connection)
        connection.drop()
        self.free_place()

    def pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self.free_place()
        elif waiter := self.next_waiter():
            waiter.set_result(connection)
        else:
            self.free.append(connection)

    def free_place(self) -> None:
        """Gives the place of a closed connection to the next task that waits."""
        if waiter := self.next_waiter():
            waiter.set_result(None)
        else:
            self.places -= 1

    def next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    async def close_unused(self) -> None:
        """Closes connections that have not been used for `UNUSED`."""
        while True:
            await asyncio.sleep(CLOSE_EVERY)
            old = asyncio.get_running_loop().time() - UNUSED
            for connection in [each for each in self.free if each.since < old]:
                self.free.remove(connection)
                connection.drop()
                self.free_place()

    async def close(self) -> None:
        """Waits until all are given back, at most `CONNECT` seconds, then closes them."""
        loop = asyncio.get_running_loop()
        until = loop.time() + connections.CONNECT
        while self.used and loop.time() < until:  # noqa: ASYNC110  it ends by the clock too
            await asyncio.sleep(0.01)
        closing = (each.raw.close(timeout=1) for each in self.free)
        await asyncio.gather(*closing, return_exceptions=True)
        for connection in self.used:
            connection.drop()


def give_up(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no connection became free"))
