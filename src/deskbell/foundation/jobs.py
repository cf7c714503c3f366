"""Work that leaves the request: enqueued in the caller's transaction, done at least once, ended in the handler's own transaction.

One column says when a job is due. A delay sets it ahead; a claim moves it ahead by the lease, so that a dead worker's job
becomes due again; a failure moves it ahead by the backoff. A handler that records its effect with `Work.complete` has effect and
end in one transaction, hence the effect exactly once. Failed jobs stay, with their traceback.

A queue has workers of its own, so that what takes long never keeps a text waiting.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Column, Delete, Index, Integer, Select, Table, Text, Update, delete, func, select, update

from deskbell.foundation import clock
from deskbell.foundation.db import (
    ID,
    JSON,
    TIMESTAMP,
    Database,
    DatabaseFailure,
    Session,
    command,
    insert,
    query,
    schema,
)
from deskbell.foundation.ids import new_id

T = TypeVar("T")
log = logging.getLogger(__name__)

LEASE = 60.0  # seconds until a claimed job is taken to be orphaned
BACKOFF = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 300.0)  # seconds before each further attempt
AT_ONCE = 16
PARTITION = "any"  # of jobs that say none
POLL = 0.2  # seconds between looks at the clock and at other processes' writes

jobs = Table(
    "jobs",
    schema,
    Column("id", ID, primary_key=True),
    Column("organization_id", ID),
    Column("queue", Text, nullable=False),
    Column("lane", Text, nullable=False, key="partition"),
    Column("kind", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("due_at", TIMESTAMP, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("dedupe", Text, key="unique_key"),
    Column("claim", Text),
    Column("error", Text),
    Column("failed_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
)
Index("jobs_due", jobs.c.queue, jobs.c.due_at, jobs.c.id)
Index("jobs_by_lane", jobs.c.queue, jobs.c.organization_id, jobs.c.partition, jobs.c.due_at, jobs.c.id)
Index("jobs_dedupe", jobs.c.unique_key, unique=True)


class Job(msgspec.Struct):
    """A claimed job. `attempts` counts this one; `claim` is this attempt's own mark."""

    id: str
    organization_id: str | None
    partition: str
    kind: str
    payload: msgspec.Raw
    attempts: int
    claim: str | None


job_columns = [jobs.c[name] for name in Job.__struct_fields__]


@query(Job)
def due_jobs(queue: str, moment: str, most: int) -> Select[Any]:
    due = select(*job_columns).where(jobs.c.queue == queue, jobs.c.due_at <= moment, jobs.c.failed_at.is_(None))
    return due.order_by(jobs.c.due_at, jobs.c.id).limit(most).with_for_update(skip_locked=True)


@query(str)
def next_due(queue: str) -> Select[Any]:
    return select(func.min(jobs.c.due_at)).where(jobs.c.queue == queue, jobs.c.failed_at.is_(None))


@query(str)
def live_job(unique_key: str) -> Select[Any]:
    return select(jobs.c.id).where(jobs.c.unique_key == unique_key, jobs.c.failed_at.is_(None))


@command
def claim_job(id: str, claim: str, lease_end: str) -> Update:
    return update(jobs).where(jobs.c.id == id).values(claim=claim, due_at=lease_end, attempts=jobs.c.attempts + 1)


@command
def renew_claim(id: str, claim: str, lease_end: str) -> Update:
    return update(jobs).where(jobs.c.id == id, jobs.c.claim == claim).values(due_at=lease_end)


@command
def end_job(id: str, claim: str) -> Delete:
    return delete(jobs).where(jobs.c.id == id, jobs.c.claim == claim)


@command
def postpone_job(id: str, claim: str, due_at: str, error: str) -> Update:
    return update(jobs).where(jobs.c.id == id, jobs.c.claim == claim).values(due_at=due_at, error=error)


@command
def fail_job(id: str, claim: str, moment: str, error: str) -> Update:
    return update(jobs).where(jobs.c.id == id, jobs.c.claim == claim).values(failed_at=moment, error=error)


@command
def drop_jobs(kind: str) -> Delete:
    return delete(jobs).where(jobs.c.kind == kind)


@command
def release_claims(moment: str) -> Update:
    return update(jobs).where(jobs.c.claim.is_not(None), jobs.c.failed_at.is_(None)).values(due_at=moment, claim=None)


async def enqueue(
    session: Session,
    kind: str,
    payload: Mapping[str, Any],
    *,
    organization_id: str | None = None,
    delay: float = 0,
    unique_key: str | None = None,
    queue: str = "",
    partition: str = PARTITION,
) -> None:
    """Adds a job in the present transaction, due after `delay` seconds. At most one live job has a given `unique_key`.

    Partitions of an organization take turns where the queue's worker is fair (`fair_worker.py`).
    """
    if unique_key is not None and await session.one(live_job(unique_key)) is not None:
        return
    row = {
        "id": new_id(),
        "organization_id": organization_id,
        "queue": queue,
        "partition": partition,
        "kind": kind,
        "payload": msgspec.json.encode(payload).decode(),
        "attempts": 0,
    }
    row |= {"due_at": clock.seconds_from_now(delay), "unique_key": unique_key, "created_at": clock.now()}
    await session.run(insert(jobs, row))


async def release(session: Session) -> None:
    """Makes claimed jobs due at once. For a start after which no earlier process can still be at work."""
    await session.run(release_claims(clock.now()))


async def drop(session: Session, kind: str) -> None:
    """Forgets every job of a kind, for a database that is put back to an earlier state."""
    await session.run(drop_jobs(kind))


class Retry(Exception):
    """Raised by a handler whose job must be tried again later; says why, in words for the log."""


class ClaimLost(Exception):
    """The lease ran out and the job belongs to another attempt; what this one wanted to record is undone."""


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
        """`write`, and the lease begins anew: for a job that takes long and stores parts. Refused when the claim was lost."""

        async def unit(session: Session) -> T:
            if not await session.run(renew_claim(self.job.id, self.job.claim or "", clock.seconds_from_now(LEASE))):
                raise ClaimLost(self.job.id)
            return await work(session)

        return await self.write(unit)

    async def complete(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Records the outcome and ends the job, in one transaction; refused when the claim was lost."""

        async def unit(session: Session) -> T:
            if not await session.run(end_job(self.job.id, self.job.claim or "")):
                raise ClaimLost(self.job.id)
            return await work(session)

        result = await self.database.write(unit, self.job.organization_id)
        self.ended = True
        return result


Handler = Callable[[Work], Awaitable[None]]


class Worker:
    """Claims due jobs of one queue and runs their handlers, at most `at_once` at a time, until it is stopped."""

    def __init__(
        self, database: Database, handlers: Mapping[str, Handler], *, queue: str = "", at_once: int = AT_ONCE
    ) -> None:
        self.database = database
        self.handlers = handlers
        self.queue = queue
        self.at_once = at_once
        self.running: dict[str, asyncio.Task[None]] = {}
        self.claimed: dict[str, Job] = {}  # those that run
        self.woken = asyncio.Event()
        self.stopping = False

    def wake(self) -> None:
        """Says that a job may have become due."""
        self.woken.set()

    async def run(self) -> None:
        while not self.stopping:
            try:
                claimed = await self.claim()
            except DatabaseFailure as error:
                log.warning("jobs: %s", error)
                claimed = 0
            except Exception:
                log.exception("jobs could not be claimed; it is tried again")
                claimed = 0
            if not claimed:
                await self.idle()

    async def idle(self) -> None:
        """Sleeps until woken, or for the poll interval."""
        self.woken.clear()
        try:
            async with asyncio.timeout(POLL):
                await self.woken.wait()
        except TimeoutError:
            return

    async def stop(self, grace: float) -> None:
        """Takes no more jobs and gives those that run `grace` seconds; what is left becomes due again elsewhere."""
        self.stopping = True
        self.wake()
        if self.running:
            await asyncio.wait(self.running.values(), timeout=grace)
        for task in self.running.values():
            task.cancel()

    async def claim(self) -> int:
        room = self.at_once - len(self.running)
        if room <= 0:
            return 0
        due = await self.database.read(lambda session: session.one(next_due(self.queue)))
        if due is None or due > clock.now():
            return 0
        claimed = await self.database.write(lambda session: self.claim_batch(session, room))
        for job in claimed:
            self.claimed[job.id] = job
            self.running[job.id] = task = asyncio.create_task(self.run_job(job))
            task.add_done_callback(partial(self.done, job.id))
        return len(claimed)

    async def claim_batch(self, session: Session, most: int) -> list[Job]:
        """Claims due jobs. One that runs here is not claimed again, even if the clock has jumped past its lease."""
        due = await session.all(due_jobs(self.queue, clock.now(), most + len(self.running)))
        found = [job for job in due if job.id not in self.running][:most]
        for job in found:
            await self.claim_one(session, job)
        return found

    async def claim_one(self, session: Session, job: Job) -> None:
        job.claim = new_id()
        job.attempts += 1
        await session.run(claim_job(job.id, job.claim, clock.seconds_from_now(LEASE)))

    def done(self, id: str, task: asyncio.Task[None]) -> None:
        del self.running[id], self.claimed[id]
        self.wake()

    async def run_job(self, job: Job) -> None:
        work = Work(job, self.database)
        claim = job.claim or ""
        try:
            await self.handlers[job.kind](work)
            if not work.ended:
                await self.database.write(lambda session: session.run(end_job(job.id, claim)))
        except ClaimLost:
            log.warning("job %s %s: the lease ran out before it ended", job.kind, job.id)
        except (Retry, DatabaseFailure) as reason:
            wait = clock.seconds_from_now(BACKOFF[min(job.attempts, len(BACKOFF)) - 1])
            await self.settle(postpone_job(job.id, claim, wait, str(reason)))
        except Exception:
            text = traceback.format_exc()
            log.error("job %s %s failed\n%s", job.kind, job.id, text)
            await self.settle(fail_job(job.id, claim, clock.now(), text))

    async def settle(self, statement: Any) -> None:
        """Records what became of an attempt; if even that fails, the lease will bring the job back."""
        try:
            await self.database.write(lambda session: session.run(statement))
        except DatabaseFailure as error:
            log.warning("jobs: %s", error)
