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
_sort_columns = {"priority": "priority_rank"}


@query(Task)
def task_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_task).where(tasks.c.organization_id == organization_id, tasks.c.id == id)


@query(str)
def lock_task(organization_id: str, id: str) -> Select[Any]:
    """Locks the row until the transaction ends, where the database has row locks."""
    task = select(tasks.c.id).where(tasks.c.organization_id == organization_id, tasks.c.id == id)
    return task.with_for_update()


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
    statement = select(*_task).where(tasks.c.organization_id == organization_id)
    if status is not None:
        statement = statement.where(tasks.c.status == status)
    if assigned_to is not None:
        statement = statement.where(tasks.c.assigned_to_user_id == assigned_to)
    if contact_id is not None:
        statement = statement.where(tasks.c.contact_id == contact_id)
    if due_before is not None:
        statement = statement.where(tasks.c.due_date < due_before)
    column = tasks.c[_sort_columns.get(sort_by, sort_by)]
    ordered = [column.desc(), tasks.c.id.desc()] if descending else [column.asc(), tasks.c.id.asc()]
    if column.nullable:
        ordered[0] = ordered[0].nulls_last()
    return statement.order_by(*ordered)


@command
def erase_free_text(organization_id: str, contact_id: str) -> Update:
    """Erases the free text of a lead's tasks."""
    return (
        update(tasks)
        .where(tasks.c.organization_id == organization_id, tasks.c.contact_id == contact_id)
        .values(title="Erased", description=None)
    )


@query(Task)
def tasks_after(organization_id: str, id: str, limit: int) -> Select[Any]:
    """A page of all tasks by id, after the given id."""
    statement = select(*_task).where(tasks.c.organization_id == organization_id, tasks.c.id > id)
    return statement.order_by(tasks.c.id).limit(limit)


@command
def move_tasks(organization_id: str, contact_id: str, into: str) -> Update:
    """Moves one lead's tasks to another."""
    moved = update(tasks).where(tasks.c.organization_id == organization_id)
    return moved.where(tasks.c.contact_id == contact_id).values(contact_id=into)
