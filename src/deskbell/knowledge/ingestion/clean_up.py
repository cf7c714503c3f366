"""The job that deletes chunks which searches no longer see, a few at a time."""

from __future__ import annotations

from functools import partial

from deskbell.core.context import Context
from deskbell.core.jobs import JobContext, JobHandler
from deskbell.knowledge import jobs, store
from deskbell.knowledge.index import store as chunk_store

BATCH = 500  # chunks that are deleted in one transaction
ALL_REVISIONS = 2**31 - 1  # above every revision


class CleanUp:
    def __init__(self, *, builds_index: bool) -> None:
        self.builds_index = builds_index
        self.handlers: dict[str, JobHandler] = {jobs.CLEAN_UP: self.clean_up}

    async def clean_up(self, ctx: JobContext, job: jobs.CleanUpJob) -> None:
        """Deletes what is stale of a document or, after its deletion, of a knowledge base."""
        base_id = job.knowledge_base_id
        delete_some = partial(delete_some_stale, base_id=base_id, document_id=job.document_id)
        while await ctx.heartbeat(delete_some):
            pass
        if self.builds_index:
            await ctx.complete(partial(jobs.queue_index_build, base_id=base_id))


async def delete_some_stale(ctx: Context, *, base_id: str, document_id: str | None) -> bool:
    """Deletes a batch; False where nothing is left."""
    if document_id is None:
        return await delete_some_of_base(ctx, base_id)
    document = await ctx.db.one(store.lock_document(ctx.organization_id, document_id))
    before = document.live_revision if document is not None else ALL_REVISIONS
    return await delete_some_chunks(ctx, base_id, document_id, before)


async def delete_some_of_base(ctx: Context, base_id: str) -> bool:
    """The chunks of a deleted knowledge base, document by document, and then the document itself."""
    if await ctx.db.one(store.base_state(ctx.organization_id, base_id)) is not None:
        return False
    document = await ctx.db.one(store.any_document(ctx.organization_id, base_id))
    if document is None:
        return False
    if not await delete_some_chunks(ctx, base_id, document.id, ALL_REVISIONS):
        if document.upload_id is not None:
            await ctx.db.run(store.delete_upload(ctx.organization_id, document.upload_id))
        await ctx.db.run(store.delete_document(ctx.organization_id, document.id))
        await ctx.db.run(store.forget_deleted_entries(ctx.organization_id, document.id))
    return True


async def delete_some_chunks(ctx: Context, base_id: str, document_id: str, before: int) -> bool:
    """A batch of chunks of the revisions before this one, the last ones first; False where there is none."""
    last = await ctx.db.one(chunk_store.last_chunk_before(ctx.organization_id, base_id, document_id, before))
    if last is None:
        return False
    start = max(0, last.position + 1 - BATCH)
    chunks = (ctx.organization_id, base_id, document_id, last.revision, start)
    await ctx.db.run(chunk_store.delete_chunks(*chunks))
    await ctx.db.run(chunk_store.delete_vectors(*chunks))
    return True
