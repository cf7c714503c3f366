"""The workers of a process: one for each queue that the slices' jobs wait in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from deskbell.core.jobs import worker_handler
from deskbell.core.slice import DEFAULT_QUEUE, Queue, Setup, Slice
from deskbell.foundation import schedule
from deskbell.foundation.db import Database
from deskbell.foundation.fair_worker import FairWorker
from deskbell.foundation.worker import Handler, Worker


class Workers:
    """All workers, one for each queue, with the handlers of every slice that uses the queue."""

    def __init__(self, setup: Setup, slices: Sequence[Slice]) -> None:
        recurring = [job for each in slices for job in each.recurring]
        handlers: dict[Queue, dict[str, Handler]] = {DEFAULT_QUEUE: schedule.handlers(recurring)}
        for jobs in (jobs for each in slices for jobs in each.jobs):
            by_kind = {kind: worker_handler(handler) for kind, handler in jobs.handlers(setup).items()}
            assert by_kind.keys() <= set(jobs.kinds), by_kind.keys()
            handlers.setdefault(jobs.queue, {}).update(by_kind)
        self.workers = {queue: worker_of(setup.database, queue, by_kind) for queue, by_kind in handlers.items()}
        for worker in self.workers.values():
            setup.database.on_change("jobs", worker.wake)

    def start(self) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(worker.run()) for worker in self.workers.values()]

    async def stop(self, grace: float) -> None:
        """Gives running jobs `grace` seconds, or their queue's own `drain` seconds if that is shorter."""
        stopping = (worker.stop(min(grace, queue.drain or grace)) for queue, worker in self.workers.items())
        await asyncio.gather(*stopping)


def worker_of(database: Database, queue: Queue, handlers: dict[str, Handler]) -> Worker:
    if queue.each is None:
        return Worker(database, handlers, queue=queue.name, at_once=queue.at_once)
    return FairWorker(database, handlers, queue=queue.name, at_once=queue.at_once, each=queue.each)
