"""Who calls, by the key in the `Authorization` header. A change of a key takes effect within a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from abc import ABC, abstractmethod
from hashlib import sha256

import msgspec

from deskbell.core.principal import Credential, Principal, Tenant
from deskbell.core.scopes import ROLE_SCOPES, USE, Scopes
from deskbell.core.slice import Service
from deskbell.foundation import clock
from deskbell.foundation.db import Bound, Database, DatabaseFailure, Session
from deskbell.identity.model import ApplicationCredential
from deskbell.identity.store import (
    application_credential,
    credential,
    mark_application_key_used,
    mark_used,
    origin_listed,
    origins_of,
)

log = logging.getLogger(__name__)

USE_INTERVAL = 30.0  # seconds between writes of when keys were last used
CACHE_TTL = 0.5  # seconds that a look-up is trusted: a revocation takes effect within 1 s
MOST_CACHED = 10_000
LONGEST = 100  # bytes of a header that is looked at: a key fills 59, and the cache keeps whole headers
LONGEST_ORIGIN = 300  # characters: a host name has at most 253
_well_formed_application_key = re.compile(rb"brs_live_[A-Za-z0-9]{32}\Z").match
_well_formed = re.compile(rb"brk_[0-9a-f]{48}\Z").match


class Authenticator(Service, ABC):
    """Look-ups are believed for half a second; last use is noted in memory and written now and then."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.cache: dict[bytes, tuple[float, Principal | None]] = {}
        self.used: dict[str, str] = {}

    async def authenticate(self, authorization: bytes) -> Principal | None:
        """Who shows this key, or None for a key that is malformed, unknown, ended or expired."""
        kept = self.cache.get(authorization)
        if kept is None or kept[0] < time.monotonic():
            if len(authorization) > LONGEST:
                return None
            kept = (time.monotonic() + CACHE_TTL, await self.look_up(authorization))
            if len(self.cache) >= MOST_CACHED:
                self.cache.clear()
            if kept[1] is not None:
                self.cache[authorization] = kept
        principal = kept[1]
        return None if principal is None or principal.has_expired() else principal

    async def look_up(self, authorization: bytes) -> Principal | None:
        scheme, _, token = authorization.partition(b" ")
        token = token.strip(b" ")
        if scheme.lower() != b"bearer":
            return None
        found = await self.identify(token)
        if found is not None:
            self.used[found.key_id] = clock.now()
        return found

    @abstractmethod
    async def identify(self, token: bytes) -> Principal | None:
        """Whose key this is; None where it is nobody's or has ended."""

    @abstractmethod
    def marked_used(self, key_id: str, moment: str) -> Bound[None]:
        """The statement that notes a key's last use."""

    async def allows_origin(self, origin: str) -> bool:
        """Whether web pages of this origin may call."""
        return False

    def forget(self) -> None:
        """Another process may have changed a key."""
        self.cache.clear()

    async def run(self) -> None:
        """Writes now and then when keys were last used."""
        while True:
            await asyncio.sleep(USE_INTERVAL)
            try:
                await self.write_use()
            except DatabaseFailure as failure:
                log.warning("last use of keys not written: %s", failure)

    async def close(self) -> None:
        with contextlib.suppress(DatabaseFailure):
            await self.write_use()

    async def write_use(self) -> None:
        """Writes when each key was last used, for those used since the last call."""
        used, self.used = self.used, {}
        if not used:
            return

        async def unit(session: Session) -> None:
            for id, moment in used.items():
                await session.run(self.marked_used(id, moment))

        await self.database.write(unit)


class ApiKeyAuthenticator(Authenticator):
    """The keys of the CRM API. A key made by a person acts within that person's present role, and ends with their membership."""

    async def identify(self, token: bytes) -> Principal | None:
        if _well_formed(token) is None:
            return None
        digest = sha256(token).hexdigest()
        found = await self.database.read(lambda session: session.one(credential(digest)))
        if found is None or not found.active or (found.person_id and found.role is None):
            return None
        scopes = Scopes.of_key(msgspec.json.decode(found.scopes, type=list[str]))
        return Principal(
            "api_key",
            Tenant(found.organization_id, found.country, found.clock_offset),
            found.key_id,
            found.name,
            scopes & ROLE_SCOPES[found.role] if found.role else scopes,
            found.person_id,
            found.role,
            Credential(found.key_id, found.prefix, found.reads_per_minute, found.writes_per_minute, found.expires_at),
        )

    def marked_used(self, key_id: str, moment: str) -> Bound[None]:
        return mark_used(key_id, moment)


class ApplicationAuthenticator(Authenticator):
    """The keys of the agent API. Those of the types in `full_access` may do everything, all others only use agents."""

    def __init__(self, database: Database, requests_per_minute: int, full_access: frozenset[str]) -> None:
        super().__init__(database)
        self.requests_per_minute = requests_per_minute
        self.full_access = full_access

    async def identify(self, token: bytes) -> Principal | None:
        if _well_formed_application_key(token) is None:
            return None
        digest = sha256(token).hexdigest()

        async def looked_up(session: Session) -> tuple[ApplicationCredential, list[str]] | None:
            found = await session.one(application_credential(digest))
            if found is None or found.revoked_at or found.application_revoked_at:
                return None
            return found, await session.all(origins_of(found.organization_id, found.application_id))

        known = await self.database.read(looked_up)
        return self.principal(*known) if known else None

    def principal(self, found: ApplicationCredential, origins: list[str]) -> Principal:
        limit = self.requests_per_minute
        return Principal(
            "application",
            Tenant(found.organization_id, found.country, found.clock_offset),
            found.application_id,
            found.name,
            Scopes.ALL if found.type in self.full_access else Scopes((USE,)),
            credential=Credential(found.key_id, found.shown, limit, limit, origins=frozenset(origins)),
        )

    def marked_used(self, key_id: str, moment: str) -> Bound[None]:
        return mark_application_key_used(key_id, moment)

    async def allows_origin(self, origin: str) -> bool:
        if len(origin) > LONGEST_ORIGIN or "\0" in origin:
            return False
        return await self.database.read(lambda session: session.one(origin_listed(origin))) is not None
