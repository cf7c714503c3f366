"""Appointments: a lead, a time, a place."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Instant, Timestamp
from deskbell.foundation.ids import Id, Uuid
from deskbell.foundation.pagination import Paging, SortDir

Status = Literal["scheduled", "confirmed", "completed", "cancelled", "no_show"]
BookedBy = Literal["api", "mcp", "agent", "user"]
SortBy = Literal["start_time", "created_at"]

End = Annotated[Instant, Meta(description="Must be after `start_time`", examples=["2026-05-10T15:30:00Z"])]
Type = Annotated[str, Meta(max_length=100, examples=["Estimate"])]
Location = Annotated[str, Meta(max_length=500)]
Notes = Annotated[str, Meta(max_length=5000)]
Outcome = Annotated[str, Meta(max_length=100)]


class Appointment(msgspec.Struct):
    """An appointment. Cancelling keeps it, with status `cancelled`; `booked_by` says how it was booked."""

    id: Uuid
    organization_id: Uuid
    lead_id: Uuid
    start_time: Timestamp
    end_time: Timestamp
    status: Status
    type: str | None
    location: str | None
    notes: str | None
    booked_by: BookedBy
    outcome: str | None
    outcome_notes: str | None
    created_at: Timestamp
    updated_at: Timestamp


class AppointmentTimes(msgspec.Struct):
    """The times of an appointment as stored, with microseconds."""

    start_time: str
    end_time: str


class NewAppointment(msgspec.Struct, kw_only=True):
    """The fields of a new appointment. It may overlap another, and may be in the past."""

    lead_id: Id
    start_time: Instant
    end_time: End
    type: Type | None = None
    location: Location | None = None
    notes: Notes | None = None
    status: Status = "scheduled"


class AppointmentChanges(msgspec.Struct, kw_only=True):
    """A partial update: absent fields stay, null clears a nullable one."""

    lead_id: Id | UnsetType = UNSET
    start_time: Instant | UnsetType = UNSET
    end_time: End | UnsetType = UNSET
    type: Type | UnsetType | None = UNSET
    location: Location | UnsetType | None = UNSET
    notes: Notes | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    outcome: Outcome | UnsetType | None = UNSET
    outcome_notes: Notes | UnsetType | None = UNSET


class AppointmentFilter(Paging, kw_only=True):
    """Which appointments to list, and in what order."""

    status: Annotated[Status, Meta(description="Exactly this status")] | UnsetType = UNSET
    lead_id: Annotated[Id, Meta(description="Appointments of this lead")] | UnsetType = UNSET
    start_after: Annotated[Instant, Meta(description="Starts at this moment or later")] | UnsetType = UNSET
    start_before: Annotated[Instant, Meta(description="Starts before this moment")] | UnsetType = UNSET
    sort_by: Annotated[SortBy, Meta(description="What to sort by; ties break by id")] = "start_time"
    sort_dir: Annotated[SortDir, Meta(description="Ascending or descending")] = "desc"
