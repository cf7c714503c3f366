"""What a start queues: knowledge bases whose vectors or calibration do not belong to the present embedder."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from deskbell.core.context import Context, job_context
from deskbell.foundation.db import Bound, Database, Session
from deskbell.knowledge import jobs
from deskbell.knowledge.embedders import store
from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.model import BaseRef

BATCH = 100  # knowledge bases in one transaction

Queue = Callable[[Context, str], Coroutine[Any, Any, None]]


async def catch_up(database: Database, embedder: Embedder | None) -> None:
    """After a change of the embedder, knowledge bases are embedded again; one whose scores need a calibration gets it."""
    if embedder is None:
        return
    await queue_all(database, partial(store.bases_with_other_embedder, embedder.name), jobs.EMBED, jobs.queue_embedding)
    if not embedder.measured:
        await queue_all(
            database, partial(store.bases_without_calibration, embedder.name), jobs.CALIBRATE, jobs.queue_calibration
        )


async def queue_all(
    database: Database, bases_after: Callable[[str, int], Bound[BaseRef]], kind: str, queue: Queue
) -> None:
    """Queues a job for each of these knowledge bases of all organizations."""
    after = ""
    while bases := await database.read(partial(read_all, statement=bases_after(after, BATCH))):
        await database.write(partial(queue_each, bases=bases, kind=kind, queue=queue))
        after = bases[-1].id


async def read_all(session: Session, *, statement: Bound[BaseRef]) -> list[BaseRef]:
    return await session.all(statement)


async def queue_each(session: Session, *, bases: list[BaseRef], kind: str, queue: Queue) -> None:
    for base in bases:
        await queue(await job_context(session, base.organization_id, kind), base.id)
