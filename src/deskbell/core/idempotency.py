"""Idempotency keys: an answer is stored in the transaction of its effect and replayed for 24 hours."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Column, Delete, Integer, Select, Table, Text, delete, or_, select

from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.db import ID, TIMESTAMP, Session, command, insert, query, schema

KEPT = 24 * 60 * 60  # seconds

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


class Stored(msgspec.Struct):
    body_hash: str
    status: int
    body: str
    created_at: str


class Repeatable(msgspec.Struct, frozen=True):
    """A write that its caller may repeat: the key with everything that must be equal for a repeat to be one."""

    organization_id: str
    method: str
    path: str
    key: str
    body_hash: str


@query(Stored)
def stored_answer(organization_id: str, method: str, path: str, key: str) -> Select[Any]:
    return select(answers.c.body_hash, answers.c.status, answers.c.body, answers.c.created_at).where(
        answers.c.organization_id == organization_id,
        answers.c.method == method,
        answers.c.path == path,
        answers.c.key == key,
    )


@command
def forget_answer(organization_id: str, method: str, path: str, key: str) -> Delete:
    return delete(answers).where(
        answers.c.organization_id == organization_id,
        answers.c.method == method,
        answers.c.path == path,
        answers.c.key == key,
    )


@command
def forget_answers_before(moment: str) -> Delete:
    return delete(answers).where(answers.c.created_at < moment)


@command
def erase_answers_about(organization_id: str, id: str) -> Delete:
    """Drops the stored answers that mention a record, in their body or in their request's path."""
    mentions = or_(answers.c.body.contains(id), answers.c.path.contains(id))
    return delete(answers).where(answers.c.organization_id == organization_id, mentions)


def validate_key(values: list[bytes]) -> str | None:
    """The key that a request's headers of that name give, or None where there are none."""
    key = b" ".join(values)
    if values and re.fullmatch(rb"[\x21-\x7e]{1,255}", key) is None:
        raise Problem("validation_error", "`Idempotency-Key` must be 1 to 255 visible ASCII characters")
    return key.decode("ascii") if values else None


def repeatable(organization_id: str, method: str, path: str, key: str, body: bytes) -> Repeatable:
    """Binds a key to this very request. `path` has its ids in canonical form, so that a repeat and an erasure find it."""
    return Repeatable(organization_id, method, path, key, sha256(body).hexdigest())


async def replay(session: Session, request: Repeatable) -> tuple[int, bytes] | None:
    """The stored status and body of an earlier run of this request, or None."""
    place = (request.organization_id, request.method, request.path, request.key)
    found = await session.one(stored_answer(*place))
    if found is None or found.created_at < clock.seconds_from_now(-KEPT):
        return None
    if found.body_hash != request.body_hash:
        raise Problem("idempotency_mismatch")
    return found.status, found.body.encode()


async def waited_replay(session: Session, request: Repeatable) -> tuple[int, bytes] | None:
    """`replay`, once an earlier run of this request that is still under way has ended."""
    await session.lock(f"{request.organization_id} {request.method} {request.path} {request.key}")
    return await replay(session, request)


async def remember(session: Session, request: Repeatable, status: int, body: bytes) -> None:
    """Stores the answer beside its effect, in place of one that has expired."""
    await session.run(forget_answer(request.organization_id, request.method, request.path, request.key))
    await session.run(
        insert(
            answers,
            {**msgspec.structs.asdict(request), "status": status, "body": body.decode(), "created_at": clock.now()},
        )
    )


async def purge(session: Session) -> None:
    """Drops the answers that nobody can ask for any more."""
    await session.run(forget_answers_before(clock.seconds_from_now(-KEPT)))
