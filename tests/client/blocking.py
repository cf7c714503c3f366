"""The async client behind the sync client's interface."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from deskbell_client import AsyncDesk


class BlockingDesk:
    """An AsyncDesk whose calls each run to their end, in a loop of its own."""

    def __init__(self, *arguments: Any, sleep: Callable[[float], None] | None = None, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        if sleep:

            async def wait(seconds: float) -> None:
                sleep(seconds)

            options["sleep"] = wait
        try:
            self.desk = AsyncDesk(*arguments, **options)
        except ValueError:
            self.loop.close()
            raise

    def __getattr__(self, name: str) -> Any:
        return Blocking(getattr(self.desk, name), self.loop)

    def __repr__(self) -> str:
        return repr(self.desk)

    def close(self) -> None:
        self.loop.run_until_complete(self.desk.close())
        self.loop.close()


class Blocking:
    def __init__(self, resource: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.resource = resource
        self.loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            result = getattr(self.resource, name)(*arguments, **options)
            return self.loop.run_until_complete(result if inspect.isawaitable(result) else gathered(result))

        return call


async def gathered(rows: Any) -> list[Any]:
    return [row async for row in rows]
