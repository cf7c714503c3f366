"""MCP sessions: rows bound to the key that opened them, so that a restart loses none and any worker serves any."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import msgspec

from deskbell.core.principal import Principal
from deskbell.core.slice import Service
from deskbell.errors import Problem
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import Database, DatabaseFailure, Session, insert
from deskbell.surfaces.mcp import store
from deskbell.surfaces.mcp.session_clock import SessionClock
from deskbell.surfaces.mcp.store import McpSession

log = logging.getLogger(__name__)

TOUCH = 30.0  # seconds between writes of when sessions were last used
SHARED_TOUCH = 1.0  # the same where other workers may look for a key's longest idle session
NEARLY_FULL = 0.8  # of the cap: time for a warning in the log
SETTLE = 0.2  # seconds during which changes of keys are collected
ENDED = "mcp.ended"  # the broadcast that a session has ended
REPLY_SECONDS = 600.0  # that a stored reply waits for its worker


class CachedSession(msgspec.Struct, gc=False):
    """A session as this process remembers it. `until` is a reading of the clock's `monotonic`."""

    session: McpSession
    until: float


class ClientDetails(msgspec.Struct, rename="camel"):
    """What a client says of itself in its handshake."""

    client_info: Any = None
    capabilities: Any = None


class McpSessions(Service):
    """Opens, finds and ends sessions. The cap holds exactly across all processes; uses are written every `touch` seconds.

    In a single process, a session that was read is remembered until the table changes. With several, every request reads its
    row, so that a session ended by one worker has ended for all at once.
    """

    def __init__(
        self, database: Database, *, most: int, most_per_key: int, idle: float, clock: SessionClock | None = None
    ) -> None:
        """`idle` is in seconds. `most_per_key` is 0 for no such cap."""
        self.database = database
        self.most = most
        self.most_per_key = most_per_key
        self.idle = idle
        self.clock = clock or SessionClock()
        self.touch = min(SHARED_TOUCH if most_per_key and not database.single_process else TOUCH, idle / 4)
        self.cache: dict[str, CachedSession] = {}
        self.used: set[str] = set()
        self.streaming: set[str] = set()
        self.end_listeners: list[Callable[[], None]] = []
        self.keys_changed = asyncio.Event()
        database.on_change("mcp_sessions", self.changed)
        database.on_change("api_keys", self.keys_changed.set)

    def changed(self) -> None:
        self.cache.clear()
        for listener in self.end_listeners:
            listener()

    def on_end(self, listener: Callable[[], None]) -> None:
        """Calls back whenever a session may have ended."""
        self.end_listeners.append(listener)

    async def open(self, principal: Principal, version: str, client: bytes) -> str:
        """A new session's id. Raises `too_many_sessions` at the cap."""
        id = secrets.token_urlsafe(32)
        row = {
            "organization_id": principal.organization_id,
            "id_hash": hash_id(id),
            "key_id": principal.key_id,
            "version": version,
            "client": client.decode(),
        }

        async def add(transaction: Session) -> bool:
            await transaction.lock("mcp_sessions")
            evicted = await self.make_room(transaction, principal)
            now = self.clock.seconds_from_now(0)
            await transaction.run(insert(store.sessions, {**row, "created_at": now, "seen_at": now}))
            return evicted

        if self.most_per_key:
            await self.write_use()  # so that the longest idle session is known
        if await self.database.write(add):
            await self.broadcast_end()
        return id

    async def make_room(self, transaction: Session, principal: Principal) -> bool:
        """Refuses one session too many, or ends the key's longest idle one; returns whether it has ended one."""
        await transaction.run(store.end_idle(self.oldest()))
        evicted = await self.end_longest_idle(transaction, principal.key_id) if self.most_per_key else False
        opened = await transaction.one(store.open_sessions()) or 0
        if opened >= self.most:
            raise Problem("too_many_sessions", f"{self.most:,} MCP sessions are open already")
        if opened + 1 == int(self.most * NEARLY_FULL):
            log.warning("%d of at most %d MCP sessions are open", opened + 1, self.most)
        return evicted

    async def end_longest_idle(self, transaction: Session, key_id: str) -> bool:
        """Ends a key's longest idle session if it has as many as it may; one with an open stream is not idle."""
        if (await transaction.one(store.open_sessions_of_key(key_id)) or 0) < self.most_per_key:
            return False
        longest_idle = await transaction.one(store.longest_idle(key_id, self.clock.seconds_from_now(-3 * self.touch)))
        if longest_idle is None:
            raise Problem("too_many_sessions", f"This API key has {self.most_per_key:,} MCP sessions, all in use")
        await transaction.run(store.end(longest_idle.id_hash))
        return True

    def oldest(self) -> Instant:
        """The last use of a session that may be deleted. Allows for uses that a worker has yet to write."""
        return self.clock.seconds_from_now(-self.idle - self.touch)

    async def find(self, id: str) -> McpSession | None:
        """An open session by its id, which counts as a use of it."""
        cached = self.cache.get(id)
        now = self.clock.monotonic()
        if cached is not None and now < cached.until:
            cached.until = now + self.idle
            self.used.add(cached.session.id_hash)
            return cached.session
        found = await self.read(hash_id(id))
        if found is None:
            return None
        if self.database.single_process:
            self.cache[id] = CachedSession(found, now + self.idle)
        self.used.add(found.id_hash)
        return found

    async def read(self, id_hash: str) -> McpSession | None:
        found = await self.database.read(lambda transaction: transaction.one(store.session_row(id_hash)))
        if found is None or id_hash in self.used:
            return found
        oldest = self.clock.seconds_from_now(-self.idle) if self.database.single_process else self.oldest()
        return None if found.seen_at < oldest else found

    async def still_open(self, id_hashes: set[str]) -> set[str]:
        """Those of these sessions that have not ended, by the hash of their id."""
        return id_hashes & set(await self.database.read(lambda transaction: transaction.all(store.open_ids())))

    async def client(self, session: McpSession) -> ClientDetails:
        """What the session's client said of itself."""
        query = store.client_details(session.organization_id, session.id_hash)
        found = await self.database.read(lambda transaction: transaction.one(query))
        return msgspec.json.decode(found or "{}", type=ClientDetails)

    async def end(self, session: McpSession) -> bool:
        """Ends a session; returns whether it was open."""
        ended = await self.database.write(lambda transaction: transaction.run(store.end(session.id_hash)))
        await self.broadcast_end()
        return bool(ended)

    async def broadcast_end(self) -> None:
        """Tells the other workers that a session has ended. In this one, the changed table has done so."""
        if not self.database.single_process:
            await self.database.broadcast(ENDED)

    async def mark_streaming(self, session: McpSession, *, streaming: bool) -> None:
        """Writes whether a session has an open stream, which keeps it from being the longest idle one."""
        self.streaming.discard(session.id_hash)
        statement = (
            store.mark_streaming(session.id_hash, self.clock.seconds_from_now(0))
            if streaming
            else store.mark_not_streaming(session.id_hash)
        )
        await self.database.write(lambda transaction: transaction.run(statement))

    async def run(self) -> None:
        """Writes uses, and ends sessions that are idle or have lost their key, for as long as the process runs."""
        while True:
            await self.clock.wait(self.keys_changed, self.touch)
            if self.keys_changed.is_set():
                await asyncio.sleep(SETTLE)
                self.keys_changed.clear()
            await self.log_failure(self.write_use)  # keys may change more often than every `touch` seconds
            await self.log_failure(self.sweep)

    async def log_failure(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does something that is tried again later. A database that is away ends no stream, and spoils no answer."""
        try:
            await work()
        except DatabaseFailure as failure:
            log.warning("MCP sessions: %s", failure)

    async def close(self) -> None:
        with contextlib.suppress(DatabaseFailure):
            await self.write_use()

    async def write_use(self) -> None:
        """Writes which sessions were used since the last call, and which of them have an open stream."""
        if not self.used:
            return
        used, self.used = self.used, set()
        streaming, self.streaming = self.streaming, set()
        now = self.clock.seconds_from_now(0)

        async def write(transaction: Session) -> None:
            for id_hash in sorted(used):
                await transaction.run(store.touch(id_hash, now))
                if id_hash in streaming:
                    await transaction.run(store.mark_streaming(id_hash, now))

        try:
            await self.database.write(write)
        except DatabaseFailure:
            self.used |= used
            self.streaming |= streaming
            raise

    async def sweep(self) -> None:
        """Ends the sessions that are idle, and those whose key is revoked or has expired."""

        async def end(transaction: Session) -> int:
            idle = await transaction.run(store.end_idle(self.oldest()))
            without_key = await transaction.run(store.end_without_key(self.clock.seconds_from_now(0)))
            await transaction.run(store.delete_replies(self.clock.seconds_from_now(-REPLY_SECONDS)))
            return idle + without_key

        if await self.database.write(end):
            await self.broadcast_end()


def hash_id(id: str) -> str:
    """What is stored of a session's id: reading the table lets nobody into a session."""
    return sha256(id.encode()).hexdigest()
