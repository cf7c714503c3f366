"""The connection by which a worker hears of others' writes: it costs an idle server nothing, and its loss is noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from deskbell.foundation import databases, jobs
from deskbell.foundation.postgres.database import PostgresDatabase
from deskbell.foundation.postgres.listener import keep_alive
from deskbell.foundation.schedule import Recurring, ensure, handlers
from deskbell.foundation.worker import Work, Worker
from tests.desk import PATIENCE, eventually
from tests.postgres import ask, fresh_database

A_WHILE = 2.5  # seconds
AT_ONCE = 10.0  # seconds, on a busy machine
LISTENING = "SELECT pid, query_start FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


@pytest.fixture
def url(postgres_url: str) -> str:
    url = fresh_database(postgres_url)
    databases.prepare(url, migrate=True)
    return url


@contextlib.asynccontextmanager
async def started(url: str) -> AsyncIterator[tuple[PostgresDatabase, asyncio.Event]]:
    """A worker's database that listens, and what is set at each notification of jobs."""
    database, notified = PostgresDatabase(url), asyncio.Event()
    database.on_change("jobs", notified.set)
    await database.start()
    try:
        await again(notified)
        yield database, notified
    finally:
        await database.stop()


async def again(notified: asyncio.Event, seconds: float = PATIENCE) -> None:
    await asyncio.wait_for(notified.wait(), seconds)
    notified.clear()


def test_a_lost_connection_is_replaced_and_later_jobs_are_heard_of(url: str) -> None:
    async def scenario() -> None:
        async with started(url) as (_, notified), started(url) as (other, _):
            await asyncio.to_thread(ask, url, f"SELECT pg_terminate_backend(pid) FROM ({LISTENING}) AS listening")
            await again(notified, AT_ONCE)  # for what may have been missed
            await other.write(lambda session: jobs.enqueue(session, "none", {}))
            await again(notified)

    asyncio.run(scenario())


def test_an_idle_worker_asks_nothing(url: str) -> None:
    async def scenario() -> None:
        async with started(url):
            before = await asyncio.to_thread(ask, url, LISTENING)
            await asyncio.sleep(A_WHILE)
            assert await asyncio.to_thread(ask, url, LISTENING) == before
            assert len(before) == 1

    asyncio.run(scenario())


def test_a_silent_network_is_noticed_by_the_system() -> None:
    with socket.socket() as found:
        keep_alive(SimpleNamespace(_transport=SimpleNamespace(get_extra_info=lambda name: found)))
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, every, times = (
            found.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + every * times <= 5


def test_of_many_workers_one_runs_a_recurring_job(url: str) -> None:
    runs: list[int] = []

    async def tidy(work: Work) -> None:
        runs.append(work.job.attempts)

    async def scenario() -> None:
        recurring = [Recurring("tidy", 3600, tidy)]
        async with contextlib.AsyncExitStack() as stack:
            databases = [(await stack.enter_async_context(started(url)))[0] for _ in range(3)]
            crowd = [Worker(each, handlers(recurring)) for each in databases]
            running = [asyncio.create_task(each.run()) for each in crowd]
            await asyncio.gather(*(each.write(lambda session: ensure(session, recurring)) for each in databases))
            for turn in range(1, 4):
                for worker in crowd:
                    worker.wake()
                await asyncio.to_thread(eventually, lambda: ask(url, SETTLED) and len(runs) == turn)  # noqa: B023
                if turn < 3:
                    await asyncio.to_thread(ask, url, "UPDATE jobs SET due_at = now()")
            await asyncio.gather(*(each.stop(PATIENCE) for each in crowd), *running)

    asyncio.run(scenario())
    assert runs == [1, 1, 1]
    assert len(ask(url, "SELECT FROM jobs")) == 1


SETTLED = "SELECT FROM jobs WHERE claim IS NULL AND due_at > now() AND error IS NULL"
