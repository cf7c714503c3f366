"""The tasks table and every query on it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Integer, Select, Table, Text, Update, select, update

from deskbell.foundation.db import BOOLEAN, ID, TIMESTAMP, command, query, schema
from deskbell.tasks.model import SortBy, Task

tasks = Table(
    "tasks",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("contact_id", ID),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("priority", Text, nullable=False),
    Column("priority_rank", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("due_date", TIMESTAMP),
    Column("assigned_to_user_id", ID),
    Column("created_by_user_id", ID),
    Column("created_by_ai", BOOLEAN, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id", "contact_id"], ["leads.organization_id", "leads.id"]),
)
_task = [tasks.c[name] for name in Task.__struct_fields__]
_keys = {"priority": "priority_rank"}


@query(Task)
def task_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_task).where(tasks.c.organization_id == organization_id, tasks.c.id == id)


@query(str)
def lock_task(organization_id: str, id: str) -> Select[Any]:
    """Locked until the transaction ends, where the database has row locks."""
    found = select(tasks.c.id).where(tasks.c.organization_id == organization_id, tasks.c.id == id)
    return found.with_for_update()


@query(Task)
def task_list(
    organization_id: str,
    status: str | None = None,
    assigned_to: str | None = None,
    contact_id: str | None = None,
    due_before: str | None = None,
    *,
    sort_by: SortBy,
    descending: bool,
) -> Select[Any]:
    found = select(*_task).where(tasks.c.organization_id == organization_id)
    if status is not None:
        found = found.where(tasks.c.status == status)
    if assigned_to is not None:
        found = found.where(tasks.c.assigned_to_user_id == assigned_to)
    if contact_id is not None:
        found = found.where(tasks.c.contact_id == contact_id)
    if due_before is not None:
        found = found.where(tasks.c.due_date < due_before)
    column = tasks.c[_keys.get(sort_by, sort_by)]
    ordered = [column.desc(), tasks.c.id.desc()] if descending else [column.asc(), tasks.c.id.asc()]
    if column.nullable:
        ordered[0] = ordered[0].nulls_last()
    return found.order_by(*ordered)


@command
def erase_words(organization_id: str, contact_id: str) -> Update:
    """Takes what people wrote out of a lead's tasks."""
    return (
        update(tasks)
        .where(tasks.c.organization_id == organization_id, tasks.c.contact_id == contact_id)
        .values(title="Erased", description=None)
    )


@query(Task)
def tasks_after(organization_id: str, id: str, most: int) -> Select[Any]:
    """A page of all tasks in the order of ids."""
    found = select(*_task).where(tasks.c.organization_id == organization_id, tasks.c.id > id)
    return found.order_by(tasks.c.id).limit(most)


@command
def move_tasks(organization_id: str, contact_id: str, into: str) -> Update:
    """Gives one lead's tasks to another."""
    moved = update(tasks).where(tasks.c.organization_id == organization_id)
    return moved.where(tasks.c.contact_id == contact_id).values(contact_id=into)
