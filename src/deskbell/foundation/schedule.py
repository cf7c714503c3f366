"""Recurring jobs. Each is one row of the job queue under its name: claimed by one worker of all, put off to its next run
after each, whether that went well or not. The row keeps when it ran last, and the error of a run that failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Delete, Update, case, delete, or_, update

from deskbell.foundation import clock
from deskbell.foundation.db import Session, command
from deskbell.foundation.jobs import enqueue, jobs, live_job
from deskbell.foundation.worker import Handler


class Recurring(NamedTuple):
    """A job that runs every so many seconds. Its name is the kind of its job; the handler is an ordinary job's."""

    name: str
    every: int
    handler: Handler


def handlers(recurring: Iterable[Recurring]) -> dict[str, Handler]:
    """What a worker runs them by."""
    return {each.name: each.handler for each in recurring}


async def ensure(session: Session, recurring: Iterable[Recurring]) -> None:
    """Sees that each has its row: a missing one is due at once, one with another interval not later than that from now."""
    for each in recurring:
        await session.run(delete_failed(each.name))
        if await session.one(live_job(each.name)) is None:
            await enqueue(session, each.name, {}, unique_key=each.name, interval_seconds=each.every)
        else:
            await session.run(set_interval(each.name, each.every, clock.seconds_from_now(each.every)))


@command
def delete_failed(name: str) -> Delete:
    """Earlier versions ended a recurring job for good when a run failed."""
    return delete(jobs).where(jobs.c.unique_key == name, jobs.c.failed_at.is_not(None))


@command
def set_interval(name: str, seconds: int, latest: str) -> Update:
    """Gives a recurring job that does not run at present its interval, and brings its next run forward to `latest`."""
    waiting = (jobs.c.unique_key == name, jobs.c.failed_at.is_(None), jobs.c.claim.is_(None))
    changed = or_(jobs.c.interval_seconds.is_distinct_from(seconds), jobs.c.due_at > latest)
    due = case((jobs.c.due_at > latest, latest), else_=jobs.c.due_at)
    return update(jobs).where(*waiting, changed).values(interval_seconds=seconds, due_at=due)
