"""The connections of one worker. Leaner than asyncpg's own pool, which makes a task and a timer for each use and wants to reset."""

from __future__ import annotations

import asyncio
from collections import deque

from deskbell.foundation.postgres import connection as connections
from deskbell.foundation.postgres.connection import Connection

UNUSED = 300.0  # seconds after which a connection is closed
TENDED = 60.0  # seconds between two looks for such


class Pool:
    """At most `size` connections, made when they are needed. The one used last is used first; whoever waits has a turn in order."""

    def __init__(self, url: str, size: int) -> None:
        self.url, self.size = url, size
        self.places = 0  # taken by connections, free ones too, and by those that are being made
        self.free: list[Connection] = []
        self.used: set[Connection] = set()
        self.waiting: deque[asyncio.Future[Connection | None]] = deque()

    async def take(self) -> Connection:
        """A connection that nobody else uses. Raises TimeoutError when none becomes free within `CONNECT`."""
        found = self.unused()
        if found is None and self.places >= self.size:
            found = await self.turn()
        elif found is None:
            self.places += 1
        if found is None:
            try:
                found = await Connection.opened(self.url)
            except BaseException:
                self.leave()
                raise
        self.used.add(found)
        return found

    def unused(self) -> Connection | None:
        while self.free:
            found = self.free.pop()
            if not found.raw.is_closed():
                return found
            self.places -= 1
        return None

    async def turn(self) -> Connection | None:
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
        """Ends a connection that is taken."""
        self.used.discard(connection)
        connection.drop()
        self.leave()

    def pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self.leave()
        elif waiter := self.next():
            waiter.set_result(connection)
        else:
            self.free.append(connection)

    def leave(self) -> None:
        """A place has become free."""
        if waiter := self.next():
            waiter.set_result(None)
        else:
            self.places -= 1

    def next(self) -> asyncio.Future[Connection | None] | None:
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    async def tend(self) -> None:
        """Closes now and then what nobody has used for a while."""
        while True:
            await asyncio.sleep(TENDED)
            old = asyncio.get_running_loop().time() - UNUSED
            for connection in [each for each in self.free if each.since < old]:
                self.free.remove(connection)
                connection.drop()
                self.leave()

    async def close(self) -> None:
        """Waits for a while until all are given back, then ends them."""
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
