"""The open streams of a process. One reader of the log per organization serves them all, woken by writes instead of polling."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from typing import NamedTuple

import msgspec

from deskbell.core import principal as principals
from deskbell.core.context import Context, ExternalContext
from deskbell.core.principal import Tenant
from deskbell.core.slice import Service
from deskbell.events import log as event_log
from deskbell.events import rules
from deskbell.events.log import Section
from deskbell.events.model import Event, LogRow, Place
from deskbell.events.rules import Wanted
from deskbell.foundation.db import Database, DatabaseFailure, Session

log = logging.getLogger(__name__)

BATCH = 100  # events that are read at once
MAX_WAITING = 1000  # events that wait for a slow client before it is dropped
COMMENT_SECONDS = 15.0  # between signs of life
GATHER_SECONDS = 0.02  # in which writes are gathered for one look at the log
UNSETTLED_SECONDS = 0.1  # until the next look, while an event is visible that must wait for an earlier one
LOOK_SECONDS = 5.0  # between looks without a notification, which a process that dies never sends
COMMENT = b":\n\n"
SLOW = "The client read too slowly and has missed events. Connect again with the last id as Last-Event-ID"

_encode = msgspec.json.Encoder().encode


def frame(event: Event) -> bytes:
    """An event in the form of the wire (HTML standard, 9.2)."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.type.encode(), _encode(event))


def dropped_frame(last_id: str) -> bytes:
    return b"event: dropped\ndata: %b\n\n" % _encode({"message": SLOW, "last_event_id": last_id})


class Waiting(NamedTuple):
    """An event that is ready to be sent."""

    place: Place
    frame: bytes


class Subscription:
    """One open stream: what it wants, and what waits to be sent. What stood at the positions of `skipped` is older than the stream."""

    def __init__(self, wanted: Wanted, visible: rules.Visibility) -> None:
        self.wanted = wanted
        self.skipped: frozenset[int] = frozenset()
        self.visible = visible
        self.waiting: deque[Waiting] = deque()
        self.changed = asyncio.Event()
        self.dropped = self.ended = False

    def put(self, waiting: Waiting) -> None:
        """Adds an event. A client that lets too many wait is dropped: what it misses is in the log."""
        if len(self.waiting) >= MAX_WAITING:
            self.waiting.clear()
            self.dropped = True
        if not self.dropped:
            self.waiting.append(waiting)
        self.changed.set()

    def end(self) -> None:
        self.ended = True
        self.changed.set()

    async def wait(self) -> bool:
        """Waits until there is something to do; False where it was time for a sign of life."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMMENT_SECONDS):
                await self.changed.wait()
                self.changed.clear()
                return True
        return False


class LogReader:
    """Reads one organization's log for all its open streams."""

    def __init__(self, database: Database, tenant: Tenant, position: int) -> None:
        self.database = database
        self.tenant = tenant
        self.position = position
        self.unsettled = False
        self.subscriptions: set[Subscription] = set()

    async def advance(self) -> None:
        """Gives the streams what is new in the log."""
        more = True
        while more and self.subscriptions:
            more = await self.database.read(lambda session: self.next_batch(self.context(session)), self.tenant.id)

    def context(self, session: Session) -> Context:
        return Context(session, principals.job(self.tenant, "events.stream"), "system")

    async def next_batch(self, ctx: Context) -> bool:
        """Reads and passes on a batch; whether there may be more at once."""
        settled = await event_log.settled(ctx)
        rows = await event_log.rows_in(ctx, Section(self.position, settled, BATCH), Wanted())
        owners = await event_log.owners_of_keys(ctx, rows)
        self.unsettled = (await event_log.newest_place(ctx)).position > settled
        if rows:
            self.position = rows[-1].position
        self.pass_on(rows, owners)
        return len(rows) == BATCH

    def pass_on(self, rows: list[LogRow], owners: dict[str, str | None]) -> None:
        """Each event is put into the form of the wire once, or twice where only some may read texts."""
        for row in rows:
            frames: dict[rules.Visibility, bytes] = {}
            for subscription in self.subscriptions:
                if row.position not in subscription.skipped and subscription.wanted.takes(row):
                    visible = subscription.visible
                    if visible not in frames:
                        frames[visible] = frame(rules.event_of(row, owners, visible))
                    subscription.put(Waiting(Place(row.position, row.id), frames[visible]))


class EventFeed(Service):
    """What the open streams of this process share."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.readers: dict[str, LogReader] = {}
        self.changed = asyncio.Event()
        database.on_change("events", self.wake)

    def wake(self) -> None:
        if self.readers:
            self.changed.set()

    async def run(self) -> None:
        """Reads the log whenever it has grown, for as long as the process runs."""
        while True:
            await self.wait()
            self.changed.clear()
            for reader in list(self.readers.values()):
                try:
                    await reader.advance()
                except DatabaseFailure as failure:
                    log.warning("reading the event log: %s", failure)
                    reader.unsettled = True

    async def wait(self) -> None:
        """Waits for a write; not for ever where one may have gone unnoticed."""
        patience = None if self.database.single_process or not self.readers else LOOK_SECONDS
        if any(reader.unsettled for reader in self.readers.values()):
            patience = UNSETTLED_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.changed.wait()
                await asyncio.sleep(GATHER_SECONDS)

    @contextlib.contextmanager
    def subscribed(self, subscription: Subscription, tenant: Tenant, position: int) -> Iterator[LogReader]:
        """Gives a stream, for the length of a block, what comes after the reader's present position."""
        reader = self.readers.get(tenant.id)
        if reader is None:
            reader = self.readers[tenant.id] = LogReader(self.database, tenant, position)
        reader.subscriptions.add(subscription)
        self.changed.set()  # there may have been a write since the position was read
        try:
            yield reader
        finally:
            reader.subscriptions.discard(subscription)
            if not reader.subscriptions:
                self.readers.pop(tenant.id, None)

    async def follow(
        self, external: ExternalContext, subscription: Subscription, place: Place
    ) -> AsyncGenerator[bytes, None]:
        """The events after a place: first what is in the log already, then what comes."""
        yield b": after %b\n\n" % place.id.encode()  # from where to resume before the first event
        catch_up = CatchUp(external, subscription, place)
        async for part in catch_up.until(None):
            yield part
        with self.subscribed(subscription, external.principal.tenant, catch_up.place.position) as reader:
            async for part in catch_up.until(reader.position):
                yield part
            last = catch_up.place
            while not subscription.ended:
                while subscription.waiting and not subscription.ended:
                    waiting = subscription.waiting.popleft()
                    if waiting.place.position > last.position:
                        last = waiting.place
                        yield waiting.frame
                if subscription.dropped:
                    yield dropped_frame(last.id)
                    return
                if not subscription.ended and not await subscription.wait():
                    yield COMMENT


class CatchUp:
    """Reads for one stream what it wants of the log's past, a batch at a time. `place` is how far it has come."""

    def __init__(self, external: ExternalContext, subscription: Subscription, place: Place) -> None:
        self.external = external
        self.subscription = subscription
        self.place = place

    async def until(self, end: int | None) -> AsyncGenerator[bytes, None]:
        """What is up to a position, or up to where the log is settled now."""
        more = True
        while more and not self.subscription.ended and (end is None or self.place.position < end):
            rows, events, more = await self.external.read(lambda ctx: self.batch(ctx, end))
            for row, event in zip(rows, events, strict=True):
                self.place = Place(row.position, row.id)
                if row.position not in self.subscription.skipped:
                    yield frame(event)

    async def batch(self, ctx: Context, end: int | None) -> tuple[list[LogRow], list[Event], bool]:
        newest = (await event_log.newest_settled(ctx)).position if end is None else end
        rows = await event_log.rows_in(ctx, Section(self.place.position, newest, BATCH), self.subscription.wanted)
        more = len(rows) == BATCH
        if not more and not rows:
            self.place = Place(max(newest, self.place.position), self.place.id)
        return rows, await event_log.events_of(ctx, rows), more
