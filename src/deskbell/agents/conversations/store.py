"""The tables of conversations with agents and their messages, and every query on them."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
    Integer,
    Select,
    Table,
    Text,
    Update,
    delete,
    select,
    update,
)

from deskbell.foundation.clock import Precise
from deskbell.foundation.db import ID, JSON, TIMESTAMP, command, query, schema

#: `messages` is their number, and the position of the next one. A turn is refused if the number has changed since it began.
agent_conversations = Table(
    "agent_conversations",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("agent_id", ID, nullable=False),
    Column("title", Text, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost_nanos", Integer, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id", "agent_id"], ["agents.organization_id", "agents.id"]),
)
Index("agent_conversations_id", agent_conversations.c.id, unique=True)

agent_messages = Table(
    "agent_messages",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("conversation_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("id", ID, nullable=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("model", Text),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost_nanos", Integer, nullable=False),
    Column("sources", JSON, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(
        ["organization_id", "conversation_id"], ["agent_conversations.organization_id", "agent_conversations.id"]
    ),
)


class ConversationRow(msgspec.Struct):
    """A conversation as it is stored; its cost in billionths of a US dollar."""

    id: str
    agent_id: str
    title: str
    messages: int
    input_tokens: int
    output_tokens: int
    cost_nanos: int
    created_at: Precise
    updated_at: Precise


class MessageRow(msgspec.Struct):
    id: str
    role: str
    content: str
    model: str | None
    input_tokens: int
    output_tokens: int
    cost_nanos: int
    sources: msgspec.Raw
    created_at: Precise


class MessageText(msgspec.Struct):
    """A message as the next turn needs it."""

    role: str
    content: str


_conversation = [agent_conversations.c[name] for name in ConversationRow.__struct_fields__]
_message = [agent_messages.c[name] for name in MessageRow.__struct_fields__]


@query(ConversationRow)
def conversation_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_conversation).where(
        agent_conversations.c.organization_id == organization_id, agent_conversations.c.id == id
    )


@query(ConversationRow)
def conversation_list(organization_id: str, agent_id: str | None = None) -> Select[Any]:
    """Those with the latest message first."""
    rows = select(*_conversation).where(agent_conversations.c.organization_id == organization_id)
    if agent_id is not None:
        rows = rows.where(agent_conversations.c.agent_id == agent_id)
    return rows.order_by(agent_conversations.c.updated_at.desc(), agent_conversations.c.id.desc())


@query(MessageRow)
def message_list(organization_id: str, conversation_id: str) -> Select[Any]:
    rows = select(*_message).where(
        agent_messages.c.organization_id == organization_id, agent_messages.c.conversation_id == conversation_id
    )
    return rows.order_by(agent_messages.c.position)


@query(MessageText)
def latest_messages(organization_id: str, conversation_id: str, most: int) -> Select[Any]:
    """The newest first."""
    rows = select(agent_messages.c.role, agent_messages.c.content).where(
        agent_messages.c.organization_id == organization_id, agent_messages.c.conversation_id == conversation_id
    )
    return rows.order_by(agent_messages.c.position.desc()).limit(most)


@command
def add_turn(
    organization_id: str,
    id: str,
    messages: int,
    input_tokens: int,
    output_tokens: int,
    cost_nanos: int,
    moment: str,
) -> Update:
    """Adds a turn to a conversation that has this number of messages; changes nothing if it has another."""
    table = agent_conversations.c
    return (
        update(agent_conversations)
        .where(table.organization_id == organization_id, table.id == id, table.messages == messages)
        .values(
            messages=table.messages + 2,
            input_tokens=table.input_tokens + input_tokens,
            output_tokens=table.output_tokens + output_tokens,
            cost_nanos=table.cost_nanos + cost_nanos,
            updated_at=moment,
        )
    )


@command
def delete_messages(organization_id: str, conversation_id: str) -> Delete:
    return delete(agent_messages).where(
        agent_messages.c.organization_id == organization_id, agent_messages.c.conversation_id == conversation_id
    )


@command
def delete_conversation(organization_id: str, id: str) -> Delete:
    return delete(agent_conversations).where(
        agent_conversations.c.organization_id == organization_id, agent_conversations.c.id == id
    )
