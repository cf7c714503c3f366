"""The job queue: work that leaves the request, enqueued in the transaction that wants it. `worker.py` runs it.

One column says when a job is due. A delay sets it ahead; a claim moves it ahead by the lease, so that a dead worker's job
becomes due again; a failure moves it ahead by the backoff. Failed jobs stay, with their traceback, until an operator retries or
drops them; so do jobs whose kind no worker knows. A recurring job (`schedule.py`) is a row that comes due again after each run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import Column, Delete, Index, Integer, Select, Table, Text, Update, delete, func, null, select, update

from deskbell.foundation import clock
from deskbell.foundation.db import ID, JSON, TIMESTAMP, Bound, InList, Session, command, insert, query, schema
from deskbell.foundation.ids import new_id

LEASE = 60.0  # seconds after which a claimed job without a heartbeat is taken to be orphaned
BACKOFF = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 300.0)  # seconds before each further attempt
PARTITION = "any"  # of jobs that name none

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
    Column("interval_seconds", Integer),
    Column("ran_at", TIMESTAMP),
)
Index("jobs_due", jobs.c.queue, jobs.c.due_at, jobs.c.id)
Index("jobs_by_lane", jobs.c.queue, jobs.c.organization_id, jobs.c.partition, jobs.c.due_at, jobs.c.id)
Index("jobs_failed", jobs.c.failed_at, jobs.c.id)
Index("jobs_dedupe", jobs.c.unique_key, unique=True)


class Job(msgspec.Struct):
    """A claimed job. `attempts` counts this one; `claim` identifies this attempt; a recurring job has an interval."""

    id: str
    organization_id: str | None
    partition: str
    kind: str
    payload: msgspec.Raw
    attempts: int
    claim: str | None
    interval_seconds: int | None


job_columns = [jobs.c[name] for name in Job.__struct_fields__]


class Retry(Exception):
    """Raised by a handler whose attempt has failed and must be repeated after the backoff; its text is for the log."""


class Postpone(Exception):
    """Raised by a handler that cannot do its work before `until`, a stored moment. Uses no attempt and records no error."""

    def __init__(self, until: str) -> None:
        super().__init__(until)
        self.until = until


class ClaimLost(Exception):
    """The lease ran out and the job belongs to another attempt; what this one wanted to record is undone."""


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
    interval_seconds: int | None = None,
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
        "interval_seconds": interval_seconds,
    }
    row |= {"due_at": clock.seconds_from_now(delay), "unique_key": unique_key, "created_at": clock.now()}
    await session.run(insert(jobs, row))


async def release(session: Session) -> None:
    """Makes claimed jobs due at once. For a start after which no earlier process can still be at work."""
    await session.run(release_claims(clock.now()))


async def drop(session: Session, kind: str) -> None:
    """Deletes every job of a kind, for a database that is put back to an earlier state."""
    await session.run(drop_jobs(kind))


# What a worker asks and records. Other workers need no notification of the latter: nothing becomes due earlier by it.
SILENT = {"notify": False}


@query(str)
def next_due(queue: str, kinds: str) -> Select[Any]:
    """When the first job of these kinds, a JSON list, is due."""
    found = select(jobs.c.due_at).where(jobs.c.queue == queue, jobs.c.failed_at.is_(None), InList(jobs.c.kind, kinds))
    return found.order_by(jobs.c.due_at).limit(1)


@query(Job)
def due_jobs(queue: str, kinds: str, moment: str, most: int) -> Select[Any]:
    due = select(*job_columns).where(jobs.c.queue == queue, jobs.c.due_at <= moment, jobs.c.failed_at.is_(None))
    due = due.where(InList(jobs.c.kind, kinds))
    return due.order_by(jobs.c.due_at, jobs.c.id).limit(most).with_for_update(skip_locked=True)


@query(str)
def live_job(unique_key: str) -> Select[Any]:
    return select(jobs.c.id).where(jobs.c.unique_key == unique_key, jobs.c.failed_at.is_(None))


@command
def claim_job(id: str, claim: str, lease_end: str) -> Update:
    claimed = update(jobs).where(jobs.c.id == id)
    return claimed.values(claim=claim, due_at=lease_end, attempts=jobs.c.attempts + 1).execution_options(**SILENT)


@command
def renew_claim(id: str, claim: str, lease_end: str) -> Update:
    return own_job(id, claim).values(due_at=lease_end)


@command
def end_job(id: str, claim: str) -> Delete:
    return delete(jobs).where(jobs.c.id == id, jobs.c.claim == claim).execution_options(**SILENT)


@command
def await_next_run(id: str, claim: str, due_at: str, ran_at: str, error: str) -> Update:
    """Puts a recurring job off until its next run; `error` is empty if this one succeeded."""
    return own_job(id, claim).values(
        due_at=due_at, claim=null(), attempts=0, ran_at=ran_at, error=func.nullif(error, "")
    )


@command
def await_retry(id: str, claim: str, due_at: str, error: str) -> Update:
    return own_job(id, claim).values(due_at=due_at, claim=null(), error=error)


@command
def postpone_job(id: str, claim: str, due_at: str) -> Update:
    return own_job(id, claim).values(due_at=due_at, claim=null(), attempts=jobs.c.attempts - 1, error=null())


@command
def fail_job(id: str, claim: str, moment: str, error: str) -> Update:
    return own_job(id, claim).values(failed_at=moment, claim=null(), error=error)


@command
def drop_jobs(kind: str) -> Delete:
    return delete(jobs).where(jobs.c.kind == kind)


@command
def release_claims(moment: str) -> Update:
    return update(jobs).where(jobs.c.claim.is_not(None), jobs.c.failed_at.is_(None)).values(due_at=moment, claim=null())


def own_job(id: Any, claim: Any) -> Update:
    """A change of a job by the attempt that holds its claim."""
    return update(jobs).where(jobs.c.id == id, jobs.c.claim == claim).execution_options(**SILENT)


def succeeded(job: Job) -> Bound[None]:
    """What a successful run leaves of its job: nothing, or its next run."""
    if job.interval_seconds is None:
        return end_job(job.id, job.claim or "")
    return next_run(job, "")


def failed(job: Job, error: str) -> Bound[None]:
    """What a run that failed for good leaves: a failed job for an operator, or the next run of a recurring one."""
    if job.interval_seconds is None:
        return fail_job(job.id, job.claim or "", clock.now(), error)
    return next_run(job, error)


def next_run(job: Job, error: str) -> Bound[None]:
    due = clock.seconds_from_now(job.interval_seconds or 0)
    return await_next_run(job.id, job.claim or "", due, clock.now(), error)


def retried(job: Job, reason: str) -> Bound[None]:
    """What an attempt leaves that is to be repeated after the backoff."""
    due = clock.seconds_from_now(BACKOFF[min(job.attempts, len(BACKOFF)) - 1])
    return await_retry(job.id, job.claim or "", due, reason)


class DueJob(msgspec.Struct):
    id: str
    due_at: str


@query(DueJob)
def waiting_jobs(organization_id: str) -> Select[Any]:
    """An organization's jobs that wait for their moment."""
    found = select(jobs.c.id, jobs.c.due_at).where(jobs.c.organization_id == organization_id)
    return found.where(jobs.c.claim.is_(None), jobs.c.failed_at.is_(None)).order_by(jobs.c.id).with_for_update()


@command
def set_due(id: str, due_at: str) -> Update:
    return update(jobs).where(jobs.c.id == id).values(due_at=due_at)


async def bring_forward(session: Session, organization_id: str, seconds: int) -> None:
    """Makes an organization's waiting jobs due so many seconds earlier: its clock was set ahead, and jobs go by the system's."""
    for job in await session.all(waiting_jobs(organization_id)):
        due_at = clock.of(clock.moment(job.due_at) - timedelta(seconds=seconds))
        await session.run(set_due(job.id, due_at))
