"""Answers that take their time: server-sent events, and work that ends when its client hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, TypeVar

from deskbell.core.api import Dialect
from deskbell.core.operation import EventStream
from deskbell.errors import Problem

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Raises the Problem that ends the work of a client whose key has ended.
Welcome = Callable[[], Awaitable[None]]

LOOK = 0.25  # seconds between looks at a key while its answer is made; revocation holds within 1 s

# Proxies of the nginx family hold answers back unless they are told not to.
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Disconnected(Exception):
    """The client went away: before its body was whole, or before it had its answer."""


async def hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(work: Coroutine[Any, Any, T], receive: Receive, welcome: Welcome) -> T:
    """What the work gives. It is cancelled, and its cancellation awaited, when its client hangs up first or is not welcome any more."""
    acting, gone = asyncio.create_task(work), asyncio.create_task(hung_up(receive))
    try:
        while not acting.done():
            await asyncio.wait({acting, gone}, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not acting.done():
                raise Disconnected
            if not acting.done():
                await welcome()
        return acting.result()
    finally:
        acting.cancel()
        gone.cancel()
        await asyncio.gather(acting, gone, return_exceptions=True)


async def send(
    events: EventStream,
    dialect: Dialect,
    problem: Callable[[Exception], Problem],
    receive: Receive,
    send: Send,
    welcome: Welcome,
) -> None:
    """The events as `text/event-stream` (HTML standard, 9.2), until the last, or the client hangs up or is not welcome any more."""

    async def part(name: str, data: bytes) -> None:
        body = b"event: %b\ndata: %b\n\n" % (name.encode(), data)
        await send({"type": "http.response.body", "body": body, "more_body": True})

    async def all_of_them() -> None:
        async for name, record in events.events:
            await part(name, dialect.render(record))

    try:
        await unless_gone(all_of_them(), receive, welcome)
    except Disconnected:
        return
    except Exception as error:
        await part("error", dialect.envelope(problem(error)))
    await send({"type": "http.response.body", "body": b""})
