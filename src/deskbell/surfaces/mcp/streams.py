"""Server-sent events of one response."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from deskbell.surfaces.http.request import Receive

PING = 15.0  # seconds of silence after which a comment keeps proxies from closing the connection
MAX_UNREAD = 1000  # messages


class Outbox:
    """Messages waiting to be sent on one response. Writers never wait; a client that reads too slowly is disconnected."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.changed = asyncio.Event()
        self.closed = False

    def put(self, message: bytes) -> None:
        if len(self.waiting) >= MAX_UNREAD:
            self.close()
        if not self.closed:
            self.waiting.append(message)
            self.changed.set()

    def close(self, *_: Any) -> None:
        self.closed = True
        self.changed.set()

    async def next(self) -> bytes | None:
        """The next message, b"" after a silence, None at the end."""
        if not self.waiting and not self.closed:
            self.changed.clear()
            try:
                async with asyncio.timeout(PING):
                    await self.changed.wait()
            except TimeoutError:
                return b""
        if self.waiting:
            return self.waiting.popleft()
        return None


def sse_event(message: bytes) -> bytes:
    """A message as one server-sent event; an empty one as a comment."""
    return b"event: message\r\ndata: " + message + b"\r\n\r\n" if message else b": ping\r\n\r\n"


async def on_disconnect(receive: Receive, callback: Callable[[], Any]) -> None:
    """Calls back when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    callback()
