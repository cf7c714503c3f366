"""What can be done with tasks."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from deskbell.core.context import Context
from deskbell.core.earlier_versions import PRESENT, RecordVersion, earlier_version, is_past
from deskbell.core.events import record
from deskbell.core.operation import Operation
from deskbell.core.slice import DataSubject
from deskbell.core.tools.declaration import Tool
from deskbell.errors import Problem
from deskbell.foundation.db import insert, update
from deskbell.foundation.ids import new_id
from deskbell.foundation.pagination import Page, given
from deskbell.identity.lookups import get_person
from deskbell.leads.operations import get_lead
from deskbell.tasks import rules, store
from deskbell.tasks.model import NewTask, Task, TaskChanges, TaskFilter


async def list_tasks(ctx: Context, filter: TaskFilter) -> Page[Task]:
    """List tasks, newest first unless sorted otherwise. Cancelled ones are included."""
    statement = store.task_list(
        ctx.organization_id,
        given(filter.status),
        given(filter.assigned_to),
        given(filter.contact_id),
        given(filter.due_before),
        sort_by=filter.sort_by,
        descending=filter.sort_dir == "desc",
    )
    rows, total = await ctx.db.page(statement, filter.page, filter.limit)
    return Page(rows, total, filter)


async def get_task(ctx: Context, id: str, version: RecordVersion = PRESENT) -> Task:
    """One task by its id; with `as_of`, as it was at that time."""
    task = await ctx.db.one(store.task_row(ctx.organization_id, id))
    if task is not None and version.as_of is not UNSET and is_past(ctx, version.as_of):
        task = await earlier_version(ctx, "task", task, version.as_of)
    if task is None:
        raise Problem("not_found", "No task of your organization has this id")
    return task


async def lock_task(ctx: Context, id: str) -> Task:
    """Locks the task until this transaction ends, and returns it: no other change comes between reading and writing it."""
    await ctx.db.one(store.lock_task(ctx.organization_id, id))
    return await get_task(ctx, id)


async def create_task(ctx: Context, new: NewTask) -> Task:
    """Create a task, optionally about a lead (`contact_id`) and for a member of the team."""
    await check_references(ctx, new.contact_id, new.assigned_to_user_id)
    moment = ctx.now
    row = {
        **msgspec.structs.asdict(new),
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "priority_rank": rules.PRIORITY_RANK[new.priority],
    }
    row |= {
        "created_by_user_id": ctx.principal.person_id,
        "created_by_ai": ctx.principal.type == "agent",
        "created_at": moment,
        "updated_at": moment,
    }
    await ctx.db.run(insert(store.tasks, row))
    task = await get_task(ctx, row["id"])
    await record(ctx, "task.created", task.id, lead_id=task.contact_id, after=task)
    return task


async def check_references(ctx: Context, contact_id: Any, assigned_to: Any) -> None:
    """Raises `not_found` unless both, if given, belong to this organization."""
    if contact_id:
        await get_lead(ctx, contact_id)
    if assigned_to:
        await get_person(ctx, assigned_to)


async def update_task(ctx: Context, id: str, changes: TaskChanges) -> Task:
    """Change some fields of a task: absent fields stay, null clears a nullable one."""
    before = await lock_task(ctx, id)
    await check_references(ctx, changes.contact_id, changes.assigned_to_user_id)
    fields = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    if "priority" in fields:
        fields["priority_rank"] = rules.PRIORITY_RANK[fields["priority"]]
    await ctx.db.run(
        update(store.tasks, {"organization_id": ctx.organization_id, "id": id}, {**fields, "updated_at": ctx.now})
    )
    after = await get_task(ctx, id)
    await record(ctx, "task.updated", id, lead_id=after.contact_id, before=before, after=after)
    return after


async def cancel_task(ctx: Context, id: str) -> Task:
    """Cancel a task. It stays readable; cancelling it again changes nothing."""
    task = await lock_task(ctx, id)
    if task.status == "cancelled":
        return task
    await ctx.db.run(
        update(
            store.tasks,
            {"organization_id": ctx.organization_id, "id": id},
            {"status": "cancelled", "updated_at": ctx.now},
        )
    )
    cancelled = await get_task(ctx, id)
    await record(ctx, "task.cancelled", id, lead_id=cancelled.contact_id, before=task, after=cancelled)
    return cancelled


async def erase_lead(ctx: Context, subject: DataSubject) -> None:
    """Permanently erases the free text of a lead's tasks."""
    await ctx.db.run(store.erase_free_text(ctx.organization_id, subject.lead_id))


LIST_TASKS = Tool(
    "list_tasks",
    "Find tasks",
    'Find the team\'s tasks, newest first. Use it to see what is to be done or who does it. Example: {"status": "open"}',
    {
        "status": "Only tasks of this status",
        "assigned_to": "Only this team member's (UUID)",
        "limit": "Most to return",
    },
    defaults={"limit": 20},
)
CREATE_TASK = Tool(
    "create_task",
    "Create a task",
    "Give the team something to do, perhaps about a lead. Not for meetings with a lead: use create_appointment."
    ' Example: {"title": "Call Maria back", "priority": "high"}',
    {
        "title": "What to do, in a few words",
        "description": "Details",
        "priority": "How urgent it is",
        "due_date": "ISO 8601 with offset: 2026-05-10T17:00:00-05:00",
        "contact_id": "The lead it is about (UUID)",
        "assigned_to_user_id": "The team member who does it (UUID)",
    },
)

OPERATIONS = [
    Operation("tasks.list", list_tasks, "GET /api/v1/tasks", scope="tasks:read", tool=LIST_TASKS),
    Operation(
        "tasks.create",
        create_task,
        "POST /api/v1/tasks",
        scope="tasks:write",
        errors=("not_found",),
        tool=CREATE_TASK,
    ),
    Operation("tasks.get", get_task, "GET /api/v1/tasks/{id}", scope="tasks:read"),
    Operation("tasks.update", update_task, "PUT /api/v1/tasks/{id}", scope="tasks:write"),
    Operation("tasks.cancel", cancel_task, "DELETE /api/v1/tasks/{id}", scope="tasks:write"),
]
