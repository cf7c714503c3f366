"""Indexes in memory: made from the database when first asked for, brought up to date document by document, dropped when memory is short."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from deskbell.foundation.db import Database, Session
from deskbell.knowledge import store
from deskbell.knowledge.model import BaseState, ChunkRow, LiveDocument
from deskbell.knowledge.threads import beside

if TYPE_CHECKING:
    from deskbell.knowledge.index import Entry, Index

log = logging.getLogger(__name__)

ROWS = 500  # chunks that are read and taken in at once
LONG = 50  # chunks of a document that the event loop reads itself
Key = tuple[str, str]  # organization and knowledge base


class Loaded(msgspec.Struct):
    """A knowledge base as of a version: its index, and the revision and chunks of each document in it."""

    version: int
    embedder: str | None
    index: Index
    documents: dict[str, tuple[int, list[str]]]


class Indexes:
    """Holds at most `budget` bytes of indexes, those that were asked for last, and always the one that is asked for."""

    def __init__(self, database: Database, budget: int) -> None:
        self.database = database
        self.budget = budget
        self.loaded: OrderedDict[Key, Loaded] = OrderedDict()
        self.turns: dict[Key, asyncio.Lock] = {}
        self.looking: asyncio.Task[None] | None = None

    async def at(self, organization_id: str, state: BaseState, dimensions: int) -> Index:
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
                return present.index
        finally:
            if not turn.locked() and key not in self.loaded:
                self.turns.pop(key, None)

    async def brought_up(self, key: Key, state: BaseState, dimensions: int, present: Loaded | None) -> Loaded:
        """Takes in the documents that are new and drops those that are gone. Each slice of rows is worked on in a thread."""
        from deskbell.knowledge.index import Index

        if present is None or present.embedder != state.embedder:
            present = Loaded(0, state.embedder, Index(dimensions), {})
        live = await self.database.read(lambda session: session.all(store.live_documents(*key)), key[0])
        documents = {each.id: each for each in live}
        kept = {
            id: place
            for id, place in present.documents.items()
            if id in documents and documents[id].live_revision == place[0]
        }
        gone = [chunk for id, (_, chunks) in present.documents.items() if id not in kept for chunk in chunks]
        index, waiting = present.index, list[tuple[LiveDocument, ChunkRow]]()
        for document in live:
            if document.id in kept:
                continue
            kept[document.id] = (document.live_revision, [])
            position = -1
            while rows := await self.read(key, document, state.embedder or "", position):
                position = rows[-1].position
                kept[document.id][1].extend(row.id for row in rows)
                waiting += [(document, row) for row in rows]
                if len(waiting) >= ROWS:
                    index = await beside(changed, index, [row for _, row in waiting], gone)
                    waiting, gone = [], []
                if len(rows) < ROWS:
                    break
        if waiting or gone:
            index = await beside(changed, index, [row for _, row in waiting], gone)
        return Loaded(state.version, state.embedder, index, kept)

    async def read(self, key: Key, document: LiveDocument, embedder: str, position: int) -> list[ChunkRow]:
        statement = store.chunk_rows(*key, document.id, document.live_revision, embedder, position, ROWS)

        async def work(session: Session) -> list[ChunkRow]:
            return await session.all(statement, long=document.chunk_count > LONG)

        return await self.database.read(work, key[0])

    def make_room(self) -> None:
        """Drops what was not asked for longest, but never the last."""
        total = sum(each.index.size for each in self.loaded.values())
        while total > self.budget and len(self.loaded) > 1:
            _, dropped = self.loaded.popitem(last=False)
            total -= dropped.index.size

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


def entry(row: ChunkRow) -> Entry:
    import numpy as np

    from deskbell.knowledge.index import Entry

    vector = None if row.vector is None else np.frombuffer(row.vector, "<f2").astype(np.float32)
    return Entry(row.id, row.title_terms.split(), row.text_terms.split(), vector, row.language)
