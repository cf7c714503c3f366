"""People, API keys, and applications with their keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from deskbell.core.scopes import Role
from deskbell.foundation.clock import Timestamp
from deskbell.foundation.ids import Uuid
from deskbell.foundation.json import Strings

ApplicationType = Literal["agent-consumer", "web-integration", "backend-service"]
READS_PER_MINUTE = 60
WRITES_PER_MINUTE = 30


class Person(msgspec.Struct):
    """A member of the business's team."""

    id: Uuid
    name: str
    email: str
    role: Role
    created_at: Timestamp


class ApiKey(msgspec.Struct):
    """An API key as it may be shown: never the key itself, of which only a SHA-256 is stored. Empty `scopes` is full access."""

    id: Uuid
    organization_id: Uuid
    name: str
    prefix: str
    scopes: Strings
    person_id: Uuid | None
    active: bool
    expires_at: Timestamp | None
    reads_per_minute: int
    writes_per_minute: int
    last_used_at: Timestamp | None
    created_at: Timestamp


class KeyRevocation(msgspec.Struct):
    """What ends a key: that it was revoked, or a moment."""

    id: str
    active: bool
    expires_at: str | None


class Application(msgspec.Struct):
    """A program that uses the agent API, with keys of its own. `origins` are the web pages that may call with them."""

    id: Uuid
    organization_id: Uuid
    name: str
    type: ApplicationType
    revoked_at: Timestamp | None
    created_at: Timestamp


class ApplicationKey(msgspec.Struct):
    """A key of an application as it may be shown: how it begins and ends."""

    id: Uuid
    organization_id: Uuid
    application_id: Uuid
    name: str
    shown: Annotated[str, Meta(examples=["brs_live_...x7Qa"])]
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp


class ApplicationKeyRevocation(msgspec.Struct):
    """An application or a key of one that was revoked."""

    id: str
    revoked_at: str


class ApplicationCredential(msgspec.Struct):
    """What authentication reads of an application's key."""

    organization_id: str
    key_id: str
    application_id: str
    name: str
    type: ApplicationType
    shown: str
    revoked_at: str | None
    application_revoked_at: str | None
    country: str
    clock_offset: int


class ApiKeyCredential(msgspec.Struct):
    """What authentication reads of a key, of its organization, and of the person who made it: `role` is null once they were removed."""

    organization_id: str
    key_id: str
    name: str
    prefix: str
    scopes: Strings
    person_id: str | None
    active: bool
    expires_at: str | None
    reads_per_minute: int
    writes_per_minute: int
    country: str
    clock_offset: int
    role: Role | None
