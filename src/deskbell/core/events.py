"""The event log: one row for everything that happened, in the same transaction as its effect. Timelines, audits and streams read it."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Insert, Integer, Table, Text, Update
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_table

from deskbell.core.context import Context
from deskbell.core.event_types import EVENT_TYPES
from deskbell.foundation.db import ID, JSON, TIMESTAMP, command, schema
from deskbell.foundation.ids import new_id
from deskbell.foundation.positions import AboutRecord, NextPosition

events = Table(
    "events",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("position", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("id", ID, nullable=False),
    Column("type", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("principal_type", Text, nullable=False),
    Column("principal_id", Text),
    Column("principal_name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("request_id", Text),
    Column("lead_id", ID),
    Column("object_type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("changes", JSON),
    Column("data", JSON),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index("events_id", events.c.organization_id, events.c.id, unique=True)

UNTRACKED = frozenset({"updated_at"})  # fields that change with every update
_encode = msgspec.json.Encoder().encode


@command
def add_event(
    organization_id: str,
    id: str,
    type: str,
    created_at: str,
    principal_type: str,
    principal_id: str | None,
    principal_name: str,
    channel: str,
    request_id: str | None,
    lead_id: str | None,
    object_type: str,
    object_id: str,
    changes: str | None,
    data: str | None,
) -> Insert:
    return (
        insert_into(events)
        .inline()
        .values(
            organization_id=organization_id,
            position=NextPosition(organization_id),
            id=id,
            type=type,
            created_at=created_at,
            principal_type=principal_type,
            principal_id=principal_id,
            principal_name=principal_name,
            channel=channel,
            request_id=request_id,
            lead_id=lead_id,
            object_type=object_type,
            object_id=object_id,
            changes=changes,
            data=data,
        )
    )


@command
def empty_events_of_lead(organization_id: str, lead_id: str) -> Update:
    """Removes personal data from the events about a lead; the events themselves stay."""
    of_lead = update_table(events).where(events.c.organization_id == organization_id, events.c.lead_id == lead_id)
    return of_lead.values(changes=None, data=None, principal_name="")


@command
def empty_events_of_object(organization_id: str, object_type: str, object_id: str) -> Update:
    """The same for the events about one record, which is not a lead."""
    of_object = update_table(events).where(events.c.organization_id == organization_id, AboutRecord(object_id))
    return of_object.where(events.c.object_type == object_type).values(changes=None, data=None, principal_name="")


@command
def move_events(organization_id: str, lead_id: str, into: str) -> Update:
    """Moves the events of one lead to the timeline of another."""
    of_lead = update_table(events).where(events.c.organization_id == organization_id, events.c.lead_id == lead_id)
    return of_lead.values(lead_id=into)


async def record(
    ctx: Context,
    type: str,
    object_id: str,
    *,
    lead_id: str | None = None,
    before: msgspec.Struct | None = None,
    after: msgspec.Struct | None = None,
) -> None:
    """Records that something happened, in the transaction of its effect.

    `after` is the record as the API shows it, without secrets. If `before` is given too, the fields that differ are stored, and if
    none differs, nothing is recorded. `lead_id` is the lead whose timeline shows the event.
    """
    assert type in EVENT_TYPES, type
    changes = None
    if before is not None and after is not None:
        changed = differences(before, after)
        if not changed:
            return
        changes = _encode(changed).decode()
    principal = ctx.principal
    await ctx.db.run(
        add_event(
            ctx.organization_id,
            new_id(),
            type,
            ctx.now,
            principal.type,
            principal.id,
            principal.name,
            ctx.channel,
            ctx.request_id,
            lead_id,
            type.partition(".")[0],
            object_id,
            changes,
            None if after is None else _encode(after).decode(),
        )
    )


def differences(before: msgspec.Struct, after: msgspec.Struct) -> dict[str, tuple[Any, Any]]:
    """The fields that differ between two records of one type, by their names on the wire, with the old and the new value."""
    changed = {}
    for name, wire_name in tracked(type(after)):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changed[wire_name] = (old, new)
    return changed


@cache
def tracked(kind: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """The fields of a record whose changes are recorded: attribute and name on the wire."""
    pairs = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
    return tuple((name, wire_name) for name, wire_name in pairs if name not in UNTRACKED)
