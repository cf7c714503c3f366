"""How a command uses a database that a server may be using: short transactions of the system, from ordinary code."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from deskbell.foundation.db import Database, T, UnitOfWork


class CommandDatabase(Database, Protocol):
    """A database beside its servers, which are notified of what is written."""

    async def erase_free_pages(self, *, whole: bool) -> None:
        """Overwrites what was deleted, as far as no reader needs it; `whole` rewrites all data, so that nothing old is left."""


class CommandConnection:
    """A command's connection. Asynchronous code uses `database` within `run`."""

    def __init__(self, database: CommandDatabase) -> None:
        self.database = database
        self.runner = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs asynchronous code to its end. Ctrl-C cancels it and raises KeyboardInterrupt."""
        return self.runner.run(coroutine)

    def read(self, work: UnitOfWork[T]) -> T:
        return self.run(self.database.read(work))

    def write(self, work: UnitOfWork[T]) -> T:
        return self.run(self.database.write(work))

    def erase_free_pages(self, *, whole: bool) -> None:
        self.run(self.database.erase_free_pages(whole=whole))

    def close(self) -> None:
        self.run(self.database.stop())
        self.runner.close()
