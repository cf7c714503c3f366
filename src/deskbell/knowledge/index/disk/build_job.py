"""The job that stores the index of a large knowledge base: its vectors in a graph, then its terms in segments, then searches use both.

Until then, and for documents that came since, searches have them in memory. A killed job begins again and finds what is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from deskbell.foundation.db import Database, Graphs
from deskbell.foundation.worker import Handler, Work
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge import jobs
from deskbell.knowledge.index.disk import build_transactions
from deskbell.knowledge.index.disk.segment_writer import SegmentWriter
from deskbell.knowledge.ingestion.index_transactions import within
from deskbell.knowledge.model import LiveDocument

if TYPE_CHECKING:
    from deskbell.knowledge.index.disk.model import Graph
    from deskbell.knowledge.index.disk.posting_blocks import Head

T = TypeVar("T")
log = logging.getLogger(__name__)

SEGMENT = 50_000  # chunks of a segment, about
NEWER = 5_000  # chunks that memory may hold of what is newer than the segments
SHARE = 20  # a small bound lowers that: to one chunk in so many of it
DEAD = 0.1  # the share of removed chunks from which a segment is written anew
VECTORS = 4_000  # that are put into a graph at once, about
RENEWED = 20.0  # seconds after which a job that waits says that it is alive

Live = Mapping[str, LiveDocument]
Place = tuple[str, int]  # document and revision


class BuildJob(msgspec.Struct):
    knowledge_base_id: str


class IndexBuilder:
    """Stores the index of knowledge bases with more than `most` chunks. One that has shrunk to half of that goes back to memory."""

    def __init__(self, database: Database, graphs: Graphs, most: int) -> None:
        self.database, self.graphs, self.most = database, graphs, most
        self.told: set[str] = set()
        self.handlers: dict[str, Handler] = {jobs.SETTLE: self.settle}

    async def settle(self, work: Work) -> None:
        base_id = work.payload(BuildJob).knowledge_base_id
        state, adopt, live = await work.read(within(work, partial(build_transactions.state, base_id=base_id)))
        stored = await work.read(within(work, partial(build_transactions.segments, base_id=base_id)))
        chunks = sum(each.chunk_count for each in live.values())
        used: set[str | None] = set()
        if state is not None and chunks > (self.most // 2 if stored else self.most):
            embedder = adopt or state.embedder
            if embedder is None or await self.graph(work, base_id, embedder, live):
                used = {embedder, state.embedder}
                await self.segments(work, base_id, live)
        if not used and stored:
            await work.heartbeat(within(work, partial(build_transactions.replace, base_id=base_id, new={}, old=stored)))
        await self.clear(work, base_id, used, adopt, gone=state is None)
        await work.complete(within(work, partial(build_transactions.settled, base_id=base_id, adopt=adopt, live=live)))

    async def graph(self, work: Work, base_id: str, embedder: str, live: Live) -> bool:
        """Brings an embedder's graph up to date; without vectors there is none. False where the server cannot have it."""
        key: dict[str, Any] = {"base_id": base_id, "embedder": embedder}
        dimensions = await work.read(within(work, partial(build_transactions.dimensions, **key)))
        if not dimensions:
            return True
        if (refusal := await self.graphs.refusal(dimensions, install=True)) is not None:
            self.tell(base_id, refusal)
            return False
        graph = await work.heartbeat(
            within(work, partial(build_transactions.graph, **key, name=build_transactions.new_graph()))
        )
        await self.graphs.make(graph.name, dimensions)
        present = await patiently(work, self.graphs.counts(graph.name))
        gone = [place for place in present if not is_live(place, live)]
        await patiently(work, self.graphs.remove(graph.name, gone))
        await self.fill(work, base_id, embedder, graph.name, present, live)
        if not graph.ready:
            await patiently(work, self.graphs.finish(graph.name))
            await work.heartbeat(within(work, partial(build_transactions.open_graph, **key)))
        return True

    async def fill(
        self, work: Work, base_id: str, embedder: str, name: str, present: Mapping[Place, int], live: Live
    ) -> None:
        """Puts in the vectors of documents that lack some, so many documents at once as make a good batch."""
        rows: list[tuple[str, str, int, bytes]] = []
        put = partial(self.graphs.fill, name, work.job.organization_id or "")
        for document in live.values():
            place = (document.id, document.live_revision)
            if present.get(place) == document.chunk_count:
                continue
            read = partial(build_transactions.vectors, base_id=base_id, place=place, embedder=embedder)
            found = await work.read(within(work, read))
            if len(found) != present.get(place, 0):
                rows += [(each.id, *place, each.vector) for each in found]
            if len(rows) >= VECTORS:
                await patiently(work, put(rows))
                rows = []
        if rows:
            await patiently(work, put(rows))

    def tell(self, base_id: str, refusal: str) -> None:
        """Says once of each knowledge base why its index is not stored."""
        if base_id not in self.told:
            self.told.add(base_id)
            log.warning("knowledge base %s is searched in memory: %s", base_id, refusal)

    async def segments(self, work: Work, base_id: str, live: Live) -> None:
        """Stores the terms of documents that no segment has, once there are enough of them."""
        heads = await self.heads(work, base_id)
        documents, old = plan(heads, live, max(1, min(NEWER, self.most // SHARE)))
        if documents or old:
            new = await SegmentWriter(work, base_id, SEGMENT).written([live[id] for id in documents])
            await work.heartbeat(within(work, partial(build_transactions.replace, base_id=base_id, new=new, old=old)))

    async def heads(self, work: Work, base_id: str) -> dict[str, Head]:
        from deskbell.knowledge.index.disk.passages import decoded

        found = {}
        for id in await work.read(within(work, partial(build_transactions.segments, base_id=base_id))):
            data = await work.read(within(work, partial(build_transactions.segment_data, base_id=base_id, id=id)))
            found[id] = await run_in_thread(decoded, data)
        return found

    async def clear(
        self, work: Work, base_id: str, used: Collection[str | None], adopt: str | None, *, gone: bool
    ) -> None:
        """Removes graphs that no search uses, and blocks of segments that are gone or were never finished."""
        for graph in await work.read(within(work, partial(build_transactions.graphs, base_id=base_id))):
            if graph.embedder not in used and (gone or no_longer_awaited(graph, adopt)):
                key: dict[str, Any] = {"base_id": base_id, "embedder": graph.embedder}
                await work.heartbeat(within(work, partial(build_transactions.close_graph, **key)))
                await patiently(work, self.graphs.drop(graph.name))
                await work.heartbeat(within(work, partial(build_transactions.delete_graph, **key)))
        while await work.heartbeat(within(work, partial(build_transactions.purge_some, base_id=base_id))):
            pass


def no_longer_awaited(graph: Graph, adopt: str | None) -> bool:
    """Whether a graph is not to take over, or does so with this job: one that came to be awaited meanwhile is the next job's."""
    return graph.adopted or graph.embedder == adopt


def is_live(place: Place, live: Live) -> bool:
    found = live.get(place[0])
    return found is not None and found.live_revision == place[1]


def plan(heads: Mapping[str, Head], live: Live, least: int) -> tuple[list[str], list[str]]:
    """Which documents are written into new segments, and which segments these replace; none where fewer than `least` chunks are new.

    Sizes double from one segment to the next, so there are few of them, and a chunk is written few times.
    """
    fresh = {
        id: {each.document_id for each in head.documents if is_live((each.document_id, each.revision), live)}
        for id, head in heads.items()
    }
    sizes = {id: sum(live[each].chunk_count for each in documents) for id, documents in fresh.items()}
    old = [id for id, head in heads.items() if sizes[id] < (1 - DEAD) * sum(each.count for each in head.documents)]
    documents = live.keys() - set[str]().union(*fresh.values())
    chunks = sum(live[id].chunk_count for id in documents)
    if heads and not old and chunks < least:
        return [], []
    chunks += sum(sizes[id] for id in old)
    for id in sorted(heads.keys() - set(old), key=lambda id: sizes[id]):
        if sizes[id] > 2 * chunks or sizes[id] + chunks > SEGMENT:
            break
        old.append(id)
        chunks += sizes[id]
    return sorted(documents.union(*(fresh[id] for id in old))), old


async def patiently(work: Work, act: Coroutine[Any, Any, T]) -> T:
    """Waits for what may take long, and keeps the job's claim meanwhile."""
    task = asyncio.ensure_future(act)
    try:
        while not (await asyncio.wait([task], timeout=RENEWED))[0]:
            await work.heartbeat(within(work, build_transactions.nothing))
        return task.result()
    finally:
        task.cancel()


async def catch_up(database: Database, most: int) -> None:
    """Queues knowledge bases that are too large for memory, as after a copy, or after a lower bound."""
    if database.graphs is not None and (bases := await database.read(partial(build_transactions.unsettled, most=most))):
        await database.write(partial(build_transactions.queue_settling, bases=bases))
