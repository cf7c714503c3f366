"""Changes the embedder whose vectors a knowledge base is searched by, once every chunk has a vector of the new one."""

from __future__ import annotations

from deskbell.core.context import Context
from deskbell.knowledge import jobs, store
from deskbell.knowledge.embedders import store as embedder_store
from deskbell.knowledge.index import store as chunk_store


async def switch_embedder(ctx: Context, id: str, embedder: str) -> None:
    """Searches a knowledge base by this embedder's vectors from now on, and deletes those of others."""
    await ctx.db.run(embedder_store.set_embedder(ctx.organization_id, id, embedder, replace=True))
    await ctx.db.run(store.increment_version(ctx.organization_id, id))
    await jobs.queue_calibration(ctx, id)
    for document in await ctx.db.all(store.live_documents(ctx.organization_id, id)):
        revision = (id, document.id, document.live_revision)
        await ctx.db.run(chunk_store.delete_other_vectors(ctx.organization_id, *revision, embedder))
