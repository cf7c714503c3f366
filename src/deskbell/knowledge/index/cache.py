"""Indexes in memory: built from the database when first asked for, brought up to date document by document, evicted when memory is short.

Of a large knowledge base whose index is stored on disk, memory holds only what is newer than that.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from deskbell.foundation.db import Database, Session
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge import store
from deskbell.knowledge.index import store as chunk_store
from deskbell.knowledge.index.disk import store as disk_store
from deskbell.knowledge.index.disk.model import StoredSegment
from deskbell.knowledge.index.model import ChunkRow
from deskbell.knowledge.model import BaseState, LiveDocument

if TYPE_CHECKING:
    from deskbell.knowledge.index.disk.stored_chunks import DiskIndex, StoredChunks
    from deskbell.knowledge.index.memory import Index, IndexEntry
    from deskbell.knowledge.index.segments import Flags

log = logging.getLogger(__name__)

BATCH = 500  # chunks that are read and added at once
LONG = 50  # chunks of a document that the event loop reads itself
Key = tuple[str, str]  # organization and knowledge base


class CachedIndex(msgspec.Struct):
    """A knowledge base as of a version: its index, and for each document in it the revision and the ids of its chunks."""

    version: int
    embedder: str | None
    index: Index
    documents: dict[str, tuple[int, list[str]]]
    on_disk: DiskIndex | None = None

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self.index.size + (self.on_disk.stored.size if self.on_disk else 0)


class IndexCache:
    """Holds at most `budget` bytes of indexes, the most recently used ones, and always the one that is asked for.

    Knowledge bases of more than `most` chunks should be searched on disk; the log says once of each that it is not, and why.
    """

    def __init__(self, database: Database, budget: int, most: int) -> None:
        self.database = database
        self.budget, self.most = budget, most
        self.warned: set[str] = set()
        self.cached: OrderedDict[Key, CachedIndex] = OrderedDict()
        self.locks: dict[Key, asyncio.Lock] = {}
        self.eviction: asyncio.Task[None] | None = None

    async def get(self, organization_id: str, base: BaseState, dimensions: int) -> CachedIndex:
        """The index of a knowledge base in at least this version. Searches that need the same update wait for one."""
        key = (organization_id, base.id)
        lock = self.locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                cached = self.cached.get(key)
                if cached is None or cached.version < base.version or cached.embedder != base.embedder:
                    cached = await self.update(key, base, dimensions, cached)
                    self.cached[key] = cached
                self.cached.move_to_end(key)
                self.evict()
                return cached
        finally:
            if not lock.locked() and key not in self.cached:
                self.locks.pop(key, None)

    async def update(self, key: Key, base: BaseState, dimensions: int, cached: CachedIndex | None) -> CachedIndex:
        """Adds new documents and removes deleted ones."""
        from deskbell.knowledge.index.memory import Index

        if cached is None or cached.embedder != base.embedder:
            cached = CachedIndex(0, base.embedder, Index(dimensions), {})
        live = await self.database.read(lambda session: session.all(store.live_documents(*key)), key[0])
        stored = await self.stored_chunks(key, base, dimensions, cached)
        if stored is None:
            self.warn(base, sum(each.chunk_count for each in live))
            alive, on_disk = None, set[str]()
        else:
            alive, on_disk = await run_in_thread(stored.alive, {each.id: each.live_revision for each in live})
        index, documents = await self.update_index(key, base, cached, [each for each in live if each.id not in on_disk])
        updated = CachedIndex(base.version, base.embedder, index, documents)
        if stored is not None and alive is not None:
            updated.on_disk = await run_in_thread(disk_index, stored, alive, index)
        return updated

    async def update_index(
        self, key: Key, base: BaseState, cached: CachedIndex, live: Sequence[LiveDocument]
    ) -> tuple[Index, dict[str, tuple[int, list[str]]]]:
        """The index of these documents, made from the cached one, and their revisions and chunks. Batches are added in a thread."""
        wanted = {each.id: each.live_revision for each in live}
        documents = {id: each for id, each in cached.documents.items() if wanted.get(id) == each[0]}
        removed = [chunk for id, (_, chunks) in cached.documents.items() if id not in documents for chunk in chunks]
        index, added = cached.index, list[ChunkRow]()
        for document in live:
            if document.id in documents:
                continue
            documents[document.id] = (document.live_revision, [])
            position = -1
            while rows := await self.read(key, document, base.embedder or "", position):
                position = rows[-1].position
                documents[document.id][1].extend(row.id for row in rows)
                added += rows
                if len(added) >= BATCH:
                    index = await run_in_thread(changed, index, added, removed)
                    added, removed = [], []
                if len(rows) < BATCH:
                    break
        if added or removed:
            index = await run_in_thread(changed, index, added, removed)
        return index, documents

    async def stored_chunks(
        self, key: Key, base: BaseState, dimensions: int, cached: CachedIndex
    ) -> StoredChunks | None:
        """What is stored of a large knowledge base's index; None if there is nothing, or its graph is not ready."""

        async def look(session: Session) -> tuple[list[StoredSegment], bool]:
            segments = await session.all(disk_store.segments(*key))
            graphs = await session.all(disk_store.graphs(*key)) if segments and dimensions else []
            return segments, not dimensions or any(each.ready and each.embedder == base.embedder for each in graphs)

        segments, usable = await self.database.read(look, key[0])
        if not segments or not usable:
            return None
        from deskbell.knowledge.index.disk.stored_chunks import StoredChunks, decode_head

        before = cached.on_disk.stored if cached.on_disk is not None else None
        ids = [each.id for each in segments]
        heads = {id: before.heads[id] for id in ids if before is not None and id in before.heads}
        if before is not None and heads.keys() == before.heads.keys() == set(ids):
            return before
        for id in [each for each in ids if each not in heads]:
            statement = disk_store.segment_data(*key, id)
            data = await self.database.read(lambda session, one=statement: session.one(one), key[0])  # type: ignore[misc]
            if data is None:  # the segment was replaced meanwhile
                return await self.stored_chunks(key, base, dimensions, cached)
            heads[id] = await run_in_thread(decode_head, data)
        return await run_in_thread(StoredChunks, heads)

    def warn(self, base: BaseState, chunks: int) -> None:
        """Logs once that all of a large knowledge base is in memory."""
        if chunks <= self.most or base.id in self.warned:
            return
        self.warned.add(base.id)
        why = (
            "only PostgreSQL with pgvector can search it on disk"
            if self.database.single_process
            else "its index is not stored on disk yet"
        )
        log.warning(
            "knowledge base %s has %d chunks, more than DESKBELL_LARGE_BASE_CHUNKS, and is in memory: %s; see `deskbell doctor`",
            base.id,
            chunks,
            why,
        )

    async def read(self, key: Key, document: LiveDocument, embedder: str, position: int) -> list[ChunkRow]:
        """The next batch of a document's chunks after a position."""
        statement = chunk_store.chunk_rows(*key, document.id, document.live_revision, embedder, position, BATCH)

        async def rows(session: Session) -> list[ChunkRow]:
            return await session.all(statement, long=document.chunk_count > LONG)

        return await self.database.read(rows, key[0])

    def evict(self) -> None:
        """Drops the least recently used indexes, but never the last one."""
        total = sum(each.size for each in self.cached.values())
        while total > self.budget and len(self.cached) > 1:
            _, dropped = self.cached.popitem(last=False)
            total -= dropped.size

    def on_bases_changed(self) -> None:
        """Some process has changed a knowledge base: indexes of deleted ones are dropped."""
        if self.cached and (self.eviction is None or self.eviction.done()):
            self.eviction = asyncio.get_running_loop().create_task(self.drop_deleted())

    async def drop_deleted(self) -> None:
        for key in list(self.cached):
            base = await self.database.read(lambda session, key=key: session.one(store.base_state(*key)), key[0])  # type: ignore[misc]
            if base is None:
                self.cached.pop(key, None)
                self.locks.pop(key, None)


def changed(index: Index, added: list[ChunkRow], removed: list[str]) -> Index:
    """The index with more chunks and without those of these ids."""
    return index.changed([entry_of(row) for row in added], removed)


def disk_index(stored: StoredChunks, alive: Flags, newer: Index) -> DiskIndex:
    from deskbell.knowledge.index.disk.stored_chunks import DiskIndex

    index = DiskIndex(stored, alive, newer.parts)
    _ = index.statistics.norms, index.statistics.languages, index.statistics.count  # computed here, in a thread
    return index


def entry_of(row: ChunkRow) -> IndexEntry:
    import numpy as np

    from deskbell.knowledge.index.memory import IndexEntry

    vector = None if row.vector is None else np.frombuffer(row.vector, "<f2").astype(np.float32)
    return IndexEntry(row.id, row.title_terms.split(), row.text_terms.split(), vector, row.language)
