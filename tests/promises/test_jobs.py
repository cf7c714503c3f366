"""What the job queue promises: sleep while there is nothing to do, every job kept until it is done or dropped, recurring jobs for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import time_machine

from deskbell.foundation import clock, jobs, schedule, sqlite
from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.jobs import Postpone, Retry
from deskbell.foundation.schedule import Recurring
from deskbell.foundation.sqlite import SqliteDatabase
from deskbell.foundation.worker import LONGEST_SLEEP, Handler, Work, Worker

HOUR = 3600
NOON = 2_000_000_000  # Unix time


class Timer:
    """Stands in for a worker's timer: notes for how long it would sleep, and never ends by itself."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.asleep = asyncio.Event()

    async def __call__(self, woken: asyncio.Event, seconds: float) -> None:
        self.seconds.append(seconds)
        self.asleep.set()
        await woken.wait()


class Desk:
    """A database, its one worker, and a clock that stands still."""

    def __init__(self, database: SqliteDatabase, handlers: dict[str, Handler], now: time_machine.Coordinates) -> None:
        self.database, self.now = database, now
        self.timer = Timer()
        self.worker = Worker(database, handlers, wait=self.timer)
        database.on_change("jobs", self.worker.wake)

    async def enqueue(self, kind: str, **options: Any) -> None:
        await self.database.write(lambda session: jobs.enqueue(session, kind, {}, **options))

    async def idle(self) -> None:
        """Waits until nothing is left to do for the present."""
        while True:
            self.timer.asleep.clear()
            if not self.worker.woken.is_set() and not self.worker.running and self.timer.seconds:
                return
            await self.timer.asleep.wait()

    async def later(self, seconds: float) -> None:
        """Lets time pass, at whose end the timer of a real worker would have rung."""
        self.now.shift(seconds)
        self.worker.wake()
        self.timer.seconds.clear()
        await self.idle()

    def rows(self, columns: str) -> list[Any]:
        return self.database.reader.connection.execute(f"SELECT {columns} FROM jobs ORDER BY created_at, id").fetchall()


@contextlib.asynccontextmanager
async def desk(folder: Path, /, *recurring: Recurring, **handlers: Handler) -> AsyncIterator[Desk]:
    path = str(folder / "deskbell.db")
    sqlite.prepare(path, migrate=True)
    with time_machine.travel(NOON, tick=False) as now:
        database = SqliteDatabase(path)
        opened = Desk(database, handlers | schedule.handlers(recurring), now)
        await database.write(lambda session: schedule.ensure(session, recurring))
        running = asyncio.create_task(opened.worker.run())
        try:
            yield opened
        finally:
            await opened.worker.stop(5)
            await running
            database.close()


def scenario(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        asyncio.run(asyncio.wait_for(test(tmp_path), None))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


async def nothing(work: Work) -> None:
    """A job that is done at once."""


async def bug(work: Work) -> None:
    raise ZeroDivisionError


@scenario
async def test_an_idle_worker_sleeps_as_long_as_it_may(folder: Path) -> None:
    async with desk(folder, known=nothing) as ours:
        await ours.idle()
        assert ours.timer.seconds == [LONGEST_SLEEP]


@scenario
async def test_a_worker_sleeps_until_the_next_job_is_due(folder: Path) -> None:
    async with desk(folder, known=nothing) as ours:
        await ours.idle()
        await ours.enqueue("known", delay=30)
        await ours.later(0)
        assert ours.timer.seconds[-1] == pytest.approx(30, abs=0.01)
        await ours.later(30)
        assert ours.rows("id") == []


@scenario
async def test_a_clock_set_forward_strands_no_job_for_longer_than_a_sleep(folder: Path) -> None:
    async with desk(folder, known=nothing) as ours:
        await ours.enqueue("known", delay=10 * HOUR)
        await ours.later(0)
        assert ours.timer.seconds[-1] == LONGEST_SLEEP


@scenario
async def test_a_new_job_wakes_the_worker_and_its_end_wakes_no_other(folder: Path) -> None:
    async with desk(folder, known=nothing) as ours:
        notified: list[str] = []
        ours.database.on_change("jobs", lambda: notified.append("jobs"))
        await ours.idle()
        await ours.enqueue("known")
        await ours.idle()
        assert ours.rows("id") == []
        assert notified == ["jobs"]


@scenario
async def test_a_postponed_job_has_used_no_attempt(folder: Path) -> None:
    attempts: list[int] = []

    async def not_yet(work: Work) -> None:
        attempts.append(work.job.attempts)
        if len(attempts) < 4:
            raise Postpone(clock.seconds_from_now(HOUR))

    async with desk(folder, wait=not_yet) as ours:
        await ours.enqueue("wait")
        await ours.later(0)
        for _ in range(3):
            assert ours.rows("attempts, error, failed_at, claim") == [(0, None, None, None)]
            await ours.later(HOUR)
        assert attempts == [1, 1, 1, 1]
        assert ours.rows("id") == []


@scenario
async def test_a_failed_attempt_is_counted_and_repeated(folder: Path) -> None:
    attempts: list[int] = []

    async def down(work: Work) -> None:
        attempts.append(work.job.attempts)
        raise Retry("the carrier is down")

    async with desk(folder, text=down) as ours:
        await ours.enqueue("text")
        await ours.later(0)
        assert ours.rows("attempts, error, failed_at, claim") == [(1, "the carrier is down", None, None)]
        await ours.later(jobs.BACKOFF[0])
        assert attempts == [1, 2]


@scenario
async def test_a_job_of_an_unknown_kind_is_left_for_a_version_that_knows_it(folder: Path) -> None:
    done: list[str] = []

    async def note(work: Work) -> None:
        done.append(work.job.kind)

    async with desk(folder, known=note) as ours:
        await ours.enqueue("gone")
        await ours.enqueue("known")
        await ours.later(0)
        assert done == ["known"]
        assert ours.rows("kind, attempts, claim, failed_at, error") == [("gone", 0, None, None, None)]
        assert ours.timer.seconds[-1] == LONGEST_SLEEP
    async with desk(folder, gone=note) as ours:
        await ours.later(0)
        assert done == ["known", "gone"]


@scenario
async def test_a_recurring_job_goes_on_after_a_failure(folder: Path) -> None:
    runs: list[str] = []

    async def flaky(work: Work) -> None:
        runs.append(clock.now())
        if len(runs) in (1, 2):
            raise ZeroDivisionError

    async with desk(folder, Recurring("tidy", HOUR, flaky)) as ours:
        await ours.later(0)
        [(error, ran_at, due_at, failed_at)] = ours.rows("error, ran_at, due_at, failed_at")
        assert error.endswith("ZeroDivisionError\n")
        assert (ran_at, due_at, failed_at) == (runs[0], clock.seconds_from_now(HOUR), None)
        await ours.later(HOUR)
        await ours.later(HOUR)
        assert len(runs) == 3
        assert ours.rows("error, ran_at, attempts") == [(None, runs[2], 0)]


@pytest.mark.parametrize("failure", [Retry("busy"), DatabaseFailure("full")])
def test_a_recurring_job_that_asks_for_a_retry_has_it_soon(tmp_path: Path, failure: Exception) -> None:
    runs: list[int] = []

    async def busy(work: Work) -> None:
        runs.append(work.job.attempts)
        if len(runs) == 1:
            raise failure

    @scenario
    async def test(folder: Path) -> None:
        async with desk(folder, Recurring("tidy", HOUR, busy)) as ours:
            await ours.later(0)
            await ours.later(jobs.BACKOFF[0])
            assert runs == [1, 2]
            assert ours.rows("due_at, error") == [(clock.seconds_from_now(HOUR), None)]

    test(tmp_path)


@scenario
async def test_what_a_recurring_job_completes_is_stored_with_its_next_run(folder: Path) -> None:
    async def tidy(work: Work) -> None:
        await work.complete(lambda session: jobs.enqueue(session, "gone", {}))

    async with desk(folder, Recurring("tidy", HOUR, tidy)) as ours:
        await ours.later(0)
        assert ours.rows("kind, due_at, claim") == [
            ("tidy", clock.seconds_from_now(HOUR), None),
            ("gone", clock.now(), None),
        ]


@scenario
async def test_a_new_interval_holds_from_the_next_start_and_an_old_failure_is_no_end(folder: Path) -> None:
    async with desk(folder, Recurring("tidy", 10 * HOUR, nothing)) as ours:
        await ours.later(0)
        await ours.database.write(lambda session: schedule.ensure(session, [Recurring("tidy", HOUR, nothing)]))
        assert ours.rows("due_at, interval_seconds") == [(clock.seconds_from_now(HOUR), HOUR)]
        ours.database.writer.submit(fail_all, None)
        await ours.database.write(lambda session: schedule.ensure(session, [Recurring("tidy", HOUR, nothing)]))
        assert ours.rows("interval_seconds, failed_at") == [(HOUR, None)]


async def fail_all(session: Any) -> None:
    """As an earlier version left a recurring job that had failed."""
    session.connection.execute("UPDATE jobs SET failed_at = created_at, interval_seconds = NULL")
