"""Brings the graphs of a large knowledge base's vectors up to date: one table with an HNSW graph for each embedder."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from deskbell.core.jobs import JobContext
from deskbell.foundation.db import Graphs
from deskbell.knowledge.index.disk import build_transactions
from deskbell.knowledge.model import LiveDocument

if TYPE_CHECKING:
    from deskbell.knowledge.index.disk.model import Graph

log = logging.getLogger(__name__)

BATCH = 4_000  # vectors that are added to a graph at once, about

Live = Mapping[str, LiveDocument]
Revision = tuple[str, int]  # document and revision


class GraphBuilder:
    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs
        self.warned: set[str] = set()

    async def update(self, ctx: JobContext, base_id: str, embedder: str, live: Live) -> bool:
        """Brings an embedder's graph up to date; without vectors there is none. False where the server cannot have it."""
        key: dict[str, Any] = {"base_id": base_id, "embedder": embedder}
        dimensions = await ctx.read(partial(build_transactions.dimensions, **key))
        if not dimensions:
            return True
        if (refusal := await self.graphs.refusal(dimensions, install=True)) is not None:
            self.warn(base_id, refusal)
            return False
        name = build_transactions.new_graph_name()
        graph = await ctx.heartbeat(partial(build_transactions.graph, **key, name=name))
        await self.graphs.make(graph.name, dimensions)
        present = await ctx.keeping_claim(self.graphs.counts(graph.name))
        stale = [revision for revision in present if not is_live(revision, live)]
        await ctx.keeping_claim(self.graphs.remove(graph.name, stale))
        await self.fill(ctx, base_id, embedder, graph.name, present, live)
        if not graph.ready:
            await ctx.keeping_claim(self.graphs.finish(graph.name))
            await ctx.heartbeat(partial(build_transactions.open_graph, **key))
        return True

    async def fill(
        self, ctx: JobContext, base_id: str, embedder: str, name: str, present: Mapping[Revision, int], live: Live
    ) -> None:
        """Adds the vectors of documents that lack some, as many documents at once as make a good batch."""
        rows: list[tuple[str, str, int, bytes]] = []
        add = partial(self.graphs.fill, name, ctx.organization_id)
        for document in live.values():
            revision = (document.id, document.live_revision)
            if present.get(revision) == document.chunk_count:
                continue
            read = partial(build_transactions.vectors, base_id=base_id, revision=revision, embedder=embedder)
            vectors = await ctx.read(read)
            if len(vectors) != present.get(revision, 0):
                rows += [(each.id, *revision, each.vector) for each in vectors]
            if len(rows) >= BATCH:
                await ctx.keeping_claim(add(rows))
                rows = []
        if rows:
            await ctx.keeping_claim(add(rows))

    async def drop_unused(
        self,
        ctx: JobContext,
        base_id: str,
        used: Collection[str | None],
        next_embedder: str | None,
        *,
        base_deleted: bool,
    ) -> None:
        """Drops graphs that no search uses."""
        for graph in await ctx.read(partial(build_transactions.graphs, base_id=base_id)):
            if graph.embedder not in used and (base_deleted or no_longer_awaited(graph, next_embedder)):
                key: dict[str, Any] = {"base_id": base_id, "embedder": graph.embedder}
                await ctx.heartbeat(partial(build_transactions.close_graph, **key))
                await ctx.keeping_claim(self.graphs.drop(graph.name))
                await ctx.heartbeat(partial(build_transactions.delete_graph, **key))

    def warn(self, base_id: str, refusal: str) -> None:
        """Logs once of each knowledge base why its index is not stored."""
        if base_id not in self.warned:
            self.warned.add(base_id)
            log.warning("knowledge base %s is searched in memory: %s", base_id, refusal)


def is_live(revision: Revision, live: Live) -> bool:
    document = live.get(revision[0])
    return document is not None and document.live_revision == revision[1]


def no_longer_awaited(graph: Graph, next_embedder: str | None) -> bool:
    """Whether a graph is not to replace another, or does so with this job. One queued since this job began is for the next job."""
    return graph.adopted or graph.embedder == next_embedder
