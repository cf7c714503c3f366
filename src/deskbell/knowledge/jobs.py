"""The jobs of knowledge bases: what each is about, and how it is queued."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.core.context import Context
from deskbell.foundation import jobs

QUEUE = "knowledge"  # these jobs take long, so they have workers of their own
BUILD_QUEUE = "knowledge.large"  # and these take longer still
INDEX, REFRESH, EMBED = "knowledge.index", "knowledge.refresh", "knowledge.embed"
CLEAN_UP, CALIBRATE, BUILD_INDEX = "knowledge.sweep", "knowledge.calibrate", "knowledge.settle"
KINDS = frozenset({INDEX, REFRESH, EMBED, CLEAN_UP, CALIBRATE, BUILD_INDEX})
DELAY = 1.0  # seconds in which more documents may change, so that one job serves them all


class DocumentJob(msgspec.Struct):
    document_id: str


class CleanUpJob(msgspec.Struct):
    """Of one document, or with None of a whole knowledge base."""

    knowledge_base_id: str
    document_id: str | None


class EmbedJob(msgspec.Struct):
    """Documents up to the id `after` are done."""

    knowledge_base_id: str
    after: str = ""


class BaseJob(msgspec.Struct):
    knowledge_base_id: str


async def queue_indexing(ctx: Context, base_id: str, document_id: str) -> None:
    """At most one job works on a document; at its end it looks for newer content."""
    await enqueue(ctx, INDEX, base_id, DocumentJob(document_id), unique_key=f"{INDEX} {document_id}")


async def queue_refresh(ctx: Context, base_id: str, feed_id: str, delay: float) -> None:
    """Fetches a feed again after so many seconds."""
    await enqueue(ctx, REFRESH, base_id, DocumentJob(feed_id), unique_key=f"{REFRESH} {feed_id}", delay=delay)


async def queue_clean_up(ctx: Context, base_id: str, document_id: str | None = None) -> None:
    """Removes the chunks that searches no longer see, of a document or of a whole knowledge base."""
    await enqueue(ctx, CLEAN_UP, base_id, CleanUpJob(base_id, document_id))


async def queue_embedding(ctx: Context, base_id: str) -> None:
    """Gives all chunks of a knowledge base vectors of the present embedder."""
    await enqueue(ctx, EMBED, base_id, EmbedJob(base_id), unique_key=f"{EMBED} {base_id}")


async def continue_embedding(ctx: Context, job: EmbedJob) -> None:
    await enqueue(ctx, EMBED, job.knowledge_base_id, job)


async def queue_calibration(ctx: Context, base_id: str) -> None:
    """Checks whether a knowledge base's calibration still fits, and fits a new one if not."""
    await enqueue(ctx, CALIBRATE, base_id, BaseJob(base_id), unique_key=f"{CALIBRATE} {base_id}", delay=DELAY)


async def queue_index_build(ctx: Context, base_id: str, delay: float = DELAY) -> None:
    """At most one job stores a knowledge base's index on disk; at its end it looks for what has changed since."""
    key = f"{BUILD_INDEX} {base_id}"
    await enqueue(ctx, BUILD_INDEX, base_id, BaseJob(base_id), unique_key=key, delay=delay, queue=BUILD_QUEUE)


async def enqueue(
    ctx: Context,
    kind: str,
    base_id: str,
    payload: msgspec.Struct,
    *,
    unique_key: str | None = None,
    delay: float = 0,
    queue: str = QUEUE,
) -> None:
    """The knowledge bases of an organization take turns."""
    options: dict[str, Any] = {"unique_key": unique_key, "delay": delay, "queue": queue, "partition": base_id}
    await jobs.enqueue(ctx.db, kind, msgspec.structs.asdict(payload), organization_id=ctx.organization_id, **options)
