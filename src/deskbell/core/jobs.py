"""Background work of an organization: what a job's handler is given, and how it is queued from a transaction."""

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
    """What a job's handler works with. It may await anything, but nothing else within the transactions that it makes here.

    `attempts` counts this one. A job that returns without `complete` is ended too, in a transaction of its own.
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

    def unit(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> Callable[[Session], Coroutine[Any, Any, T]]:
        async def in_organization(session: Session) -> T:
            return await act(await job_context(session, self.organization_id, self.work.job.kind))

        return in_organization

    async def read(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.work.read(self.unit(act))

    async def write(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        """A transaction that does not end the job."""
        return await self.work.write(self.unit(act))

    async def heartbeat(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        """`write`, and the job's lease begins again: for a job that takes long and stores its work in parts."""
        return await self.work.heartbeat(self.unit(act))

    async def complete(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        """Stores the outcome and ends the job in one transaction, so that the effect comes exactly once."""
        return await self.work.complete(self.unit(act))

    async def keeping_claim(self, action: Coroutine[Any, Any, T]) -> T:
        """Waits for what takes long outside the database, and renews the claim meanwhile. Cancels it if the claim is lost."""
        task = asyncio.ensure_future(action)
        try:
            while not (await asyncio.wait({task}, timeout=jobs.LEASE / 3))[0]:
                await self.work.heartbeat(nothing)
            return task.result()
        finally:
            task.cancel()


async def nothing(session: Session) -> None:
    """For a transaction that only renews a claim."""


JobHandler = Callable[[JobContext, Any], Awaitable[None]]


def handled(handler: JobHandler) -> Handler:
    """A handler of `(ctx, job)` as the worker calls it. The annotation of its second argument says how the payload is read."""
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
    """Queues a job of this organization in the present transaction, due after `delay` seconds or `at` a moment of its clock."""
    if at is not None:
        delay = (clock.moment(at) - clock.moment(ctx.now)).total_seconds()
    given = msgspec.structs.asdict(payload) if isinstance(payload, msgspec.Struct) else payload
    await jobs.enqueue(
        ctx.db,
        kind,
        given,
        organization_id=ctx.organization_id,
        delay=delay,
        unique_key=unique_key,
        queue=queue,
        partition=partition,
    )
