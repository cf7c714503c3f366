"""The transactions of storing an index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from secrets import token_hex

from deskbell.core.context import Context, job_context
from deskbell.foundation.db import Session, insert
from deskbell.knowledge import jobs, store
from deskbell.knowledge.index.disk import store as large
from deskbell.knowledge.index.disk.model import ChunkVector, Graph, LargeBase
from deskbell.knowledge.ingestion import index_transactions as indexing
from deskbell.knowledge.model import BaseState, ChunkRow, LiveDocument

AGAIN = 5.0  # seconds between two jobs of a knowledge base to which documents keep coming

Written = Mapping[str, tuple[int, bytes, bytes]]  # chunks, head and words of a segment, by its id


async def nothing(ctx: Context) -> None:
    """Only the job's claim is kept."""


async def state(ctx: Context, *, base_id: str) -> tuple[BaseState | None, str | None, dict[str, LiveDocument]]:
    """A knowledge base, unless it is gone, the embedder that is to take over, and what searches see."""
    found = await ctx.db.one(store.base_state(ctx.organization_id, base_id))
    return found, await awaited(ctx, base_id), await live_documents(ctx, base_id)


async def live_documents(ctx: Context, base_id: str) -> dict[str, LiveDocument]:
    return {each.id: each for each in await ctx.db.all(store.live_documents(ctx.organization_id, base_id))}


async def segments(ctx: Context, *, base_id: str) -> list[str]:
    return [each.id for each in await ctx.db.all(large.segments(ctx.organization_id, base_id))]


async def segment_data(ctx: Context, *, base_id: str, id: str) -> bytes:
    return await ctx.db.one(large.segment_data(ctx.organization_id, base_id, id)) or b""


async def rows(ctx: Context, *, base_id: str, document: LiveDocument, after: int, most: int) -> list[ChunkRow]:
    """Chunks of a document behind a position, without vectors."""
    place = (base_id, document.id, document.live_revision)
    return await ctx.db.all(store.chunk_rows(ctx.organization_id, *place, "", after, most))


async def dimensions(ctx: Context, *, base_id: str, embedder: str) -> int:
    """How many numbers an embedder's vectors have; 0 where there are none."""
    found = await ctx.db.one(large.any_vector(ctx.organization_id, base_id, embedder))
    return len(found or b"") // 2


async def vectors(ctx: Context, *, base_id: str, place: tuple[str, int], embedder: str) -> list[ChunkVector]:
    """Those of a document's revision."""
    return await ctx.db.all(large.vectors_of_document(ctx.organization_id, base_id, *place, embedder))


async def graphs(ctx: Context, *, base_id: str) -> list[Graph]:
    return await ctx.db.all(large.graphs(ctx.organization_id, base_id))


async def graph(ctx: Context, *, base_id: str, embedder: str, name: str, adopted: bool = True) -> Graph:
    """The graph of an embedder's vectors; one that is to be made gets this name."""
    for each in await graphs(ctx, base_id=base_id):
        if each.embedder == embedder:
            return each
    key = {"organization_id": ctx.organization_id, "knowledge_base_id": base_id, "embedder": embedder}
    await ctx.db.run(insert(large.knowledge_graphs, key | {"name": name, "ready": False, "adopted": adopted}))
    return Graph(embedder, name, ready=False, adopted=adopted)


async def open_graph(ctx: Context, *, base_id: str, embedder: str) -> None:
    await ctx.db.run(large.open_graph(ctx.organization_id, base_id, embedder, True))
    await ctx.db.run(store.raise_version(ctx.organization_id, base_id))


async def close_graph(ctx: Context, *, base_id: str, embedder: str) -> None:
    """Searches leave a graph that is to go. Its name stays known until it has gone."""
    await ctx.db.run(large.open_graph(ctx.organization_id, base_id, embedder, False))


async def delete_graph(ctx: Context, *, base_id: str, embedder: str) -> None:
    await ctx.db.run(large.delete_graph(ctx.organization_id, base_id, embedder))


async def keep_blocks(ctx: Context, *, base_id: str, id: str, blocks: Sequence[tuple[str, bytes]]) -> None:
    """Blocks of a segment that no search knows yet."""
    key = {"organization_id": ctx.organization_id, "knowledge_base_id": base_id, "segment_id": id}
    for name, data in blocks:
        await ctx.db.run(insert(large.knowledge_blocks, key | {"name": name, "data": data}))


async def replace(ctx: Context, *, base_id: str, new: Written, old: Collection[str]) -> None:
    """From now on searches know these segments and not those."""
    key = {"organization_id": ctx.organization_id, "knowledge_base_id": base_id}
    for id, (chunks, head, words) in new.items():
        row = {"id": id, "chunk_count": chunks, "data": head, "words": words}
        await ctx.db.run(insert(large.knowledge_segments, key | row))
    for id in old:
        await ctx.db.run(large.delete_segment(ctx.organization_id, base_id, id))
    await ctx.db.run(store.raise_version(ctx.organization_id, base_id))


async def purge_some(ctx: Context, *, base_id: str) -> bool:
    """Removes the blocks of a segment that is none any more; False where there is no such one."""
    stray = await ctx.db.one(large.stray_block(ctx.organization_id, base_id))
    if stray is None:
        return False
    await ctx.db.run(large.delete_blocks(ctx.organization_id, base_id, stray))
    return True


async def settled(ctx: Context, *, base_id: str, adopt: str | None, live: Mapping[str, LiveDocument]) -> None:
    """The end of a job: searches go by a new embedder's vectors if that was wanted. What has changed meanwhile is another job's."""
    if await ctx.db.one(large.held_base(ctx.organization_id, base_id)) is None:
        if await segments(ctx, base_id=base_id) or await graphs(ctx, base_id=base_id):
            await jobs.settle(ctx, base_id)
        return
    if adopt is not None:
        await indexing.switch_embedder(ctx, base_id=base_id, embedder=adopt)
        await ctx.db.run(large.adopt_graph(ctx.organization_id, base_id, adopt, True))
    if adopt is not None or await live_documents(ctx, base_id) != live or await awaited(ctx, base_id) is not None:
        await jobs.settle(ctx, base_id, delay=AGAIN)


async def awaited(ctx: Context, base_id: str) -> str | None:
    """The embedder whose vectors are to take over."""
    found = [each.embedder for each in await graphs(ctx, base_id=base_id) if not each.adopted]
    return found[0] if found else None


async def embedded(ctx: Context, *, base_id: str, embedder: str, settles: bool) -> None:
    """Every chunk has a vector of this embedder: searches go by these, those of a stored index once they are in a graph.

    An index that memory holds may become one that `settles` in the database.
    """
    if await ctx.db.one(large.held_base(ctx.organization_id, base_id)) is None:
        return
    if await segments(ctx, base_id=base_id):
        await graph(ctx, base_id=base_id, embedder=embedder, name=new_graph(), adopted=False)
        for each in await graphs(ctx, base_id=base_id):
            await ctx.db.run(large.adopt_graph(ctx.organization_id, base_id, each.embedder, each.embedder != embedder))
        await jobs.settle(ctx, base_id)
    else:
        await indexing.switch_embedder(ctx, base_id=base_id, embedder=embedder)
        if settles:
            await jobs.settle(ctx, base_id)


def new_graph() -> str:
    return f"knowledge_graph_{token_hex(8)}"


async def unsettled(session: Session, *, most: int) -> list[LargeBase]:
    """Of all organizations: knowledge bases that have more chunks than memory should."""
    return await session.all(large.large_bases(most))


async def queue_settling(session: Session, *, bases: Sequence[LargeBase]) -> None:
    for base in bases:
        await jobs.settle(await job_context(session, base.organization_id, jobs.SETTLE), base.id)
