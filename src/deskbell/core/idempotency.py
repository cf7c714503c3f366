"""Idempotency keys: a response is stored in the transaction of its effect and replayed for 24 hours."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Column, Delete, Integer, Select, Table, Text, delete, or_, select

from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.db import ID, TIMESTAMP, Session, command, insert, query, schema

RETENTION = 24 * 60 * 60  # seconds

answers = Table(
    "answers",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False, index=True),
)


class StoredResponse(msgspec.Struct):
    body_hash: str
    status: int
    body: str
    created_at: str


class IdempotentRequest(msgspec.Struct, frozen=True):
    """A write with an idempotency key. A request with the same key, method and path repeats it, and must have the same body."""

    organization_id: str
    method: str
    path: str
    key: str
    body_hash: str


@query(StoredResponse)
def stored_response(organization_id: str, method: str, path: str, key: str) -> Select[Any]:
    return select(answers.c.body_hash, answers.c.status, answers.c.body, answers.c.created_at).where(
        answers.c.organization_id == organization_id,
        answers.c.method == method,
        answers.c.path == path,
        answers.c.key == key,
    )


@command
def delete_response(organization_id: str, method: str, path: str, key: str) -> Delete:
    return delete(answers).where(
        answers.c.organization_id == organization_id,
        answers.c.method == method,
        answers.c.path == path,
        answers.c.key == key,
    )


@command
def delete_responses_before(moment: str) -> Delete:
    return delete(answers).where(answers.c.created_at < moment)


@command
def erase_responses_about(organization_id: str, id: str) -> Delete:
    """Deletes the stored responses that mention a record, in their body or in their request's path."""
    mentions = or_(answers.c.body.contains(id), answers.c.path.contains(id))
    return delete(answers).where(answers.c.organization_id == organization_id, mentions)


def validate_key(values: list[bytes]) -> str | None:
    """The key in a request's `Idempotency-Key` headers, or None if there are none."""
    key = b" ".join(values)
    if values and re.fullmatch(rb"[\x21-\x7e]{1,255}", key) is None:
        raise Problem("validation_error", "`Idempotency-Key` must be 1 to 255 visible ASCII characters")
    return key.decode("ascii") if values else None


def repeatable(organization_id: str, method: str, path: str, key: str, body: bytes) -> IdempotentRequest:
    """Binds a key to this request. `path` has its ids in canonical form, so that a repeat and an erasure find it."""
    return IdempotentRequest(organization_id, method, path, key, sha256(body).hexdigest())


async def replay(session: Session, request: IdempotentRequest) -> tuple[int, bytes] | None:
    """The stored status and body of an earlier run of this request, or None."""
    key = (request.organization_id, request.method, request.path, request.key)
    stored = await session.one(stored_response(*key))
    if stored is None or stored.created_at < clock.seconds_from_now(-RETENTION):
        return None
    if stored.body_hash != request.body_hash:
        raise Problem("idempotency_mismatch")
    return stored.status, stored.body.encode()


async def replay_after_running(session: Session, request: IdempotentRequest) -> tuple[int, bytes] | None:
    """`replay`, after waiting for an earlier request with this key that is still running."""
    await session.lock(f"{request.organization_id} {request.method} {request.path} {request.key}")
    return await replay(session, request)


async def store_response(session: Session, request: IdempotentRequest, status: int, body: bytes) -> None:
    """Stores the response in the transaction of its effect. Replaces an expired one."""
    await session.run(delete_response(request.organization_id, request.method, request.path, request.key))
    await session.run(
        insert(
            answers,
            {**msgspec.structs.asdict(request), "status": status, "body": body.decode(), "created_at": clock.now()},
        )
    )


async def purge(session: Session) -> None:
    """Deletes the responses that have expired."""
    await session.run(delete_responses_before(clock.seconds_from_now(-RETENTION)))
