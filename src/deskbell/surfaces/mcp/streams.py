"""Server-sent events: the outbox of one response, and the streams that a session holds open."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from deskbell.surfaces.http.dispatcher import Receive

PING = 15.0  # seconds of silence after which a comment keeps proxies from cutting the stream
BACKLOG = 1000  # messages that a client may leave unread


class Outbox:
    """What is yet to be sent on one response. The side that writes never waits; a reader that lags too far is cut off."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.news = asyncio.Event()
        self.closed = False

    def put(self, message: bytes) -> None:
        if len(self.waiting) >= BACKLOG:
            self.close()
        if not self.closed:
            self.waiting.append(message)
            self.news.set()

    def close(self, *_: Any) -> None:
        self.closed = True
        self.news.set()

    async def next(self) -> bytes | None:
        """The next message, b"" after a silence, None at the end."""
        if not self.waiting and not self.closed:
            self.news.clear()
            try:
                async with asyncio.timeout(PING):
                    await self.news.wait()
            except TimeoutError:
                return b""
        if self.waiting:
            return self.waiting.popleft()
        return None


def event(message: bytes) -> bytes:
    """A message as one server-sent event; without one, a comment."""
    return b"event: message\r\ndata: " + message + b"\r\n\r\n" if message else b": ping\r\n\r\n"


async def gone(receive: Receive, told: Callable[[], Any]) -> None:
    """Calls back when the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
    told()
