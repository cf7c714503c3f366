"""Runs the jobs of a queue: each at least once, and exactly once in effect where the handler records it with `Work.complete`.

A queue has workers of its own, so that what takes long never keeps a text waiting. An idle worker sleeps until it is notified
of a new job, or until the next known one is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from deskbell.foundation import clock, jobs
from deskbell.foundation.db import Bound, Database, DatabaseFailure, Session
from deskbell.foundation.ids import new_id
from deskbell.foundation.jobs import ClaimLost, Job, Postpone, Retry

T = TypeVar("T")
log = logging.getLogger(__name__)

AT_ONCE = 16
LONGEST_SLEEP = 60.0  # seconds: timers do not follow a wall clock that is set forward, and a notification can be lost
RECHECK = 1.0  # seconds before the next look where due jobs could not be claimed
TIMER_SLACK = 0.001  # seconds by which a timer may be early


class Work:
    """What a handler is given: its job, and the database to act on it."""

    def __init__(self, job: Job, database: Database) -> None:
        self.job = job
        self.database = database
        self.ended = False

    def payload(self, kind: type[T]) -> T:
        return msgspec.json.decode(self.job.payload, type=kind)

    async def read(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Reads what belongs to the job's organization."""
        return await self.database.read(work, self.job.organization_id)

    async def write(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Runs a transaction of the job's organization without ending the job."""
        return await self.database.write(work, self.job.organization_id)

    async def heartbeat(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """`write`, and the lease begins again: for a job that takes long and stores parts. Refused when the claim was lost."""

        async def unit(session: Session) -> T:
            lease_end = clock.seconds_from_now(jobs.LEASE)
            if not await session.run(jobs.renew_claim(self.job.id, self.job.claim or "", lease_end)):
                raise ClaimLost(self.job.id)
            return await work(session)

        return await self.write(unit)

    async def complete(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Records the outcome and ends the job, in one transaction; refused when the claim was lost."""

        async def unit(session: Session) -> T:
            if not await session.run(jobs.succeeded(self.job)):
                raise ClaimLost(self.job.id)
            return await work(session)

        result = await self.write(unit)
        self.ended = True
        return result


Handler = Callable[[Work], Awaitable[None]]
Wait = Callable[[asyncio.Event, float], Awaitable[None]]


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Sleeps until the event is set, at most so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class Worker:
    """Claims due jobs of one queue and runs their handlers, at most `at_once` at a time, until it is stopped.

    Jobs of a kind without a handler are left alone: another version of the program may know them.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        queue: str = "",
        at_once: int = AT_ONCE,
        wait: Wait = wait,
    ) -> None:
        self.database = database
        self.handlers = handlers
        self.kinds = msgspec.json.encode(sorted(handlers)).decode()
        self.queue = queue
        self.at_once = at_once
        self.wait = wait
        self.running: dict[str, asyncio.Task[None]] = {}
        self.claimed: dict[str, Job] = {}  # those that run
        self.woken = asyncio.Event()
        self.stopping = False

    def wake(self) -> None:
        """Says that a job may have become due."""
        self.woken.set()

    async def run(self) -> None:
        """Works until `stop`."""
        while self.handlers and not self.stopping:
            self.woken.clear()
            if seconds := await self.claim_due():
                await self.wait(self.woken, seconds)

    async def stop(self, grace: float) -> None:
        """Takes no more jobs and gives those that run `grace` seconds; what is left becomes due again elsewhere."""
        self.stopping = True
        self.wake()
        if self.running:
            await asyncio.wait(self.running.values(), timeout=grace)
        for task in self.running.values():
            task.cancel()

    async def claim_due(self) -> float:
        """Starts what is due, as far as there is room; answers how many seconds to sleep if nothing wakes the worker."""
        try:
            return await self.start_due()
        except DatabaseFailure as error:
            log.warning("jobs: %s", error)
        except Exception:
            log.exception("jobs could not be claimed; it is tried again")
        return RECHECK

    async def start_due(self) -> float:
        room = self.at_once - len(self.running)
        if room <= 0:
            return LONGEST_SLEEP  # the end of a job wakes the worker
        due = await self.database.read(lambda session: session.one(jobs.next_due(self.queue, self.kinds)))
        if due is None:
            return LONGEST_SLEEP
        if (seconds := clock.seconds_until(due)) > 0:
            return min(seconds + TIMER_SLACK, LONGEST_SLEEP)
        claimed = await self.database.write(lambda session: self.claim_batch(session, room))
        for job in claimed:
            self.claimed[job.id] = job
            self.running[job.id] = task = asyncio.create_task(self.run_job(job))
            task.add_done_callback(partial(self.done, job.id))
        return 0 if claimed else RECHECK

    async def claim_batch(self, session: Session, most: int) -> list[Job]:
        """Claims due jobs. One that runs here is not claimed again, even if the clock has jumped past its lease."""
        found = await session.all(jobs.due_jobs(self.queue, self.kinds, clock.now(), most + len(self.running)))
        due = [job for job in found if job.id not in self.running][:most]
        for job in due:
            await self.claim_one(session, job)
        return due

    async def claim_one(self, session: Session, job: Job) -> None:
        job.claim = new_id()
        job.attempts += 1
        await session.run(jobs.claim_job(job.id, job.claim, clock.seconds_from_now(jobs.LEASE)))

    def done(self, id: str, task: asyncio.Task[None]) -> None:
        del self.running[id], self.claimed[id]
        self.wake()

    async def run_job(self, job: Job) -> None:
        work = Work(job, self.database)
        try:
            await self.handlers[job.kind](work)
            if not work.ended:
                await self.database.write(lambda session: session.run(jobs.succeeded(job)))
        except ClaimLost:
            log.warning("job %s %s: the lease ran out before it ended", job.kind, job.id)
        except Postpone as postponed:
            await self.record(jobs.postpone_job(job.id, job.claim or "", postponed.until))
        except (Retry, DatabaseFailure) as reason:
            await self.record(jobs.retried(job, str(reason)))
        except Exception:
            text = traceback.format_exc()
            log.error("job %s %s failed\n%s", job.kind, job.id, text)
            await self.record(jobs.failed(job, text))

    async def record(self, statement: Bound[None]) -> None:
        """Records what became of an attempt; if even that fails, the lease will bring the job back."""
        try:
            await self.database.write(lambda session: session.run(statement))
        except DatabaseFailure as error:
            log.warning("jobs: %s", error)
