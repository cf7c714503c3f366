"""What a transaction leaves on its connection: nothing. Whatever ends it, the next one is its own organization's."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.postgres import connection as connections
from deskbell.foundation.postgres.connection import Connection
from deskbell.foundation.postgres.database import PostgresDatabase
from deskbell.foundation.postgres.session import PostgresSession
from tests.desk import running
from tests.postgres import fresh_database

WHO = "SELECT current_setting('deskbell.org'), current_user::text"
STATE = "SELECT coalesce(current_setting('deskbell.org', true), ''), current_user = session_user"
ENDINGS = ("fine", "fine", "fine", "refused", "bug", "unsendable", "cancelled", "slow", "killed")


@pytest.fixture(scope="module")
def url(postgres_url: str) -> str:
    url = fresh_database(postgres_url)
    with running(url):
        return url


@asynccontextmanager
async def database(url: str, pool: int) -> AsyncIterator[PostgresDatabase]:
    made = PostgresDatabase(url, pool=pool)
    yield made
    await made.stop()


async def say(session: PostgresSession, sql: str, *values: Any) -> list[Any]:
    return [tuple(row) for row in await session.send(session.connection.fetch, sql, values)]


async def kill(url: str, pid: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"SELECT pg_terminate_backend({pid})")
    await connection.close()


async def transaction(made: PostgresDatabase, chance: random.Random) -> None:
    """One transaction that ends in some way. Fails if it is not its own organization's throughout."""
    organization, ending = chance.choice([None, str(uuid4())]), chance.choice(ENDINGS)
    mine = [(organization or "", "deskbell_system" if organization is None else "deskbell_app")]

    async def work(session: PostgresSession) -> None:
        for _ in range(chance.randrange(3)):
            assert await say(session, WHO) == mine
        if ending == "refused":
            await say(session, "SELECT 1 / 0")
        elif ending == "bug":
            raise KeyError(ending)
        elif ending == "unsendable":
            await say(session, "SELECT $1::int", 2**40)
        elif ending == "slow":
            await say(session, "SELECT pg_sleep(30)")
        elif ending == "killed":
            await kill(made.url, (await say(session, "SELECT pg_backend_pid()"))[0][0])
        else:
            await say(session, "SELECT pg_sleep(0.002)")
        assert await say(session, WHO) == mine

    task = asyncio.ensure_future((made.write if chance.random() < 0.5 else made.read)(work, organization))
    if ending == "cancelled":
        asyncio.get_running_loop().call_later(chance.random() / 50, task.cancel)
    with contextlib.suppress(KeyError, asyncpg.DataError, DatabaseFailure, asyncio.CancelledError):
        await task


async def ordeal(url: str, transactions: int, seed: int) -> None:
    chance, doorway = random.Random(seed), asyncio.Semaphore(12)
    async with database(url, 4) as made:

        async def one() -> None:
            async with doorway:
                await transaction(made, chance)

        await asyncio.gather(*(one() for _ in range(transactions)))
        assert not made.pool.used
        assert made.pool.places == len(made.pool.free) <= 4
        for each in made.pool.free:
            if each.raw.is_closed():
                continue
            assert not each.raw.is_in_transaction()
            with contextlib.suppress(TimeoutError, asyncpg.QueryCanceledError):
                assert [tuple(row) for row in await each.raw.fetch(STATE)] == [("", True)]
        answers = [await patiently(made) for _ in range(4)]
        assert answers == [[(7,)]] * 4


async def patiently(made: PostgresDatabase) -> list[Any]:
    """A read, tried again where the machine was slower than the database's short patience."""
    for _ in range(100):
        with contextlib.suppress(DatabaseFailure):
            return await made.read(lambda session: say(session, "SELECT 7"))
    raise AssertionError("no read comes through")


def test_nothing_is_left_of_a_transaction_however_it_ends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER", 0.3)
    asyncio.run(ordeal(url, 150, 1))


@pytest.mark.parametrize("way", ["read", "write"])
def test_a_value_that_cannot_be_sent_leaves_nothing_and_is_not_tried_again(url: str, way: str) -> None:
    tries = []

    async def work(session: PostgresSession) -> None:
        tries.append(session.connection)
        await say(session, "SELECT $1::int", 2**40)

    async def tried() -> None:
        async with database(url, 1) as made:
            await made.system_fetch(STATE)
            with pytest.raises(asyncpg.DataError, match="int32"):
                await getattr(made, way)(work, str(uuid4()))
            assert [tuple(row) for row in await made.system_fetch(STATE)] == [("", True)]

    asyncio.run(tried())
    assert len(tries) == 1


@pytest.mark.parametrize("wrong", ["late", "lasting", "gone"])
def test_a_driver_that_does_not_fit_is_told_of_at_once(url: str, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """As drivers would that buffer what is written, or keep what is set, or have nothing to write to."""
    fetch = Connection.fetch

    async def odd(self: Connection, sql: str, values: tuple[Any, ...], opening: bytes = b"") -> list[Any]:
        if wrong == "gone":
            return self.raw.no_transport  # type: ignore[no-any-return]
        if wrong == "lasting" and opening:
            await self.raw.execute("SET deskbell.org = 'proof'")
        return await fetch(self, sql, values)

    monkeypatch.setattr(Connection, "proven", False)
    monkeypatch.setattr(Connection, "fetch", odd)

    async def tried() -> None:
        async with database(url, 1) as made:
            for _ in range(2):
                with pytest.raises(DatabaseFailure, match=r"asyncpg .* does not fit this Deskbell"):
                    await made.read(lambda session: say(session, WHO))
            assert made.pool.places == 0

    asyncio.run(tried())
    assert not Connection.proven
