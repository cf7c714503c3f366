"""The transactions of storing an index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from secrets import token_hex

from deskbell.core.context import Context, job_context
from deskbell.foundation.db import Session, insert
from deskbell.knowledge import jobs, store
from deskbell.knowledge.index import store as chunk_store
from deskbell.knowledge.index.disk import store as disk_store
from deskbell.knowledge.index.disk.model import ChunkVector, Graph, LargeBase
from deskbell.knowledge.index.embedder_switch import switch_embedder
from deskbell.knowledge.index.model import ChunkRow
from deskbell.knowledge.model import BaseState, LiveDocument

PAUSE = 5.0  # seconds between two jobs of a knowledge base to which documents keep coming

Segments = Mapping[str, tuple[int, bytes, bytes]]  # number of chunks, head and words of a segment, by its id


async def state(ctx: Context, *, base_id: str) -> tuple[BaseState | None, str | None, dict[str, LiveDocument]]:
    """A knowledge base, unless it was deleted; the embedder that is to replace its present one; and what searches see."""
    base = await ctx.db.one(store.base_state(ctx.organization_id, base_id))
    return base, await next_embedder_of(ctx, base_id), await live_documents(ctx, base_id)


async def live_documents(ctx: Context, base_id: str) -> dict[str, LiveDocument]:
    return {each.id: each for each in await ctx.db.all(store.live_documents(ctx.organization_id, base_id))}


async def segments(ctx: Context, *, base_id: str) -> list[str]:
    return [each.id for each in await ctx.db.all(disk_store.segments(ctx.organization_id, base_id))]


async def segment_data(ctx: Context, *, base_id: str, id: str) -> bytes:
    return await ctx.db.one(disk_store.segment_data(ctx.organization_id, base_id, id)) or b""


async def chunk_rows(ctx: Context, *, base_id: str, document: LiveDocument, after: int, most: int) -> list[ChunkRow]:
    """Chunks of a document after a position, without vectors."""
    revision = (base_id, document.id, document.live_revision)
    return await ctx.db.all(chunk_store.chunk_rows(ctx.organization_id, *revision, "", after, most))


async def dimensions(ctx: Context, *, base_id: str, embedder: str) -> int:
    """How many numbers an embedder's vectors have; 0 if there are none."""
    vector = await ctx.db.one(disk_store.any_vector(ctx.organization_id, base_id, embedder))
    return len(vector or b"") // 2


async def vectors(ctx: Context, *, base_id: str, revision: tuple[str, int], embedder: str) -> list[ChunkVector]:
    """Those of a document's revision."""
    return await ctx.db.all(disk_store.vectors_of_document(ctx.organization_id, base_id, *revision, embedder))


async def graphs(ctx: Context, *, base_id: str) -> list[Graph]:
    return await ctx.db.all(disk_store.graphs(ctx.organization_id, base_id))


async def graph(ctx: Context, *, base_id: str, embedder: str, name: str, adopted: bool = True) -> Graph:
    """The graph of an embedder's vectors. If there is none yet, one of this name is noted."""
    for each in await graphs(ctx, base_id=base_id):
        if each.embedder == embedder:
            return each
    key = {"organization_id": ctx.organization_id, "knowledge_base_id": base_id, "embedder": embedder}
    await ctx.db.run(insert(disk_store.knowledge_graphs, key | {"name": name, "ready": False, "adopted": adopted}))
    return Graph(embedder, name, ready=False, adopted=adopted)


async def open_graph(ctx: Context, *, base_id: str, embedder: str) -> None:
    """Lets searches use a graph that is complete."""
    await ctx.db.run(disk_store.set_ready(ctx.organization_id, base_id, embedder, True))
    await ctx.db.run(store.increment_version(ctx.organization_id, base_id))


async def close_graph(ctx: Context, *, base_id: str, embedder: str) -> None:
    """Searches no longer use a graph that is to be dropped. Its name is kept until its table is gone."""
    await ctx.db.run(disk_store.set_ready(ctx.organization_id, base_id, embedder, False))


async def delete_graph(ctx: Context, *, base_id: str, embedder: str) -> None:
    await ctx.db.run(disk_store.delete_graph(ctx.organization_id, base_id, embedder))


async def store_blocks(ctx: Context, *, base_id: str, id: str, blocks: Sequence[tuple[str, bytes]]) -> None:
    """Blocks of a segment that no search uses yet."""
    key = {"organization_id": ctx.organization_id, "knowledge_base_id": base_id, "segment_id": id}
    for name, data in blocks:
        await ctx.db.run(insert(disk_store.knowledge_blocks, key | {"name": name, "data": data}))


async def replace(ctx: Context, *, base_id: str, new: Segments, old: Collection[str]) -> None:
    """From now on searches use the new segments and not the old ones."""
    key = {"organization_id": ctx.organization_id, "knowledge_base_id": base_id}
    for id, (chunks, head, words) in new.items():
        row = {"id": id, "chunk_count": chunks, "data": head, "words": words}
        await ctx.db.run(insert(disk_store.knowledge_segments, key | row))
    for id in old:
        await ctx.db.run(disk_store.delete_segment(ctx.organization_id, base_id, id))
    await ctx.db.run(store.increment_version(ctx.organization_id, base_id))


async def delete_stray_blocks(ctx: Context, *, base_id: str) -> bool:
    """Deletes the blocks of one segment that was replaced or never finished; False if there is none."""
    stray = await ctx.db.one(disk_store.stray_block(ctx.organization_id, base_id))
    if stray is None:
        return False
    await ctx.db.run(disk_store.delete_blocks(ctx.organization_id, base_id, stray))
    return True


async def finish_build(
    ctx: Context, *, base_id: str, next_embedder: str | None, live: Mapping[str, LiveDocument]
) -> None:
    """Ends a job: searches use a new embedder's vectors if there was one. What has changed since is left to another job."""
    if await ctx.db.one(disk_store.lock_base(ctx.organization_id, base_id)) is None:
        if await segments(ctx, base_id=base_id) or await graphs(ctx, base_id=base_id):
            await jobs.queue_index_build(ctx, base_id)
        return
    if next_embedder is not None:
        await switch_embedder(ctx, base_id, next_embedder)
        await ctx.db.run(disk_store.set_adopted(ctx.organization_id, base_id, next_embedder, True))
    changed = next_embedder is not None or await live_documents(ctx, base_id) != live
    if changed or await next_embedder_of(ctx, base_id) is not None:
        await jobs.queue_index_build(ctx, base_id, delay=PAUSE)


async def next_embedder_of(ctx: Context, base_id: str) -> str | None:
    """The embedder whose vectors are to replace the present ones."""
    waiting = [each.embedder for each in await graphs(ctx, base_id=base_id) if not each.adopted]
    return waiting[0] if waiting else None


async def base_embedded(ctx: Context, *, base_id: str, embedder: str, builds_index: bool) -> None:
    """Every chunk has a vector of this embedder: searches use these, or with a stored index once they are in a graph.

    An index in memory may become one that is stored, where the database can do that (`builds_index`).
    """
    if await ctx.db.one(disk_store.lock_base(ctx.organization_id, base_id)) is None:
        return
    if await segments(ctx, base_id=base_id):
        await graph(ctx, base_id=base_id, embedder=embedder, name=new_graph_name(), adopted=False)
        for each in await graphs(ctx, base_id=base_id):
            adopted = each.embedder != embedder
            await ctx.db.run(disk_store.set_adopted(ctx.organization_id, base_id, each.embedder, adopted))
        await jobs.queue_index_build(ctx, base_id)
    else:
        await switch_embedder(ctx, base_id, embedder)
        if builds_index:
            await jobs.queue_index_build(ctx, base_id)


def new_graph_name() -> str:
    return f"knowledge_graph_{token_hex(8)}"


async def large_bases(session: Session, *, most: int) -> list[LargeBase]:
    """Of all organizations: knowledge bases that have more chunks than memory should hold."""
    return await session.all(disk_store.large_bases(most))


async def queue_builds(session: Session, *, bases: Sequence[LargeBase]) -> None:
    for base in bases:
        await jobs.queue_index_build(await job_context(session, base.organization_id, jobs.BUILD_INDEX), base.id)
