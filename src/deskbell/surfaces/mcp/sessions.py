"""MCP sessions: rows bound to the key that opened them, so that a restart loses none and any worker serves any."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import msgspec

from deskbell.core.operation import Principal
from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.db import Database, DatabaseFailure, insert
from deskbell.foundation.db import Session as Transaction
from deskbell.surfaces.mcp import store
from deskbell.surfaces.mcp.store import Session

log = logging.getLogger(__name__)

TOUCH = 30.0  # seconds, at most, between notes in the database of when sessions were used
NEAR = 1.0  # the same where other workers look for the longest idle session of a key
FULL = 0.8  # of the cap, which is worth a word in the log
SETTLED = 0.2  # seconds that changes of keys are gathered
ENDED = "mcp.ended"  # what the workers tell each other
REPLIES = 600.0  # seconds that a reply waits for its worker


class Known(msgspec.Struct, gc=False):
    """A session as this process knows it. `until` is in seconds of time.monotonic()."""

    session: Session
    until: float


class Client(msgspec.Struct, rename="camel"):
    """What a client told of itself in its handshake."""

    client_info: Any = None
    capabilities: Any = None


class Sessions:
    """Opens, finds and ends sessions. The cap holds exactly across all processes; idle time is noted every `touch` seconds.

    Where no other process serves the same data, what was read is believed until the table changes; elsewhere every request
    reads its row, so that a session ended by one worker is dead for all at once.
    """

    def __init__(self, database: Database, *, most: int, most_per_key: int, idle: float) -> None:
        self.database = database
        self.most = most
        self.most_per_key = most_per_key
        self.idle = idle
        self.touch = min(NEAR if most_per_key and not database.single_process else TOUCH, idle / 4)
        self.known: dict[str, Known] = {}
        self.used: set[str] = set()
        self.streaming: set[str] = set()
        self.ended: list[Callable[[], None]] = []
        self.keys_changed = asyncio.Event()
        database.on_change("mcp_sessions", self.changed)
        database.on_change("api_keys", self.keys_changed.set)

    def changed(self) -> None:
        self.known.clear()
        for told in self.ended:
            told()

    def follow(self, told: Callable[[], None]) -> None:
        """Calls back whenever a session may have ended."""
        self.ended.append(told)

    async def open(self, caller: Principal, version: str, client: bytes) -> str:
        """A new session's id. Refused when as many are open as may be."""
        id = secrets.token_urlsafe(32)
        row = {
            "organization_id": caller.organization_id,
            "id_hash": hashed(id),
            "key_id": caller.key_id,
            "version": version,
            "client": client.decode(),
        }

        async def unit(session: Transaction) -> bool:
            await session.lock("mcp_sessions")
            evicted = await self.make_room(session, caller)
            moment = clock.now()
            await session.run(insert(store.sessions, {**row, "created_at": moment, "seen_at": moment}))
            return evicted

        if self.most_per_key:
            await self.note_use()  # so that the longest idle is known
        if await self.database.write(unit):
            await self.tell()
        return id

    async def make_room(self, session: Transaction, caller: Principal) -> bool:
        """Sees that one more session may be opened; answers whether one was ended for it."""
        await session.run(store.end_idle(self.oldest()))
        evicted = False
        if self.most_per_key and (await session.one(store.open_sessions_of(caller.key_id)) or 0) >= self.most_per_key:
            streaming = clock.seconds_from_now(-3 * self.touch)
            idlest = await session.one(store.longest_idle(caller.key_id, streaming))
            if idlest is None:
                raise Problem("too_many_sessions", f"This API key has {self.most_per_key:,} MCP sessions, all in use")
            await session.run(store.end(idlest.id_hash))
            evicted = True
        opened = await session.one(store.open_sessions()) or 0
        if opened >= self.most:
            raise Problem("too_many_sessions", f"{self.most:,} MCP sessions are open already")
        if opened + 1 == int(self.most * FULL):
            log.warning("%d of at most %d MCP sessions are open", opened + 1, self.most)
        return evicted

    def oldest(self) -> str:
        """When a session was used last that may be deleted; what some worker has yet to note is allowed for."""
        return clock.seconds_from_now(-self.idle - self.touch)

    async def find(self, id: str) -> Session | None:
        """An open session by its id, which counts as a use of it."""
        known = self.known.get(id)
        now = time.monotonic()
        if known is not None and now < known.until:
            known.until = now + self.idle
            self.used.add(known.session.id_hash)
            return known.session
        found = await self.look_up(hashed(id))
        if found is None:
            return None
        if self.database.single_process:
            self.known[id] = Known(found, now + self.idle)
        self.used.add(found.id_hash)
        return found

    async def look_up(self, id_hash: str) -> Session | None:
        found = await self.database.read(lambda session: session.one(store.session_row(id_hash)))
        if found is None or id_hash in self.used:
            return found
        oldest = clock.seconds_from_now(-self.idle) if self.database.single_process else self.oldest()
        return None if found.seen_at < oldest else found

    async def alive(self, those: set[str]) -> set[str]:
        """Which of some sessions are still open, by the hash of their id."""
        return those & set(await self.database.read(lambda session: session.all(store.open_ids())))

    async def client(self, session: Session) -> Client:
        """What the session's client told of itself."""
        place = (session.organization_id, session.id_hash)
        found = await self.database.read(lambda transaction: transaction.one(store.client_of(*place)))
        return msgspec.json.decode(found or "{}", type=Client)

    async def end(self, session: Session) -> bool:
        """Ends a session; answers whether it was open."""
        ended = await self.database.write(lambda transaction: transaction.run(store.end(session.id_hash)))
        await self.tell()
        return bool(ended)

    async def tell(self) -> None:
        """Lets the other workers know that a session has ended; here the database has told already."""
        if not self.database.single_process:
            await self.database.broadcast(ENDED)

    async def note_stream(self, session: Session, *, open: bool) -> None:
        """Notes whether a session has an open stream, for whoever looks for one to end."""
        self.streaming.discard(session.id_hash)
        statement = store.note_stream(session.id_hash, clock.now()) if open else store.note_no_stream(session.id_hash)
        await self.database.write(lambda transaction: transaction.run(statement))

    async def keep(self) -> None:
        """Notes uses, and ends what is idle or has lost its key, for as long as the process runs."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.touch):
                    await self.keys_changed.wait()
                    await asyncio.sleep(SETTLED)
            self.keys_changed.clear()
            await self.quietly(self.note_use)  # keys may change more often than every `touch` seconds
            await self.quietly(self.sweep)

    async def quietly(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except DatabaseFailure as failure:
            log.warning("MCP sessions: %s", failure)

    async def note_use(self) -> None:
        """Writes down which sessions were used since the last call, and which of them have an open stream."""
        if not self.used:
            return
        used, self.used = self.used, set()
        streaming, self.streaming = self.streaming, set()
        moment = clock.now()

        async def unit(session: Transaction) -> None:
            for id_hash in sorted(used):
                await session.run(store.touch(id_hash, moment))
                if id_hash in streaming:
                    await session.run(store.note_stream(id_hash, moment))

        try:
            await self.database.write(unit)
        except DatabaseFailure:
            self.used |= used
            self.streaming |= streaming
            raise

    async def sweep(self) -> None:
        """Ends the sessions that are idle, and those whose key is revoked or expired."""

        async def unit(session: Transaction) -> int:
            idle = await session.run(store.end_idle(self.oldest()))
            orphaned = await session.run(store.end_those_without_key(clock.now()))
            await session.run(store.forget_replies(clock.seconds_from_now(-REPLIES)))
            return idle + orphaned

        if await self.database.write(unit):
            await self.tell()


def hashed(id: str) -> str:
    """What is stored of a session's id: whoever reads the table gets into no session."""
    return sha256(id.encode()).hexdigest()
