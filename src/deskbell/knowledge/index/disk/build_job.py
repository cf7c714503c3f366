"""The job that stores the index of a large knowledge base: first its vectors in a graph, then its terms in segments.

Until it is done, and for documents that came since, searches use the index in memory. A job that was killed starts over, and finds
what is stored already.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from deskbell.core.jobs import JobContext, JobHandler
from deskbell.foundation.db import Database, Graphs
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge import jobs
from deskbell.knowledge.index.disk import build_transactions
from deskbell.knowledge.index.disk.graph_builder import GraphBuilder, Live, is_live
from deskbell.knowledge.index.disk.segment_writer import SegmentWriter

if TYPE_CHECKING:
    from deskbell.knowledge.index.disk.posting_blocks import Head

SEGMENT = 50_000  # chunks of a segment, about
NEWER = 5_000  # chunks newer than the segments that memory may hold
SHARE = 20  # of a small bound on memory: then one chunk in so many of it
DEAD = 0.1  # the share of removed chunks from which a segment is rebuilt


class IndexBuilder:
    """Stores the index of knowledge bases with more than `most` chunks. One that has shrunk to half of that returns to memory."""

    def __init__(self, database: Database, graphs: Graphs, most: int) -> None:
        self.database, self.graphs, self.most = database, GraphBuilder(graphs), most
        self.handlers: dict[str, JobHandler] = {jobs.BUILD_INDEX: self.build}

    async def build(self, ctx: JobContext, job: jobs.BaseJob) -> None:
        base_id = job.knowledge_base_id
        base, next_embedder, live = await ctx.read(partial(build_transactions.state, base_id=base_id))
        stored = await ctx.read(partial(build_transactions.segments, base_id=base_id))
        chunks = sum(each.chunk_count for each in live.values())
        used: set[str | None] = set()
        if base is not None and chunks > (self.most // 2 if stored else self.most):
            embedder = next_embedder or base.embedder
            if embedder is None or await self.graphs.update(ctx, base_id, embedder, live):
                used = {embedder, base.embedder}
                await self.update_segments(ctx, base_id, live)
        if not used and stored:
            await ctx.heartbeat(partial(build_transactions.replace, base_id=base_id, new={}, old=stored))
        await self.graphs.drop_unused(ctx, base_id, used, next_embedder, base_deleted=base is None)
        while await ctx.heartbeat(partial(build_transactions.delete_stray_blocks, base_id=base_id)):
            pass
        finish = partial(build_transactions.finish_build, base_id=base_id, next_embedder=next_embedder, live=live)
        await ctx.complete(finish)

    async def update_segments(self, ctx: JobContext, base_id: str, live: Live) -> None:
        """Stores the terms of documents that no segment has, once there are enough of them."""
        heads = await self.heads(ctx, base_id)
        documents, old = plan(heads, live, max(1, min(NEWER, self.most // SHARE)))
        if documents or old:
            new = await SegmentWriter(ctx, base_id, SEGMENT).write([live[id] for id in documents])
            await ctx.heartbeat(partial(build_transactions.replace, base_id=base_id, new=new, old=old))

    async def heads(self, ctx: JobContext, base_id: str) -> dict[str, Head]:
        from deskbell.knowledge.index.disk.stored_chunks import decode_head

        heads = {}
        for id in await ctx.read(partial(build_transactions.segments, base_id=base_id)):
            data = await ctx.read(partial(build_transactions.segment_data, base_id=base_id, id=id))
            heads[id] = await run_in_thread(decode_head, data)
        return heads


def plan(heads: Mapping[str, Head], live: Live, least: int) -> tuple[list[str], list[str]]:
    """Which documents to write into new segments, and which segments these replace; none if fewer than `least` chunks are new.

    A segment is replaced along with the new chunks unless it is more than twice as large as all that is written. So sizes double from one
    segment to the next: there are few segments, and a chunk is written few times.
    """
    current = {
        id: {each.document_id for each in head.documents if is_live((each.document_id, each.revision), live)}
        for id, head in heads.items()
    }
    sizes = {id: sum(live[each].chunk_count for each in documents) for id, documents in current.items()}
    old = [id for id, head in heads.items() if sizes[id] < (1 - DEAD) * sum(each.count for each in head.documents)]
    documents = live.keys() - set[str]().union(*current.values())
    chunks = sum(live[id].chunk_count for id in documents)
    if heads and not old and chunks < least:
        return [], []
    chunks += sum(sizes[id] for id in old)
    for id in sorted(heads.keys() - set(old), key=lambda id: sizes[id]):
        if sizes[id] > 2 * chunks or sizes[id] + chunks > SEGMENT:
            break
        old.append(id)
        chunks += sizes[id]
    return sorted(documents.union(*(current[id] for id in old))), old


async def catch_up(database: Database, most: int) -> None:
    """Queues knowledge bases that are too large for memory, as after a copy of the database, or after a lower bound."""
    if database.graphs is not None and (
        bases := await database.read(partial(build_transactions.large_bases, most=most))
    ):
        await database.write(partial(build_transactions.queue_builds, bases=bases))
