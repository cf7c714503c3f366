"""People, API keys, and applications with their keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.core.scopes import SCOPES, Role
from deskbell.foundation.clock import Instant, Timestamp
from deskbell.foundation.ids import Id, Uuid
from deskbell.foundation.json import Object, Strings
from deskbell.foundation.pagination import Paging

ApplicationType = Literal["agent-consumer", "web-integration", "backend-service"]
READS_PER_MINUTE = 60
WRITES_PER_MINUTE = 30


PersonName = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Rosa Benavides"])]
KeyName = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Website"])]
Phone = Annotated[
    str,
    Meta(
        max_length=64,
        extra_json_schema={"format": "phone"},
        description="A phone number, read as one of the organization's country unless it begins with `+`; stored in E.164",
        examples=["+15125550123"],
    ),
]
Notify = Annotated[
    dict[str, bool],
    Meta(
        max_length=50,
        extra_json_schema={"propertyNames": {"minLength": 1, "maxLength": 100}},
        description="What to notify the person of, each on or off, under names of your own; replaces the whole object",
        examples=[{"needs_human": True}],
    ),
]


class ScopeName(str):
    """A scope that a client named."""

    __slots__ = ()
    schema = {"type": "string", "pattern": f"^({'|'.join(SCOPES)})$", "examples": ["leads:read"]}
    expected = f"must be one of {', '.join(SCOPES)}"

    @classmethod
    def parse(cls, text: str) -> ScopeName:
        if text not in SCOPES:
            raise ValueError(cls.expected)
        return cls(text)


KeyScopes = Annotated[
    list[ScopeName],
    Meta(
        max_length=100,
        description="What the key may do, at most what yours may; an empty list is everything",
        examples=[["leads:read", "leads:write"]],
    ),
]


class Person(msgspec.Struct):
    """A member of the business's team. `phone` is in E.164; `notify` says what the person wants to be notified of."""

    id: Uuid
    name: str
    email: str
    role: Role
    phone: str | None
    notify: Object
    created_at: Timestamp


class PersonChanges(msgspec.Struct, kw_only=True):
    """A partial update: absent fields stay, null clears a nullable one. Only the owner changes roles."""

    name: PersonName | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    phone: Phone | UnsetType | None = UNSET
    notify: Notify | UnsetType = UNSET


class PersonFilter(Paging, kw_only=True):
    """Which page of the team to list."""


class ApiKey(msgspec.Struct):
    """An API key as it may be shown: never the key itself, of which only a SHA-256 is stored. Empty `scopes` is full access.

    A key with a `person_id` acts within that person's present role, and ends when they leave the team.
    """

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


class CreatedApiKey(ApiKey):
    """A new API key. `key` is the key itself, which is shown this once: a repeated request with the same `Idempotency-Key` has null."""

    key: Annotated[str, Meta(examples=["brk_4f1c0d2e9b8a7f6e5d4c3b2a1908f7e6d5c4b3a2918f7e6d"])] | None


class NewApiKey(msgspec.Struct, kw_only=True):
    """What an API key is made from. Without `person_id` it belongs to the person whose key makes it, if there is one."""

    name: KeyName
    scopes: KeyScopes
    expires_at: Instant | None = None
    person_id: Id | None = None


class ApiKeyFilter(Paging, kw_only=True):
    """Which API keys to list."""

    person_id: Annotated[Id, Meta(description="Keys of this person")] | UnsetType = UNSET


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


class ApplicationDetails(Application):
    """An application with the origins that may call and its keys that work, as they may be shown: what events record."""

    origins: list[str]
    keys: list[str]


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
