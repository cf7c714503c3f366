"""A worker whose organizations take turns: however much one has queued, another's job is the next but one at most.

An organization's jobs are in partitions, which take turns among themselves; within a partition they go by age. So a knowledge
base with many queued files delays neither another business nor another knowledge base of the same business.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Select, select

from deskbell.foundation import clock
from deskbell.foundation.db import InList, Session, query
from deskbell.foundation.ids import NO_ID
from deskbell.foundation.jobs import Job, job_columns, jobs
from deskbell.foundation.worker import Worker

REMEMBERED = 10_000  # organizations whose last partition is remembered
FIRST = ""  # before all partitions


@query(str)
def next_owner(queue: str, kinds: str, moment: str, organization_id: str) -> Select[Any]:
    """The organization behind this one that has a due job."""
    due = (jobs.c.queue == queue, jobs.c.organization_id > organization_id, jobs.c.due_at <= moment)
    found = select(jobs.c.organization_id).where(*due, jobs.c.failed_at.is_(None), InList(jobs.c.kind, kinds))
    return found.order_by(jobs.c.organization_id).limit(1)


@query(Job)
def due_in_turn(queue: str, kinds: str, organization_id: str, moment: str, partition: str, most: int) -> Select[Any]:
    """Due jobs of an organization, those of the partition behind this one first."""
    due = (jobs.c.queue == queue, jobs.c.organization_id == organization_id, jobs.c.due_at <= moment)
    found = select(*job_columns).where(*due, jobs.c.failed_at.is_(None), jobs.c.partition > partition)
    found = found.where(InList(jobs.c.kind, kinds))
    return found.order_by(jobs.c.partition, jobs.c.due_at, jobs.c.id).limit(most).with_for_update(skip_locked=True)


class FairWorker(Worker):
    """Runs at most `each` jobs of one organization at a time. Every job of its queue belongs to one."""

    def __init__(self, *args: Any, each: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.each = each
        self.last = NO_ID
        self.partitions: dict[str, str] = {}

    async def claim_batch(self, session: Session, most: int) -> list[Job]:
        """Claims due jobs, one of each organization in turn."""
        found: list[Job] = []
        idle: set[str] = set()  # whose turn gave nothing since the last job
        while len(found) < most:
            owner = await self.next_owner(session)
            if owner is None or owner in idle:
                break
            job = await self.next_job(session, owner, found)
            if job is None:
                idle.add(owner)
                continue
            idle.clear()
            await self.claim_one(session, job)
            found.append(job)
        return found

    async def next_owner(self, session: Session) -> str | None:
        moment = clock.now()
        owner = await session.one(next_owner(self.queue, self.kinds, moment, self.last))
        if owner is None and self.last != NO_ID:
            owner = await session.one(next_owner(self.queue, self.kinds, moment, NO_ID))
        self.last = owner or NO_ID
        return owner

    async def next_job(self, session: Session, owner: str, found: list[Job]) -> Job | None:
        """The next of an organization's jobs, unless it has `each` running."""
        in_flight = Counter(job.organization_id for job in (*self.claimed.values(), *found))
        if in_flight[owner] >= self.each:
            return None
        last = self.partitions.get(owner, FIRST)
        for partition in (last, FIRST) if last else (FIRST,):
            due = await session.all(
                due_in_turn(self.queue, self.kinds, owner, clock.now(), partition, 1 + len(self.claimed))
            )
            for job in due:
                if job.id not in self.claimed:
                    self.remember(owner, job.partition)
                    return job
        return None

    def remember(self, owner: str, partition: str) -> None:
        if len(self.partitions) >= REMEMBERED:
            self.partitions.clear()
        self.partitions[owner] = partition
