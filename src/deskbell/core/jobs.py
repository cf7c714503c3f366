"""Background jobs of an organization: what a handler receives, and how a transaction queues a job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

from deskbell.core.context import Context, job_context
from deskbell.foundation import clock, jobs
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import Session
from deskbell.foundation.jobs import PARTITION
from deskbell.foundation.worker import Handler, Work

T = TypeVar("T")


class JobContext:
    """What a job's handler receives. The handler may await anything; the transactions that it starts here, their session only.

    `attempts` includes the current one. A handler that returns without `complete` completes its job in a separate transaction.
    """

    __slots__ = ("work",)

    def __init__(self, work: Work) -> None:
        self.work = work

    @property
    def organization_id(self) -> str:
        return self.work.job.organization_id or ""

    @property
    def attempts(self) -> int:
        return self.work.job.attempts

    def unit(self, action: Callable[[Context], Coroutine[Any, Any, T]]) -> Callable[[Session], Coroutine[Any, Any, T]]:
        async def in_organization(session: Session) -> T:
            return await action(await job_context(session, self.organization_id, self.work.job.kind))

        return in_organization

    async def read(self, action: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.work.read(self.unit(action))

    async def write(self, action: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        """A transaction that does not end the job."""
        return await self.work.write(self.unit(action))

    async def heartbeat(self, action: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        """`write`, and renews the job's lease: for a long job that stores its work in parts."""
        return await self.work.heartbeat(self.unit(action))

    async def complete(self, action: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        """Stores the outcome and completes the job in one transaction, so that it takes effect exactly once."""
        return await self.work.complete(self.unit(action))

    async def keeping_claim(self, action: Coroutine[Any, Any, T]) -> T:
        """Awaits a long action outside the database while renewing the job's lease. Cancels the action if the lease is lost."""
        task = asyncio.ensure_future(action)
        try:
            while not (await asyncio.wait({task}, timeout=jobs.LEASE / 3))[0]:
                await self.work.heartbeat(do_nothing)
            return task.result()
        finally:
            task.cancel()


async def do_nothing(session: Session) -> None:
    """For a transaction that only renews a lease."""


JobHandler = Callable[[JobContext, Any], Awaitable[None]]


def worker_handler(handler: JobHandler) -> Handler:
    """Adapts a handler of `(ctx, job)` for the worker. The type of its second argument is that of the payload."""
    kind = next(hint for name, hint in get_type_hints(handler).items() if name != "return" and hint is not JobContext)

    async def run(work: Work) -> None:
        await handler(JobContext(work), work.payload(kind))

    return run


async def enqueue(
    ctx: Context,
    kind: str,
    payload: msgspec.Struct | Mapping[str, Any],
    *,
    delay: float = 0,
    at: Instant | None = None,
    unique_key: str | None = None,
    queue: str = "",
    partition: str = PARTITION,
) -> None:
    """Queues a job of this organization in the current transaction, due after `delay` seconds, or `at` a time on its clock."""
    if at is not None:
        delay = (clock.moment(at) - clock.moment(ctx.now)).total_seconds()
    fields = msgspec.structs.asdict(payload) if isinstance(payload, msgspec.Struct) else payload
    await jobs.enqueue(
        ctx.db,
        kind,
        fields,
        organization_id=ctx.organization_id,
        delay=delay,
        unique_key=unique_key,
        queue=queue,
        partition=partition,
    )
