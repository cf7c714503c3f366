"""The jobs of knowledge bases, as they are queued."""

from __future__ import annotations

from typing import Any

from deskbell.core.context import Context
from deskbell.foundation import jobs

QUEUE = "knowledge"  # its jobs take long: they have workers of their own
LARGE = "knowledge.large"  # and these longer still
SETTLE = "knowledge.settle"
SETTLED_AFTER = 1.0  # seconds in which more may have changed
INDEX, SWEEP, EMBED, REFRESH = "knowledge.index", "knowledge.sweep", "knowledge.embed", "knowledge.refresh"
CALIBRATE = "knowledge.calibrate"


async def index(ctx: Context, base_id: str, id: str) -> None:
    """One job at a time works on a document; it looks for newer content at its end."""
    await enqueue(ctx, INDEX, base_id, {"document_id": id}, unique_key=f"{INDEX} {id}")


async def sweep(ctx: Context, base_id: str, document_id: str | None = None) -> None:
    """Queues the removal of what nobody sees any more of a document, or of a whole knowledge base."""
    await enqueue(ctx, SWEEP, base_id, {"knowledge_base_id": base_id, "document_id": document_id})


async def settle(ctx: Context, base_id: str, delay: float = SETTLED_AFTER) -> None:
    """One job at a time stores a knowledge base's index; it looks for what has changed at its end."""
    job = {"knowledge_base_id": base_id}
    await enqueue(ctx, SETTLE, base_id, job, unique_key=f"{SETTLE} {base_id}", delay=delay, queue=LARGE)


async def calibrate(ctx: Context, base_id: str) -> None:
    """Queues a look whether a knowledge base's curve still fits."""
    job = {"knowledge_base_id": base_id}
    await enqueue(ctx, CALIBRATE, base_id, job, unique_key=f"{CALIBRATE} {base_id}", delay=SETTLED_AFTER)


async def enqueue(
    ctx: Context,
    kind: str,
    base_id: str,
    payload: dict[str, Any],
    *,
    unique_key: str | None = None,
    delay: float = 0,
    queue: str = QUEUE,
) -> None:
    """Queues what concerns one knowledge base; an organization's take turns."""
    owner = ctx.organization_id
    options: dict[str, Any] = {"unique_key": unique_key, "delay": delay, "queue": queue, "partition": base_id}
    await jobs.enqueue(ctx.db, kind, payload, organization_id=owner, **options)
