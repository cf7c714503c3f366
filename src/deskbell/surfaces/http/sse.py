"""Responses that take a while: server-sent events, and work that is cancelled when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import aclosing, contextmanager
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from deskbell.core.api import Dialect
from deskbell.core.operation import EventStream
from deskbell.errors import Problem

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Raises the Problem that ends the work of a client whose key has ended.
Revalidate = Callable[[], Awaitable[None]]

REVALIDATE_SECONDS = 0.25  # between checks of a key during a response; a revoked key must end it within 1 s

# The last header keeps nginx and its relatives from buffering the events.
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Disconnected(Exception):
    """The client disconnected before its body was complete, or before it had its response."""


async def disconnected(receive: Receive) -> None:
    """Returns when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass


class KeyChecks:
    """Checks the keys of all open responses of one event loop, in one task: a timer for each would cost more than the checks."""

    by_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, KeyChecks]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self.open: dict[asyncio.Future[None], Revalidate] = {}
        self.task: asyncio.Task[None] | None = None

    @classmethod
    def here(cls) -> KeyChecks:
        loop = asyncio.get_running_loop()
        return cls.by_loop.get(loop) or cls.by_loop.setdefault(loop, cls())

    @contextmanager
    def watching(self, revalidate: Revalidate) -> Iterator[asyncio.Future[None]]:
        """A future that fails when the key has ended, for the length of a block."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.open[ended] = revalidate
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.run())
        try:
            yield ended
        finally:
            del self.open[ended]
            if not ended.cancel():
                ended.exception()  # it was seen, or came too late to matter

    async def run(self) -> None:
        while self.open:
            await asyncio.sleep(REVALIDATE_SECONDS)
            for ended, revalidate in list(self.open.items()):
                try:
                    await revalidate()
                except Exception as error:
                    if not ended.done():
                        ended.set_exception(error)
        self.task = None


async def while_connected(work: Coroutine[Any, Any, T], receive: Receive, revalidate: Revalidate) -> T:
    """The result of some work, which is cancelled when its client disconnects or its key ends. Waits for the cancellation."""
    task, disconnect = asyncio.create_task(work), asyncio.create_task(disconnected(receive))
    try:
        with KeyChecks.here().watching(revalidate) as ended:
            first: set[asyncio.Future[Any]] = {task, disconnect, ended}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if ended.done():
                ended.result()
            raise Disconnected
    finally:
        task.cancel()
        disconnect.cancel()
        await asyncio.gather(task, disconnect, return_exceptions=True)


async def send(
    events: EventStream,
    dialect: Dialect,
    problem: Callable[[Exception], Problem],
    receive: Receive,
    send: Send,
    revalidate: Revalidate,
) -> None:
    """The events as `text/event-stream` (HTML standard, 9.2), until the last one, or until the client disconnects or its key ends."""

    async def send_part(body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})

    async def send_event(name: str, data: bytes) -> None:
        await send_part(b"event: %b\ndata: %b\n\n" % (name.encode(), data))

    async def send_all() -> None:
        async with aclosing(events.events) as parts:
            async for event in parts:
                if isinstance(event, bytes):
                    await send_part(event)
                else:
                    await send_event(event[0], dialect.render(event[1]))

    try:
        await while_connected(send_all(), receive, revalidate)
    except Disconnected:
        return
    except Exception as error:
        await send_event("error", dialect.envelope(problem(error)))
    await send({"type": "http.response.body", "body": b""})
