"""Who calls the agent API: keys of applications, `brs_live_` and 32 random letters and digits."""

from __future__ import annotations

import re
from hashlib import sha256

from deskbell.core.operation import Principal
from deskbell.foundation.db import Bound, Database, Session
from deskbell.foundation.ids import random_text
from deskbell.identity.api_keys import Authenticator
from deskbell.organizations.model import USE, ApplicationCredential
from deskbell.organizations.store import application_credential, mark_application_key_used, origin_listed, origins_of

PREFIX = "brs_live_"
LONGEST_ORIGIN = 300  # characters: a host name has at most 253
_well_formed = re.compile(rb"brs_live_[A-Za-z0-9]{32}\Z").match


def new_key() -> str:
    """A fresh key with 190 random bits."""
    return PREFIX + random_text(32)


def shown(key: str) -> str:
    """A key as tables and logs may show it."""
    return f"{PREFIX}...{key[-4:]}"


class ApplicationKeys(Authenticator):
    """The keys of the agent API. Those of the types in `full_access` may do everything, all others only use agents."""

    def __init__(self, database: Database, requests_per_minute: int, full_access: frozenset[str]) -> None:
        super().__init__(database)
        self.requests_per_minute = requests_per_minute
        self.full_access = full_access

    async def identify(self, token: bytes) -> Principal | None:
        if _well_formed(token) is None:
            return None
        digest = sha256(token).hexdigest()

        async def looked_up(session: Session) -> tuple[ApplicationCredential, list[str]] | None:
            found = await session.one(application_credential(digest))
            if found is None or found.revoked_at or found.application_revoked_at:
                return None
            return found, await session.all(origins_of(found.organization_id, found.application_id))

        known = await self.database.read(looked_up)
        return self.caller_of(*known) if known else None

    def caller_of(self, found: ApplicationCredential, origins: list[str]) -> Principal:
        return Principal(
            organization_id=found.organization_id,
            key_id=found.key_id,
            key_prefix=found.shown,
            scopes=frozenset() if found.type in self.full_access else frozenset({USE}),
            person_id=None,
            country=found.country,
            reads_per_minute=self.requests_per_minute,
            writes_per_minute=self.requests_per_minute,
            origins=frozenset(origins),
        )

    def marked_used(self, key_id: str, moment: str) -> Bound[None]:
        return mark_application_key_used(key_id, moment)

    async def allows_origin(self, origin: str) -> bool:
        if len(origin) > LONGEST_ORIGIN or "\0" in origin:
            return False
        return await self.database.read(lambda session: session.one(origin_listed(origin))) is not None
