"""A slice of the product, declared in one place: its operations, its background work, and the personal data that it stores."""

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
    """What slices are built from at startup: settings, the database, and the services of the slices before them."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.services: dict[type, Any] = {}

    def service(self, kind: type[T]) -> T:
        """The service of this type that a slice has created."""
        service: T = self.services[kind]
        return service


class Service:
    """An object that lives as long as the process. Handlers get it by its type."""

    async def run(self) -> None:
        """Runs in the background until it is cancelled; does nothing by default."""

    async def close(self) -> None:
        """Finishes outstanding work when the process stops."""


class Queue(NamedTuple):
    """A queue of jobs with its own worker: how many run at once and, if organizations take turns, how many of each organization.

    `drain` is how many seconds running jobs have when the process stops; those that are not done by then run again later.
    """

    name: str
    at_once: int
    each: int | None = None
    drain: float | None = None


DEFAULT_QUEUE = Queue("", 16)  # texts and short jobs, which must not wait for long ones


class Jobs(NamedTuple):
    """Kinds of jobs, their handlers and their queue. Commands, which run no jobs, use only the kinds."""

    kinds: Collection[str]
    handlers: Callable[[Setup], Mapping[str, JobHandler]]
    queue: Queue = DEFAULT_QUEUE


class DataSubject(NamedTuple):
    """The person whose data is erased: their lead, and every phone number (E.164) of texts from or to them."""

    lead_id: str
    numbers: frozenset[str]


class Export(NamedTuple):
    """A kind of record that can be exported: its type, and a function that returns a page of records by id, after the given id."""

    name: str
    record: type[msgspec.Struct]
    page: Callable[[Context, str, int], Awaitable[Sequence[msgspec.Struct]]]


class Slice(NamedTuple):
    """What one folder contributes to the application.

    `services` creates its services, `start` runs when a process starts. `erase` removes a person's data from the tables in `personal`;
    `numbers` lists the phone numbers of a lead; `merge` moves the records of one lead (the second id) to another (the first).
    `other` lists the tables without personal data.
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
    erase: Callable[[Context, DataSubject], Awaitable[None]] | None = None
    merge: Callable[[Context, str, str], Awaitable[None]] | None = None
    exports: Sequence[Export] = ()
