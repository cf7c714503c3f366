"""Organizations: the businesses that use this installation."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Timestamp
from deskbell.foundation.ids import Uuid

PaymentStatus = Literal["active", "past_due", "cancelled"]
PlanTier = Literal["starter", "growth", "scale"]
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


_time = {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"}
_opening = {"type": ["object", "null"], "properties": {"start": _time, "end": _time}, "required": ["start", "end"]}

#: The opening hours of each day, as stored: local times `HH:MM`, null when closed.
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


class AgentApproval(msgspec.Struct):
    """Whether a member's change of an agent's model or prompt must be approved."""

    agent_approval: bool


class ClockOffset(msgspec.Struct):
    """How many seconds the organization's clock is ahead of the system's."""

    clock_offset: int
