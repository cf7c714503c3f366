"""A turn that is read while it is written: the work has a task of its own, which ends when its reader goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class StreamBuffer(Generic[T]):
    """Runs an iterator in one task, whoever reads it: what a model's client has open belongs to the task that opened it.

    `joined` makes one item of two that both wait, or None where they stay apart: a reader that is late gets fewer and larger ones.
    """

    def __init__(self, source: AsyncIterator[T], joined: Callable[[T, T], T | None]) -> None:
        self.joined = joined
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.create_task(self.run(source))
        self.first: list[T] = []

    async def run(self, source: AsyncIterator[T]) -> None:
        try:
            async for item in source:
                self.queue.put_nowait(item)
        except Exception as error:
            self.queue.put_nowait(Failed(error))
        else:
            self.queue.put_nowait(Failed(None))

    async def begin(self) -> None:
        """Waits for the first item; raises what came instead."""
        try:
            item = await self.queue.get()
        except asyncio.CancelledError:
            await self.stop()
            raise
        if isinstance(item, Failed):
            item.reraise()
        else:
            self.first.append(item)

    async def rest(self) -> AsyncIterator[T]:
        """All items, the first among them. Closing this stops the work."""
        try:
            for item in self.first:
                yield item
            item = await self.queue.get()
            while not isinstance(item, Failed):
                after = None if self.queue.empty() else self.queue.get_nowait()
                both = None if after is None or isinstance(after, Failed) else self.joined(item, after)
                if both is None:
                    yield item
                    both = after or await self.queue.get()
                item = both
            item.reraise()
        finally:
            await self.stop()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Failed:
    """The end of the work, with what ended it early."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def reraise(self) -> None:
        if self.error is not None:
            raise self.error
