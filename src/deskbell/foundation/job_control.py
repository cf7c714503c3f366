"""What an operator sees of the job queue and does to it: list, retry, delete. Across all organizations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Delete, Select, Update, delete, func, not_, null, select, update

from deskbell.foundation import clock
from deskbell.foundation.clock import Timestamp
from deskbell.foundation.db import InList, Session, command, query
from deskbell.foundation.jobs import jobs, live_job


class StoredJob(msgspec.Struct):
    """A row of the queue. `error` is a whole traceback, or the reason of the last retry."""

    id: str
    kind: str
    organization_id: str | None
    queue: str
    due_at: str
    attempts: int
    unique_key: str | None
    claim: str | None
    error: str | None
    failed_at: Timestamp | None
    created_at: Timestamp
    interval_seconds: int | None
    ran_at: Timestamp | None

    def state(self, kinds: Collection[str]) -> str:
        """`failed`, `unknown` (this version has no handler for its kind), `running`, `recurring` or `waiting`."""
        if self.failed_at is not None:
            return "failed"
        if self.kind not in kinds:
            return "unknown"
        if self.is_running():
            return "running"
        return "waiting" if self.interval_seconds is None else "recurring"

    def is_running(self) -> bool:
        """Whether a worker holds its claim. A worker that died does so until the lease ends."""
        return self.failed_at is None and self.claim is not None and self.due_at > clock.now()

    def last_line(self) -> str:
        """What went wrong the last time, in short."""
        lines = (self.error or "").strip().splitlines()
        return lines[-1] if lines else ""


async def retry(session: Session, job: StoredJob) -> bool:
    """Makes a job due now, with all its attempts. False where another job does the same work already."""
    if job.failed_at is not None and job.unique_key and await session.one(live_job(job.unique_key)) is not None:
        return False
    await session.run(make_due(job.id, clock.now()))
    return True


_stored = [jobs.c[name] for name in StoredJob.__struct_fields__]


@query(StoredJob)
def job_row(id: str) -> Select[Any]:
    return select(*_stored).where(jobs.c.id == id)


@query(StoredJob)
def failed_jobs(most: int) -> Select[Any]:
    """The latest failure first."""
    found = select(*_stored).where(jobs.c.failed_at.is_not(None))
    return found.order_by(jobs.c.failed_at.desc(), jobs.c.id.desc()).limit(most)


@query(StoredJob)
def live_jobs(most: int) -> Select[Any]:
    """All others, the next one first."""
    return select(*_stored).where(jobs.c.failed_at.is_(None)).order_by(jobs.c.due_at, jobs.c.id).limit(most)


@query(StoredJob)
def unknown_jobs(kinds: str, most: int) -> Select[Any]:
    """Jobs of none of these kinds, a JSON list."""
    found = select(*_stored).where(jobs.c.failed_at.is_(None), not_(InList(jobs.c.kind, kinds)))
    return found.order_by(jobs.c.due_at, jobs.c.id).limit(most)


@query(StoredJob)
def failing_recurring_jobs() -> Select[Any]:
    """Recurring jobs whose last run failed."""
    found = select(*_stored).where(jobs.c.interval_seconds.is_not(None), jobs.c.error.is_not(None))
    return found.order_by(jobs.c.kind)


class Counts(msgspec.Struct):
    """How many jobs there are; those overdue are late by a minute."""

    failed: int
    live: int
    unknown: int
    overdue: int


@query(Counts)
def job_counts(kinds: str, moment: str) -> Select[Any]:
    """Counts by the kinds that are known, a JSON list, and the moment at which jobs should have begun."""
    live = jobs.c.failed_at.is_(None)
    counts: list[Any] = [
        func.count(jobs.c.failed_at).label("failed"),
        func.count().filter(live).label("live"),
        func.count().filter(live, not_(InList(jobs.c.kind, kinds))).label("unknown"),
        func.count().filter(live, InList(jobs.c.kind, kinds), jobs.c.due_at < moment).label("overdue"),
    ]
    return select(*counts).select_from(jobs)


@command
def make_due(id: str, moment: str) -> Update:
    return (
        update(jobs)
        .where(jobs.c.id == id)
        .values(due_at=moment, attempts=0, claim=null(), error=null(), failed_at=null())
    )


@command
def delete_job(id: str) -> Delete:
    return delete(jobs).where(jobs.c.id == id)
