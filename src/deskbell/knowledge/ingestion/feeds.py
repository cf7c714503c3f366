"""Feeds: each entry becomes a document, and the feed is fetched again every few hours."""

from __future__ import annotations

from functools import partial

from deskbell.core.context import Context
from deskbell.core.jobs import JobContext
from deskbell.foundation.ids import new_id
from deskbell.knowledge import documents, jobs, store, uploads
from deskbell.knowledge.ingestion.revisions import require_newest
from deskbell.knowledge.ingestion.sources import SourceReader
from deskbell.knowledge.model import DocumentDraft, DocumentState


async def follow(ctx: JobContext, feed: DocumentState, reader: SourceReader) -> None:
    """Makes a document of each entry of a feed, and queues the next look at it."""
    for draft, data in await ctx.keeping_claim(reader.entries(feed)):
        await ctx.heartbeat(partial(store_entry, feed=feed, draft=draft, data=data))
    await ctx.complete(partial(finish, feed=feed, hours=reader.feed_hours))


async def refresh(ctx: JobContext, job: jobs.DocumentJob) -> None:
    """Fetches a feed again."""
    id = job.document_id
    await ctx.complete(partial(queue_again, id=id))


async def store_entry(ctx: Context, *, feed: DocumentState, draft: DocumentDraft, data: bytes) -> None:
    """Stores a feed's entry as a document, unless it has not changed or was deleted.

    A document of the same address that does not belong to this feed stays as it is: the author of a feed must not replace others' documents.
    """
    await require_newest(ctx, feed)
    base_id = feed.knowledge_base_id
    existing = await ctx.db.one(store.lock_document_named(ctx.organization_id, base_id, draft.file_name))
    if existing is None:
        if await ctx.db.one(store.deleted_entry(ctx.organization_id, feed.id, draft.file_name)) is not None:
            return
    elif existing.feed_id != feed.id or (existing.digest == draft.digest and existing.status != "failed"):
        return
    draft.upload_id = new_id()
    await uploads.store_part(ctx, draft.upload_id, 0, data)
    await documents.put_document(ctx, base_id, draft)


async def finish(ctx: Context, *, feed: DocumentState, hours: float) -> None:
    """All entries are stored. The feed is fetched again after so many hours, or never if 0."""
    await require_newest(ctx, feed)
    await documents.end_indexing(ctx, feed.id, "ready", progress=100, error=None)
    if hours:
        await jobs.queue_refresh(ctx, feed.knowledge_base_id, feed.id, hours * 3600)


async def queue_again(ctx: Context, *, id: str) -> None:
    """Queues a feed for indexing, unless it was deleted."""
    feed = await ctx.db.one(store.lock_document(ctx.organization_id, id))
    if feed is not None:
        await jobs.queue_indexing(ctx, feed.knowledge_base_id, id)
