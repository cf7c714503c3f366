"""The tables of MCP sessions and their queries. A session is found by the hash of its id alone: the id is the secret."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
    Select,
    Table,
    Text,
    Update,
    and_,
    delete,
    func,
    not_,
    or_,
    select,
    update,
)

from deskbell.foundation.db import ID, JSON, TIMESTAMP, command, query, schema

sessions = Table(
    "mcp_sessions",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id_hash", Text, primary_key=True),
    Column("key_id", ID, nullable=False),
    Column("version", Text, nullable=False),
    Column("client", JSON, nullable=False),
    Column("streaming_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("seen_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index("mcp_sessions_id", sessions.c.id_hash, unique=True)

#: Replies that a client has sent to one worker while another waits for them.
replies = Table(
    "mcp_replies",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id_hash", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


class McpSession(msgspec.Struct, frozen=True, gc=False):
    """An open session, bound to the key that opened it. `version` is the agreed revision of the protocol."""

    organization_id: str
    id_hash: str
    key_id: str
    version: str
    seen_at: str


_session = [sessions.c[name] for name in McpSession.__struct_fields__]


@query(McpSession)
def session_row(id_hash: str) -> Select[Any]:
    return select(*_session).where(sessions.c.id_hash == id_hash)


@query(str)
def client_details(organization_id: str, id_hash: str) -> Select[Any]:
    """What the client said of itself in its handshake, as JSON."""
    return select(sessions.c.client).where(sessions.c.organization_id == organization_id, sessions.c.id_hash == id_hash)


@query(int)
def open_sessions() -> Select[Any]:
    return select(func.count()).select_from(sessions)


@query(int)
def open_sessions_of_key(key_id: str) -> Select[Any]:
    return select(func.count()).select_from(sessions).where(sessions.c.key_id == key_id)


@query(str)
def open_ids() -> Select[Any]:
    return select(sessions.c.id_hash)


@query(McpSession)
def longest_idle(key_id: str, streaming_since: str) -> Select[Any]:
    """The session of a key that was used longest ago, of those without an open stream."""
    idle = or_(sessions.c.streaming_at.is_(None), sessions.c.streaming_at < streaming_since)
    found = select(*_session).where(sessions.c.key_id == key_id, idle)
    return found.order_by(sessions.c.seen_at, sessions.c.id_hash).limit(1)


@command
def touch(id_hash: str, moment: str) -> Update:
    return update(sessions).where(sessions.c.id_hash == id_hash, sessions.c.seen_at < moment).values(seen_at=moment)


@command
def mark_streaming(id_hash: str, moment: str) -> Update:
    return update(sessions).where(sessions.c.id_hash == id_hash).values(streaming_at=moment)


@command
def mark_not_streaming(id_hash: str) -> Update:
    return update(sessions).where(sessions.c.id_hash == id_hash).values(streaming_at=None)


@command
def end(id_hash: str) -> Delete:
    return delete(sessions).where(sessions.c.id_hash == id_hash)


@command
def end_idle(moment: str) -> Delete:
    return delete(sessions).where(sessions.c.seen_at < moment)


@command
def end_without_key(moment: str) -> Delete:
    """The sessions of keys that are revoked, expired or gone."""
    keys = schema.tables["api_keys"]
    alive = and_(keys.c.active, or_(keys.c.expires_at.is_(None), keys.c.expires_at > moment))
    live = select(keys.c.id).where(keys.c.organization_id == sessions.c.organization_id, keys.c.id == sessions.c.key_id)
    return delete(sessions).where(not_(live.where(alive).exists()))


@query(str)
def reply(organization_id: str, id_hash: str, subject: str) -> Select[Any]:
    return select(replies.c.body).where(
        replies.c.organization_id == organization_id, replies.c.id_hash == id_hash, replies.c.subject == subject
    )


@command
def delete_replies(moment: str) -> Delete:
    return delete(replies).where(replies.c.created_at < moment)
