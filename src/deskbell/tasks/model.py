"""Tasks: what the team has to do, optionally about a lead."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Instant, Timestamp
from deskbell.foundation.ids import Id, Uuid
from deskbell.foundation.pagination import Paging, SortDir

Priority = Literal["low", "medium", "high", "urgent"]
Status = Literal["open", "in_progress", "completed", "cancelled"]
SortBy = Literal["due_date", "created_at", "priority"]

Title = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S", examples=["Call about the estimate"])]
Description = Annotated[str, Meta(max_length=5000)]


class Task(msgspec.Struct):
    """A task. `contact_id` is a lead; `created_by_user_id` is the person whom the creating API key belongs to, if any."""

    id: Uuid
    organization_id: Uuid
    contact_id: Uuid | None
    title: str
    description: str | None
    priority: Priority
    status: Status
    due_date: Timestamp | None
    assigned_to_user_id: Uuid | None
    created_by_user_id: Uuid | None
    created_by_ai: bool
    created_at: Timestamp
    updated_at: Timestamp


class NewTask(msgspec.Struct, kw_only=True):
    """The fields of a new task. Only `title` is required."""

    title: Title
    description: Description | None = None
    priority: Priority = "medium"
    status: Status = "open"
    due_date: Instant | None = None
    contact_id: Id | None = None
    assigned_to_user_id: Id | None = None


class TaskChanges(msgspec.Struct, kw_only=True):
    """A partial update: absent fields stay, null clears a nullable one."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    due_date: Instant | UnsetType | None = UNSET
    contact_id: Id | UnsetType | None = UNSET
    assigned_to_user_id: Id | UnsetType | None = UNSET


class TaskFilter(Paging, kw_only=True):
    """Which tasks to list, and in what order."""

    status: Annotated[Status, Meta(description="Exactly this status")] | UnsetType = UNSET
    assigned_to: Annotated[Id, Meta(description="Tasks whose `assigned_to_user_id` is this")] | UnsetType = UNSET
    contact_id: Annotated[Id, Meta(description="Tasks about this lead")] | UnsetType = UNSET
    due_before: Annotated[Instant, Meta(description="Due before this moment")] | UnsetType = UNSET
    sort_by: Annotated[SortBy, Meta(description="What to sort by; ties break by id")] = "created_at"
    sort_dir: Annotated[SortDir, Meta(description="Ascending or descending")] = "desc"
