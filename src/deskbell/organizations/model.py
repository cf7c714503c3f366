"""Organizations, their people and their API keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Timestamp
from deskbell.foundation.ids import Uuid
from deskbell.foundation.json import Strings

PaymentStatus = Literal["active", "past_due", "cancelled"]
PlanTier = Literal["starter", "growth", "scale"]
Role = Literal["owner", "admin", "member", "viewer"]
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: Every scope that a key can hold and what it grants. Write does not imply read.
SCOPES = {
    "leads:read": "list and get leads",
    "leads:write": "create, update and archive leads",
    "appointments:read": "list and get appointments",
    "appointments:write": "create, update and cancel appointments",
    "tasks:read": "list and get tasks",
    "tasks:write": "create, update and cancel tasks",
    "conversations:read": "read threads and messages",
    "messages:write": "send texts, compliance-checked",
    "org:read": "read the organization's configuration",
}

ApplicationType = Literal["agent-consumer", "web-integration", "backend-service"]

#: What an operation of the agent API asks of a key: to use agents, which every key may, or to manage them.
USE, MANAGE = "agents:use", "agents:manage"

READS_PER_MINUTE = 60
WRITES_PER_MINUTE = 30


_time = {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"}
_opening = {"type": ["object", "null"], "properties": {"start": _time, "end": _time}, "required": ["start", "end"]}

#: When each day's business begins and ends, as stored: local times `HH:MM`, null when closed.
Hours = Annotated[
    msgspec.Raw,
    Meta(
        extra_json_schema={"type": "object", "properties": dict.fromkeys(DAYS, _opening), "required": [*DAYS]},
        examples=[{day: {"start": "08:00", "end": "17:00"} for day in DAYS[:5]} | dict.fromkeys(DAYS[5:])],
    ),
]


class Organization(msgspec.Struct):
    """A business: its identity, opening hours and AI persona. `business_hours` has a key per day, null when closed."""

    id: Uuid
    name: Annotated[str, Meta(examples=["Acme Roofing"])]
    logo_url: str | None
    primary_phone: str | None
    primary_email: str | None
    address: str | None
    business_hours: Hours
    payment_status: PaymentStatus
    plan_tier: PlanTier
    ai_name: Annotated[str, Meta(examples=["Sarah"])]
    ai_tone: Annotated[str, Meta(examples=["friendly_professional"])]
    timezone: Annotated[str, Meta(description="IANA name", examples=["America/Chicago"])]
    created_at: Timestamp
    updated_at: Timestamp


class OrganizationChanges(msgspec.Struct, kw_only=True):
    """What `deskbell org update` can change; absent fields stay."""

    primary_phone: str | UnsetType | None = UNSET
    primary_email: str | UnsetType | None = UNSET
    address: str | UnsetType | None = UNSET
    business_hours: str | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    ai_name: str | UnsetType = UNSET
    ai_tone: str | UnsetType = UNSET
    logo_url: str | UnsetType | None = UNSET


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
    type: ApplicationType
    shown: str
    revoked_at: str | None
    application_revoked_at: str | None
    country: str


class Credential(msgspec.Struct):
    """What authentication reads of a key and its organization."""

    organization_id: str
    key_id: str
    prefix: str
    scopes: Strings
    person_id: str | None
    active: bool
    expires_at: str | None
    reads_per_minute: int
    writes_per_minute: int
    country: str
