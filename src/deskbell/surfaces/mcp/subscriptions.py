"""Standing streams: those of sessions (GET) and of the modern era's subscriptions. They end with their session and their key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from deskbell.core.operation import Principal
from deskbell.foundation.db import Database
from deskbell.surfaces.http.dispatcher import Authenticator
from deskbell.surfaces.mcp.broadcasts import Change, Events
from deskbell.surfaces.mcp.sessions import ENDED, Sessions
from deskbell.surfaces.mcp.store import Session
from deskbell.surfaces.mcp.streams import Outbox

MOST = 100  # of one key; one more ends its oldest
TICK = 1.0  # seconds between looks at the clock
SETTLED = 0.1  # seconds that news are gathered


class Standing(NamedTuple):
    """An open stream: whose it is, by which header they came, and how it is ended. The modern era has no session."""

    session: Session | None
    caller: Principal
    authorization: bytes
    end: Callable[[], Any]


class StandingStreams:
    """The open streams of this process."""

    def __init__(self, database: Database, authenticator: Authenticator, sessions: Sessions, events: Events) -> None:
        self.authenticator = authenticator
        self.sessions = sessions
        self.open: dict[Outbox, Standing] = {}
        self.news = asyncio.Event()
        events.listen(self.spread)
        sessions.follow(self.news.set)
        database.on_change("api_keys", self.news.set)
        database.on_broadcast(self.heard)

    def heard(self, news: str) -> None:
        if news == ENDED:
            self.news.set()

    def spread(self, change: Change) -> None:
        """A list has changed: every session's stream says so. Subscriptions hear of it by the kernel."""
        if change.uri is None:
            for outbox, standing in self.open.items():
                if standing.session is not None:
                    outbox.put(change.frame())

    async def hold(self, outbox: Outbox, standing: Standing, pour: Awaitable[None]) -> None:
        """Counts a stream among the open ones while it is poured."""
        own = [each for each in self.open.values() if each.caller.key_id == standing.caller.key_id]
        for each in own[: max(0, len(own) - MOST + 1)]:  # those told to end before may still be among them
            each.end()
        self.open[outbox] = standing
        session = standing.session
        try:
            if session is not None:
                await self.note(session, open=True)
            await pour
        finally:
            del self.open[outbox]
            if session is not None and not any(each.session == session for each in self.open.values()):
                await self.note(session, open=False)

    async def note(self, session: Session, *, open: bool) -> None:
        """A database that is away ends no stream, and spoils no answer that was given."""
        await self.sessions.quietly(lambda: self.sessions.note_stream(session, open=open))

    async def keep(self) -> None:
        """Ends streams whose session or key has ended, for as long as the process runs; an open stream counts as use."""
        looked = 0.0
        while True:
            try:
                async with asyncio.timeout(min(TICK, self.sessions.touch)):
                    await self.news.wait()
                    await asyncio.sleep(SETTLED)
            except TimeoutError:
                pass
            late = time.monotonic() > looked + self.sessions.touch  # an announcement may have been lost
            if self.open and (self.news.is_set() or late):
                self.news.clear()
                looked = time.monotonic()
                await self.sessions.quietly(self.look_after)
            for standing in list(self.open.values()):
                if standing.caller.has_expired():
                    standing.end()
                elif standing.session is not None:
                    self.sessions.used.add(standing.session.id_hash)
                    self.sessions.streaming.add(standing.session.id_hash)

    async def look_after(self) -> None:
        """Ends what has lost its session or its key."""
        held = {each.session.id_hash for each in self.open.values() if each.session is not None}
        alive = await self.sessions.alive(held)
        for standing in list(self.open.values()):
            orphaned = standing.session is not None and standing.session.id_hash not in alive
            if orphaned or await self.authenticator.caller(standing.authorization) is None:
                standing.end()
