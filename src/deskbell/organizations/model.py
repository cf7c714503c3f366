"""Organizations, their people and their API keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Timestamp

PaymentStatus = Literal["active", "past_due", "cancelled"]
PlanTier = Literal["starter", "growth", "scale"]
Role = Literal["owner", "admin", "member", "viewer"]
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: Every scope that a key can hold and what it grants (contract 1.2). Write does not imply read.
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

READS_PER_MINUTE = 60
WRITES_PER_MINUTE = 30


class Organization(msgspec.Struct):
    """A business: its identity, opening hours and AI persona. `business_hours` has a key per day, null when closed."""

    id: str
    name: str
    logo_url: str | None
    primary_phone: str | None
    primary_email: str | None
    address: str | None
    business_hours: msgspec.Raw
    payment_status: PaymentStatus
    plan_tier: PlanTier
    ai_name: str
    ai_tone: str
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

    id: str
    name: str
    email: str
    role: Role
    created_at: Timestamp


class ApiKey(msgspec.Struct):
    """An API key as it may be shown: never the key itself, of which only a SHA-256 is stored. Empty `scopes` is full access."""

    id: str
    organization_id: str
    name: str
    prefix: str
    scopes: msgspec.Raw
    person_id: str | None
    active: bool
    expires_at: Timestamp | None
    reads_per_minute: int
    writes_per_minute: int
    last_used_at: Timestamp | None
    created_at: Timestamp


class Credential(msgspec.Struct):
    """What authentication reads of a key and its organization."""

    organization_id: str
    key_id: str
    prefix: str
    scopes: msgspec.Raw
    person_id: str | None
    active: bool
    expires_at: str | None
    reads_per_minute: int
    writes_per_minute: int
    country: str
