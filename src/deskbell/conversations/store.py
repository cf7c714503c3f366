"""The tables of threads and messages, and every query on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
    Select,
    Table,
    Text,
    Update,
    delete,
    false,
    or_,
    select,
    update,
)

from deskbell.conversations.model import Message, OutboundMessage, Thread
from deskbell.foundation.db import BOOLEAN, ID, TIMESTAMP, command, query, schema

threads = Table(
    "threads",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("lead_id", ID, nullable=False),
    Column("status", Text, nullable=False),
    Column("ai_summary", Text),
    Column("sentiment", Text),
    Column("interest_level", Text),
    Column("requires_human", BOOLEAN, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id", "lead_id"], ["leads.organization_id", "leads.id"]),
)
Index("threads_lead", threads.c.organization_id, threads.c.lead_id, unique=True)

messages = Table(
    "messages",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("lead_id", ID, nullable=False),
    Column("type", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("exempt", BOOLEAN, nullable=False),
    Column("carrier_id", Text),
    Column("failure", Text),
    Column("sent_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id", "lead_id"], ["leads.organization_id", "leads.id"]),
)
Index("messages_carrier", messages.c.carrier_id, unique=True)

_thread = [threads.c[name] for name in Thread.__struct_fields__]
_message = [messages.c[name] for name in Message.__struct_fields__]
_outbound_message = [
    messages.c.exempt.label(name) if name == "compliance_reply" else messages.c[name]
    for name in OutboundMessage.__struct_fields__
]


@query(Thread)
def thread_list(organization_id: str) -> Select[Any]:
    """Latest activity first."""
    return (
        select(*_thread)
        .where(threads.c.organization_id == organization_id)
        .order_by(threads.c.updated_at.desc(), threads.c.id.desc())
    )


@query(Message)
def message_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_message).where(messages.c.organization_id == organization_id, messages.c.id == id)


@query(Message)
def messages_of(organization_id: str, lead_id: str) -> Select[Any]:
    """Oldest first."""
    statement = select(*_message).where(messages.c.organization_id == organization_id, messages.c.lead_id == lead_id)
    return statement.order_by(messages.c.created_at, messages.c.id)


@query(Message)
def latest_messages_of(organization_id: str, lead_id: str) -> Select[Any]:
    """Latest first."""
    statement = select(*_message).where(messages.c.organization_id == organization_id, messages.c.lead_id == lead_id)
    return statement.order_by(messages.c.created_at.desc(), messages.c.id.desc())


@query(str)
def phones_of(organization_id: str, lead_id: str) -> Select[Any]:
    return (
        select(messages.c.phone)
        .distinct()
        .where(messages.c.organization_id == organization_id, messages.c.lead_id == lead_id)
    )


@query(OutboundMessage)
def outbound_message(organization_id: str, id: str) -> Select[Any]:
    """Locks the row until the transaction ends, where the database has row locks."""
    return (
        select(*_outbound_message)
        .where(messages.c.organization_id == organization_id, messages.c.id == id)
        .with_for_update()
    )


@query(OutboundMessage)
def queued_texts(organization_id: str, phone: str) -> Select[Any]:
    """Queued texts to a number, except compliance replies. Locks them until the transaction ends."""
    to_number = (messages.c.organization_id == organization_id, messages.c.phone == phone)
    queued = select(*_outbound_message).where(*to_number, messages.c.status == "queued", messages.c.exempt.is_(false()))
    return queued.order_by(messages.c.id).with_for_update()


@query(OutboundMessage)
def pending_texts() -> Select[Any]:
    """The unsent texts of all organizations, including those that may have been sent."""
    unsent = or_(messages.c.status == "queued", messages.c.status == "sending")
    return select(*_outbound_message).where(unsent).order_by(messages.c.organization_id, messages.c.id)


@command
def touch_thread(organization_id: str, lead_id: str, moment: str) -> Update:
    return (
        update(threads)
        .where(threads.c.organization_id == organization_id, threads.c.lead_id == lead_id)
        .values(updated_at=moment)
    )


@command
def erase_thread(organization_id: str, lead_id: str) -> Delete:
    return delete(threads).where(threads.c.organization_id == organization_id, threads.c.lead_id == lead_id)


@command
def erase_messages(organization_id: str, lead_id: str) -> Delete:
    return delete(messages).where(messages.c.organization_id == organization_id, messages.c.lead_id == lead_id)


@query(Message)
def messages_after(organization_id: str, id: str, limit: int) -> Select[Any]:
    """A page of all messages by id, after the given id."""
    statement = select(*_message).where(messages.c.organization_id == organization_id, messages.c.id > id)
    return statement.order_by(messages.c.id).limit(limit)


@query(str)
def thread_of(organization_id: str, lead_id: str) -> Select[Any]:
    return select(threads.c.id).where(threads.c.organization_id == organization_id, threads.c.lead_id == lead_id)


@command
def move_messages(organization_id: str, lead_id: str, into: str) -> Update:
    """Moves one lead's messages to another."""
    moved = update(messages).where(messages.c.organization_id == organization_id)
    return moved.where(messages.c.lead_id == lead_id).values(lead_id=into)


@command
def move_thread(organization_id: str, lead_id: str, into: str) -> Update:
    """Moves one lead's thread to another that has none."""
    moved = update(threads).where(threads.c.organization_id == organization_id)
    return moved.where(threads.c.lead_id == lead_id).values(lead_id=into)
