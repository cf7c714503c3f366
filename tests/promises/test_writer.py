"""What the one writer promises: units stand or fall alone, nothing foreign is awaited, and yes means stored."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import pytest

from deskbell.core.context import operator_context
from deskbell.errors import Problem
from deskbell.foundation import sqlite
from deskbell.foundation.db import AwaitInTransaction, ConstraintViolation, Session, insert
from deskbell.foundation.sqlite import SqliteDatabase
from deskbell.identity import store as identity_store
from deskbell.organizations import store
from deskbell.organizations.model import Organization
from deskbell.organizations.operations import create_organization, get_organization

Unit = Callable[[Session], Coroutine[Any, Any, Any]]


def named(name: str) -> Unit:
    return lambda session: create_organization(session, name)


@contextlib.asynccontextmanager
async def database(folder: Path) -> AsyncIterator[SqliteDatabase]:
    path = str(folder / "deskbell.db")
    sqlite.prepare(path, migrate=True)
    opened = SqliteDatabase(path)
    try:
        yield opened
    finally:
        opened.close()


async def together(database: SqliteDatabase, *units: Unit) -> list[Any]:
    """Runs the units in one batch: the writer is held back until all of them wait."""
    gate = Gate()
    held = asyncio.ensure_future(database.write(gate.hold))
    await asyncio.to_thread(gate.reached.wait)
    waiting = asyncio.gather(*(asyncio.ensure_future(database.write(unit)) for unit in units), return_exceptions=True)
    await asyncio.sleep(0)
    gate.opened.set()
    await held
    return list(await waiting)


class Gate:
    """A unit that keeps the writer thread busy until it is let go."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    async def hold(self, session: Session) -> None:
        self.reached.set()
        self.opened.wait()


async def names(database: SqliteDatabase) -> list[str]:
    return [each.name for each in await database.read(lambda session: session.all(store.all_organizations()))]


async def bug(session: Session) -> None:
    await create_organization(session, "Half")
    raise ZeroDivisionError


async def refusal(session: Session) -> None:
    await create_organization(session, "Refused")
    raise Problem("duplicate")


async def foreigner(session: Session) -> None:
    await create_organization(session, "Slept")
    await asyncio.sleep(0)


async def swallower(session: Session) -> None:
    """Tries to go on after a foreign await."""
    await create_organization(session, "Swallowed")
    with contextlib.suppress(BaseException):
        await asyncio.sleep(0)


async def insistent(session: Session) -> None:
    """Awaits something foreign again when it is told not to."""
    await create_organization(session, "Insisted")
    with contextlib.suppress(BaseException):
        await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("bad", [bug, refusal, foreigner, swallower, insistent])
def test_a_unit_that_fails_undoes_itself_alone(tmp_path: Path, bad: Unit) -> None:
    async def scenario() -> None:
        async with database(tmp_path) as db:
            answers = await together(db, named("Before"), bad, named("After"))
            assert [isinstance(answer, Exception) for answer in answers] == [False, True, False]
            assert await names(db) == ["Before", "After"]

    asyncio.run(scenario())


def test_the_batch_is_one_transaction(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with database(tmp_path) as db:
            await names(db)
            before = db.reader.connection.data_version()
            await together(db, *(named(f"Acme {number}") for number in range(100)))
            assert len(await names(db)) == 100
            assert db.reader.connection.data_version() - before == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("bad", [foreigner, swallower, insistent])
def test_a_foreign_await_is_stopped_and_said(tmp_path: Path, bad: Unit) -> None:
    async def scenario() -> None:
        async with database(tmp_path) as db:
            with pytest.raises(RuntimeError, match=rf"AwaitInTransaction: {bad.__name__} "):
                await db.write(bad)
            with pytest.raises(AwaitInTransaction):
                await db.read(lambda session: asyncio.sleep(0))

    asyncio.run(scenario())


def test_an_except_clause_cannot_swallow_a_foreign_await(tmp_path: Path) -> None:
    async def careless(session: Session) -> str:
        try:
            await asyncio.sleep(0)
        except Exception:
            return "went on"
        return "slept"

    async def scenario() -> None:
        async with database(tmp_path) as db:
            with pytest.raises(RuntimeError, match="AwaitInTransaction"):
                await db.write(careless)

    asyncio.run(scenario())


def test_a_write_that_is_cancelled_while_it_waits_is_not_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with database(tmp_path) as db:
            gate = Gate()
            held = asyncio.ensure_future(db.write(gate.hold))
            await asyncio.to_thread(gate.reached.wait)
            cancelled = asyncio.ensure_future(db.write(named("Cancelled")))
            kept = asyncio.ensure_future(db.write(named("Kept")))
            await asyncio.sleep(0)
            cancelled.cancel()
            gate.opened.set()
            await asyncio.gather(held, kept)
            assert await names(db) == ["Kept"]

    asyncio.run(scenario())


def test_a_write_that_is_cancelled_while_it_runs_is_stored(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with database(tmp_path) as db:
            gate = Gate()

            async def slow(session: Session) -> None:
                await create_organization(session, "In flight")
                await gate.hold(session)

            running = asyncio.ensure_future(db.write(slow))
            await asyncio.to_thread(gate.reached.wait)
            running.cancel()
            gate.opened.set()
            await db.write(named("Next"))
            assert running.cancelled()
            assert await names(db) == ["In flight", "Next"]

    asyncio.run(scenario())


def test_nobody_hears_yes_before_the_commit(tmp_path: Path) -> None:
    """A second connection sees every write at the moment of its answer."""

    async def scenario() -> None:
        async with database(tmp_path) as db:
            other = apsw.Connection(db.path, flags=apsw.SQLITE_OPEN_READONLY)
            for number in range(50):
                made = await db.write(named(f"Acme {number}"))
                assert other.execute("SELECT count(*) FROM organizations WHERE id = ?", (made.id,)).get == 1
            other.close()

    asyncio.run(scenario())


def test_what_a_refused_row_leaves_is_the_name_of_its_index(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with database(tmp_path) as db:
            made = await db.write(named("Acme"))

            async def again(session: Session) -> None:
                person = {"organization_id": made.id, "name": "A", "email": "a@b.co", "role": "member"}
                for id in ("1", "2"):
                    await session.run(
                        insert(identity_store.people, {**person, "id": id, "created_at": made.created_at})
                    )

            with pytest.raises(ConstraintViolation, match="people_email"):
                await db.write(again)
            await db.read(lambda session: found(session, made.id))

    asyncio.run(scenario())


async def found(session: Session, id: str) -> Organization:
    return await get_organization(await operator_context(session, id))
