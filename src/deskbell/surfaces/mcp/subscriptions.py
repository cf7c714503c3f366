"""Streams that stay open: those of sessions (GET), and subscriptions of the stateless revision. They end with their session and key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from deskbell.core.principal import Principal
from deskbell.foundation.db import Database
from deskbell.identity.authentication import Authenticator
from deskbell.surfaces.mcp.broadcasts import Broadcasts, ChangeNotification
from deskbell.surfaces.mcp.sessions import ENDED, McpSessions
from deskbell.surfaces.mcp.store import McpSession
from deskbell.surfaces.mcp.streams import Outbox

MAX_PER_KEY = 100  # one more ends the key's oldest
TICK = 1.0  # seconds between checks
SETTLE = 0.1  # seconds during which changes are collected


class OpenStream(NamedTuple):
    """A stream: its session (none in the stateless revision), its principal and their header, and how it is ended."""

    session: McpSession | None
    principal: Principal
    authorization: bytes
    end: Callable[[], Any]


class OpenStreams:
    """The open streams of this process."""

    def __init__(
        self, database: Database, authenticator: Authenticator, sessions: McpSessions, broadcasts: Broadcasts
    ) -> None:
        self.authenticator = authenticator
        self.sessions = sessions
        self.by_outbox: dict[Outbox, OpenStream] = {}
        self.changed = asyncio.Event()
        broadcasts.subscribe(self.forward)
        sessions.on_end(self.changed.set)
        database.on_change("api_keys", self.changed.set)
        database.on_broadcast(self.receive)

    def receive(self, text: str) -> None:
        if text == ENDED:
            self.changed.set()

    def forward(self, change: ChangeNotification) -> None:
        """Sends a changed list to every session's stream. Subscriptions are notified by the SDK."""
        if change.uri is None:
            for outbox, stream in self.by_outbox.items():
                if stream.session is not None:
                    outbox.put(change.encode())

    async def serve(self, outbox: Outbox, stream: OpenStream, sending: Awaitable[None]) -> None:
        """Counts a stream as open for as long as its events are sent."""
        of_key = [each for each in self.by_outbox.values() if each.principal.key_id == stream.principal.key_id]
        for each in of_key[: max(0, len(of_key) - MAX_PER_KEY + 1)]:  # some may be ending already
            each.end()
        self.by_outbox[outbox] = stream
        self.changed.set()  # its key may have ended since it was authenticated
        session = stream.session
        try:
            if session is not None:
                await self.mark_streaming(session, streaming=True)
            await sending
        finally:
            del self.by_outbox[outbox]
            if session is not None and not any(each.session == session for each in self.by_outbox.values()):
                await self.mark_streaming(session, streaming=False)

    async def mark_streaming(self, session: McpSession, *, streaming: bool) -> None:
        await self.sessions.log_failure(lambda: self.sessions.mark_streaming(session, streaming=streaming))

    async def run(self) -> None:
        """Ends streams whose session or key has ended, for as long as the process runs. An open stream counts as use."""
        checked = 0.0
        clock = self.sessions.clock
        while True:
            touch = self.sessions.touch  # a new stream sets `changed`, so nothing is missed where none is open
            await clock.wait(self.changed, min(TICK, touch) if self.by_outbox else touch)
            changed = self.changed.is_set()
            if changed:
                await asyncio.sleep(SETTLE)
                self.changed.clear()
            overdue = clock.monotonic() > checked + self.sessions.touch  # a broadcast may have been lost
            if self.by_outbox and (changed or overdue):
                checked = clock.monotonic()
                await self.sessions.log_failure(self.end_orphans)
            for stream in list(self.by_outbox.values()):
                if stream.principal.has_expired():
                    stream.end()
                elif stream.session is not None:
                    self.sessions.used.add(stream.session.id_hash)
                    self.sessions.streaming.add(stream.session.id_hash)

    async def end_orphans(self) -> None:
        """Ends the streams that have lost their session or their key."""
        id_hashes = {each.session.id_hash for each in self.by_outbox.values() if each.session is not None}
        still_open = await self.sessions.still_open(id_hashes)
        for stream in list(self.by_outbox.values()):
            orphaned = stream.session is not None and stream.session.id_hash not in still_open
            if orphaned or await self.authenticator.authenticate(stream.authorization) is None:
                stream.end()
