"""A slice of the product, declared in one place: what it can do, what it does in the background, and whose data it keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Table

from deskbell.core.context import Context
from deskbell.core.jobs import JobHandler
from deskbell.core.operation import Operation
from deskbell.foundation.db import Database
from deskbell.foundation.schedule import Recurring
from deskbell.settings import Settings

T = TypeVar("T")


class Setup:
    """What slices are put together from at the start: settings, the database, and the services of the slices before them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.services: dict[type, Any] = {}

    def service(self, kind: type[T]) -> T:
        """The one object of this type that a slice has made."""
        found: T = self.services[kind]
        return found


class Service:
    """An object that lives as long as the process. Handlers ask for it by its type."""

    async def run(self) -> None:
        """Works in the background until it is cancelled; by default there is nothing to do."""

    async def close(self) -> None:
        """Finishes what is left when the process ends."""


class Queue(NamedTuple):
    """A queue of jobs with workers of its own: how many run at once and, where organizations take turns, how many of each.

    `drain` is how many seconds its jobs have at the end of the process; what is not stored by then is done again.
    """

    name: str
    at_once: int
    each: int | None = None
    drain: float | None = None


TEXTS = Queue("", 16)  # what must not wait: texts and short work


class Jobs(NamedTuple):
    """Kinds of job, their handlers, and the queue that they wait in. A command, which has no handlers, asks only for the kinds."""

    kinds: Collection[str]
    handlers: Callable[[Setup], Mapping[str, JobHandler]]
    queue: Queue = TEXTS


class Person(NamedTuple):
    """Somebody whose data is erased: their lead, and every number that they texted from or were texted at (E.164)."""

    lead_id: str
    numbers: frozenset[str]


class Export(NamedTuple):
    """A kind of record that can be taken out: its type, and a page of it in the order of ids, behind the given id."""

    name: str
    record: type[msgspec.Struct]
    page: Callable[[Context, str, int], Awaitable[Sequence[msgspec.Struct]]]


class Slice(NamedTuple):
    """What one folder brings to the whole.

    `services` makes its services, `start` does what is due when a process starts. `erase` takes a person's data out of the tables
    named in `personal`; `numbers` says which numbers a lead was reached by; `merge` moves what belongs to one lead (the second id)
    to another (the first). Tables without anybody's personal data are named in `other`.
    """

    name: str
    operations: Sequence[Operation] = ()
    services: Callable[[Setup], Sequence[tuple[type, Any]]] | None = None
    jobs: Sequence[Jobs] = ()
    recurring: Sequence[Recurring] = ()
    start: Callable[[Setup], Awaitable[None]] | None = None
    personal: Sequence[Table] = ()
    other: Sequence[Table] = ()
    numbers: Callable[[Context, str], Awaitable[Sequence[str]]] | None = None
    erase: Callable[[Context, Person], Awaitable[None]] | None = None
    merge: Callable[[Context, str, str], Awaitable[None]] | None = None
    exports: Sequence[Export] = ()
