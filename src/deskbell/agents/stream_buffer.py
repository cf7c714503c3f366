"""Lets an iterator run ahead of its reader: it has a task of its own, which ends when the reader goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class StreamBuffer(Generic[T]):
    """Runs an iterator in one task from beginning to end: connections of a model's client must be closed by the task that opened them.

    `join` makes one item of two that both wait, or returns None if they stay separate: a slow reader gets fewer and larger items.
    """

    def __init__(self, source: AsyncIterator[T], join: Callable[[T, T], T | None]) -> None:
        self.join = join
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.create_task(self.run(source))
        self.first: list[T] = []

    async def run(self, source: AsyncIterator[T]) -> None:
        try:
            async for item in source:
                self.queue.put_nowait(item)
        except Exception as error:
            self.queue.put_nowait(End(error))
        else:
            self.queue.put_nowait(End(None))

    async def start(self) -> None:
        """Waits for the first item. Raises the exception that came instead."""
        try:
            item = await self.queue.get()
        except asyncio.CancelledError:
            await self.stop()
            raise
        if isinstance(item, End):
            item.reraise()
        else:
            self.first.append(item)

    async def items(self) -> AsyncIterator[T]:
        """All items, including the first. Closing this iterator stops the task."""
        try:
            for item in self.first:
                yield item
            item = await self.queue.get()
            while not isinstance(item, End):
                after = None if self.queue.empty() else self.queue.get_nowait()
                both = None if after is None or isinstance(after, End) else self.join(item, after)
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


class End:
    """The end of the items, with the exception that ended them early."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def reraise(self) -> None:
        if self.error is not None:
            raise self.error
