"""What every database offers: sessions that run statements, and errors. Slices import from here what they need of a database."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from deskbell.foundation.columns import (
    BOOLEAN,
    BY_KEY,
    ID,
    JSON,
    SEARCH_FIRST,
    TIMESTAMP,
    Contains,
    DatabaseSize,
    InList,
    Nearest,
    in_order,
    schema,
    searched,
)
from deskbell.foundation.limits import Limits
from deskbell.foundation.statements import Bound, P, Prepared, T, command, insert, query, update

__all__ = [
    "BOOLEAN",
    "BY_KEY",
    "ID",
    "JSON",
    "SEARCH_FIRST",
    "TIMESTAMP",
    "AwaitInTransaction",
    "Bound",
    "ConstraintViolation",
    "Contains",
    "Database",
    "DatabaseFailure",
    "DatabaseSize",
    "Graphs",
    "InList",
    "Nearest",
    "NeedsThread",
    "P",
    "Prepared",
    "Session",
    "T",
    "UnitOfWork",
    "command",
    "in_order",
    "insert",
    "query",
    "schema",
    "searched",
    "update",
]


class DatabaseFailure(Exception):
    """The database could not do what was asked: it is away, full or broken. Nothing of the failed transaction is stored."""


class ConstraintViolation(Exception):
    """A unique index refused a row. `index` is its name in the schema. It ends the transaction: PostgreSQL cannot continue after it."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index


class AwaitInTransaction(BaseException):
    """A handler awaited something other than `ctx.db`, inside a transaction. Not an Exception, so that no handler swallows it."""


class NeedsThread(BaseException):
    """A read would block the event loop; the database runs it again on a thread. Not an Exception, for the same reason."""


class Session(Protocol):
    """One connection within one transaction. The only thing that a handler may await."""

    async def one(self, statement: Bound[T]) -> T | None:
        """The first row, or None."""

    async def all(self, statement: Bound[T], *, long: bool = False) -> list[T]:
        """Every row. `long` says that reading them would block the event loop for too long."""

    async def page(
        self, statement: Bound[T], page: int, limit: int, *, offset: int = 0, long: bool = False
    ) -> tuple[list[T], int]:
        """Page number `page` (from 1) of at most `limit` rows, and the exact number of rows on all pages.

        `offset` rows more are left out. `long` says that no index helps, so that it would block the event loop for too long.
        """

    async def run(self, statement: Bound[Any]) -> int:
        """Runs a statement that returns no rows; answers how many it changed."""

    async def lock(self, name: str) -> None:
        """Waits for the lock of this name, and keeps it until the transaction ends."""


#: A transaction's work: called with a session, it returns a coroutine that awaits nothing else.
UnitOfWork = Callable[[Session], Coroutine[Any, Any, T]]


class Graphs(Protocol):
    """Tables of vectors in which a graph leads to the nearest ones: made and filled by jobs, read by the statement element `Nearest`.

    `name` is a table's own. What takes long may be cancelled and called again.
    """

    async def refusal(self, dimensions: int, *, install: bool = False) -> str | None:
        """Why there can be none for vectors of so many numbers, and what to do; None where there can. May `install` what is missing."""

    async def make(self, name: str, dimensions: int) -> None:
        """An empty table, if there is none of that name."""

    async def counts(self, name: str) -> dict[tuple[str, int], int]:
        """How many vectors a table has, by document and revision."""

    async def fill(self, name: str, organization_id: str, rows: Sequence[tuple[str, str, int, bytes]]) -> None:
        """All vectors of some documents' revisions, in the place of those that were there: id, document, revision, float16 little-endian."""

    async def remove(self, name: str, revisions: Sequence[tuple[str, int]]) -> None:
        """Takes out what is of these documents' revisions."""

    async def finish(self, name: str) -> None:
        """Makes the graph, which can take minutes; from then on it takes in what is added."""

    async def drop(self, name: str) -> None: ...


class Database(Protocol):
    """Runs units of work, each in a transaction; again when one must be repeated.

    `organization_id` is the organization whose rows the work may touch; None is the system itself. `single_process` says that no
    other process serves the same data; `limits` hold across all that do; `graphs` is None where there are none.
    """

    single_process: bool
    limits: Limits
    graphs: Graphs | None

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Finishes what was submitted, then closes."""

    async def read(self, work: UnitOfWork[T], organization_id: str | None = None) -> T: ...

    async def write(self, work: UnitOfWork[T], organization_id: str | None = None) -> T: ...

    def on_change(self, table: str, callback: Callable[[], None]) -> None:
        """Calls back, in the event loop, after any process may have written `table` (which must be one that its database announces)."""

    async def broadcast(self, news: str) -> None:
        """Sends a message to the listeners of all processes that serve the same data. At most 4,000 bytes; it is not stored."""

    def on_broadcast(self, callback: Callable[[str], None]) -> None:
        """Calls back, in the event loop, with each message."""
