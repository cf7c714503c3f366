"""What all handlers of knowledge jobs need: transactions in the job's organization, and waiting without losing the job's claim."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from deskbell.core.context import Context, job_context
from deskbell.foundation.db import Session
from deskbell.foundation.jobs import LEASE
from deskbell.foundation.worker import Work

T = TypeVar("T")


def within(work: Work, act: Callable[[Context], Coroutine[Any, Any, T]]) -> Callable[[Session], Coroutine[Any, Any, T]]:
    """An action in the job's own organization, as a transaction."""

    async def unit(session: Session) -> T:
        return await act(await job_context(session, work.job.organization_id or "", work.job.kind))

    return unit


async def keeping_claim(work: Work, action: Coroutine[Any, Any, T]) -> T:
    """Waits for what takes long outside the database, and renews the job's claim meanwhile. Cancels it if the claim is lost."""
    task = asyncio.ensure_future(action)
    try:
        while not (await asyncio.wait({task}, timeout=LEASE / 3))[0]:
            await work.heartbeat(nothing)
        return task.result()
    finally:
        task.cancel()


async def nothing(session: Session) -> None:
    """For a transaction that only renews a claim or ends a job."""
