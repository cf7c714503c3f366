"""Indexes in memory: made from the database when first asked for, brought up to date document by document, dropped when memory is short.

Of a large knowledge base whose index is stored (`large`), memory holds only what is newer than that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from deskbell.foundation.db import Database, Session
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge import store
from deskbell.knowledge.index.disk import store as large_store
from deskbell.knowledge.index.disk.model import StoredSegment
from deskbell.knowledge.model import BaseState, ChunkRow, LiveDocument

if TYPE_CHECKING:
    from deskbell.knowledge.index.disk.passages import DiskIndex, StoredChunks
    from deskbell.knowledge.index.memory import Index, IndexEntry
    from deskbell.knowledge.index.segments import Flags

log = logging.getLogger(__name__)

ROWS = 500  # chunks that are read and taken in at once
LONG = 50  # chunks of a document that the event loop reads itself
Key = tuple[str, str]  # organization and knowledge base


class CachedIndex(msgspec.Struct):
    """A knowledge base as of a version: its index, and the revision and chunks of each document in it."""

    version: int
    embedder: str | None
    index: Index
    documents: dict[str, tuple[int, list[str]]]
    large: DiskIndex | None = None

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self.index.size + (self.large.passages.size if self.large else 0)


class IndexCache:
    """Holds at most `budget` bytes of indexes, those that were asked for last, and always the one that is asked for.

    From `most` chunks on a knowledge base should not be here as a whole; the log says once of each that it is, and why.
    """

    def __init__(self, database: Database, budget: int, most: int) -> None:
        self.database = database
        self.budget, self.most = budget, most
        self.told: set[str] = set()
        self.loaded: OrderedDict[Key, CachedIndex] = OrderedDict()
        self.turns: dict[Key, asyncio.Lock] = {}
        self.looking: asyncio.Task[None] | None = None

    async def at(self, organization_id: str, state: BaseState, dimensions: int) -> CachedIndex:
        """The index of a knowledge base in at least this version. Who asks meanwhile waits for the same work."""
        key = (organization_id, state.id)
        turn = self.turns.setdefault(key, asyncio.Lock())
        try:
            async with turn:
                present = self.loaded.get(key)
                if present is None or present.version < state.version or present.embedder != state.embedder:
                    present = await self.brought_up(key, state, dimensions, present)
                    self.loaded[key] = present
                self.loaded.move_to_end(key)
                self.make_room()
                return present
        finally:
            if not turn.locked() and key not in self.loaded:
                self.turns.pop(key, None)

    async def brought_up(self, key: Key, state: BaseState, dimensions: int, present: CachedIndex | None) -> CachedIndex:
        """Takes in the documents that are new and drops those that are gone. Each slice of rows is worked on in a thread."""
        from deskbell.knowledge.index.memory import Index

        if present is None or present.embedder != state.embedder:
            present = CachedIndex(0, state.embedder, Index(dimensions), {})
        live = await self.database.read(lambda session: session.all(store.live_documents(*key)), key[0])
        passages = await self.passages(key, state, dimensions, present)
        if passages is None:
            self.tell(state, sum(each.chunk_count for each in live))
            alive, stored = None, set[str]()
        else:
            alive, stored = await run_in_thread(passages.alive, {each.id: each.live_revision for each in live})
        documents = {each.id: each for each in live if each.id not in stored}
        kept = {
            id: place
            for id, place in present.documents.items()
            if id in documents and documents[id].live_revision == place[0]
        }
        gone = [chunk for id, (_, chunks) in present.documents.items() if id not in kept for chunk in chunks]
        index, waiting = present.index, list[tuple[LiveDocument, ChunkRow]]()
        for document in documents.values():
            if document.id in kept:
                continue
            kept[document.id] = (document.live_revision, [])
            position = -1
            while rows := await self.read(key, document, state.embedder or "", position):
                position = rows[-1].position
                kept[document.id][1].extend(row.id for row in rows)
                waiting += [(document, row) for row in rows]
                if len(waiting) >= ROWS:
                    index = await run_in_thread(changed, index, [row for _, row in waiting], gone)
                    waiting, gone = [], []
                if len(rows) < ROWS:
                    break
        if waiting or gone:
            index = await run_in_thread(changed, index, [row for _, row in waiting], gone)
        loaded = CachedIndex(state.version, state.embedder, index, kept)
        if passages is not None and alive is not None:
            loaded.large = await run_in_thread(enlarged, passages, alive, index)
        return loaded

    async def passages(self, key: Key, state: BaseState, dimensions: int, present: CachedIndex) -> StoredChunks | None:
        """What is stored of a large knowledge base's index; None where there is nothing, or not all that a search wants."""

        async def look(session: Session) -> tuple[list[StoredSegment], bool]:
            segments = await session.all(large_store.segments(*key))
            graphs = await session.all(large_store.graphs(*key)) if segments and dimensions else []
            return segments, not dimensions or any(each.ready and each.embedder == state.embedder for each in graphs)

        segments, usable = await self.database.read(look, key[0])
        if not segments or not usable:
            return None
        from deskbell.knowledge.index.disk.passages import StoredChunks, decoded

        before = present.large.passages if present.large is not None else None
        heads = {each.id: before.heads[each.id] for each in segments if before is not None and each.id in before.heads}
        if before is not None and heads.keys() == before.heads.keys() == {each.id for each in segments}:
            return before
        for each in segments:
            if each.id not in heads:
                statement = large_store.segment_data(*key, each.id)
                data = await self.database.read(lambda session, one=statement: session.one(one), key[0])  # type: ignore[misc]
                if data is None:  # written anew meanwhile
                    return await self.passages(key, state, dimensions, present)
                heads[each.id] = await run_in_thread(decoded, data)
        return await run_in_thread(StoredChunks, heads)

    def tell(self, state: BaseState, chunks: int) -> None:
        """Says once that a large knowledge base is held in memory whole."""
        if chunks <= self.most or state.id in self.told:
            return
        self.told.add(state.id)
        why = (
            "PostgreSQL with pgvector searches such ones on disk"
            if self.database.single_process
            else "until it is stored"
        )
        log.warning(
            "knowledge base %s has %d chunks, more than DESKBELL_LARGE_BASE_CHUNKS, and is held in memory: %s; see `deskbell doctor`",
            state.id,
            chunks,
            why,
        )

    async def read(self, key: Key, document: LiveDocument, embedder: str, position: int) -> list[ChunkRow]:
        statement = store.chunk_rows(*key, document.id, document.live_revision, embedder, position, ROWS)

        async def work(session: Session) -> list[ChunkRow]:
            return await session.all(statement, long=document.chunk_count > LONG)

        return await self.database.read(work, key[0])

    def make_room(self) -> None:
        """Drops what was not asked for longest, but never the last."""
        total = sum(each.size for each in self.loaded.values())
        while total > self.budget and len(self.loaded) > 1:
            _, dropped = self.loaded.popitem(last=False)
            total -= dropped.size

    def look(self) -> None:
        """Says that some process has written knowledge bases: one that is gone leaves the memory too."""
        if self.loaded and (self.looking is None or self.looking.done()):
            self.looking = asyncio.get_running_loop().create_task(self.drop_deleted())

    async def drop_deleted(self) -> None:
        for key in list(self.loaded):
            state = await self.database.read(lambda session, key=key: session.one(store.base_state(*key)), key[0])  # type: ignore[misc]
            if state is None:
                self.loaded.pop(key, None)
                self.turns.pop(key, None)


def changed(index: Index, rows: list[ChunkRow], gone: list[str]) -> Index:
    """The index with more rows and without those that are gone."""
    return index.changed([entry(row) for row in rows], gone)


def enlarged(passages: StoredChunks, alive: Flags, index: Index) -> DiskIndex:
    from deskbell.knowledge.index.disk.passages import DiskIndex

    large = DiskIndex(passages, alive, index.parts)
    _ = large.whole.norms, large.whole.languages, large.whole.count
    return large


def entry(row: ChunkRow) -> IndexEntry:
    import numpy as np

    from deskbell.knowledge.index.memory import IndexEntry

    vector = None if row.vector is None else np.frombuffer(row.vector, "<f2").astype(np.float32)
    return IndexEntry(row.id, row.title_terms.split(), row.text_terms.split(), vector, row.language)
