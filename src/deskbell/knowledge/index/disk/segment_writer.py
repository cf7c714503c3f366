"""Segments from the chunks of documents: their blocks are stored as they are made, and no search knows them before all are."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from deskbell.foundation.ids import public_id
from deskbell.foundation.worker import Work
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge.index.cache import changed
from deskbell.knowledge.index.disk import build_transactions
from deskbell.knowledge.ingestion.index_transactions import within
from deskbell.knowledge.model import ChunkRow, LiveDocument

if TYPE_CHECKING:
    from deskbell.knowledge.index.disk.posting_blocks import Revision
    from deskbell.knowledge.index.memory import Index

ROWS = 500  # chunks that are read and taken in at once
STORED = 100  # blocks of a transaction


class SegmentWriter:
    """Writes segments of about `size` chunks."""

    def __init__(self, work: Work, base_id: str, size: int) -> None:
        self.work, self.base_id, self.size = work, base_id, size
        self.done: dict[str, tuple[int, bytes, bytes]] = {}

    async def written(self, documents: Iterable[LiveDocument]) -> build_transactions.Written:
        """What is still to be stored of each new segment: its chunks, head and words, by id."""
        from deskbell.knowledge.index.disk.posting_blocks import Revision
        from deskbell.knowledge.index.memory import Index

        index, places, waiting = Index(0), list[Revision](), list[ChunkRow]()
        for document in documents:
            rows = await self.read(document)
            places.append(Revision(document.id, document.live_revision, len(rows)))
            waiting += rows
            if len(waiting) >= ROWS:
                index, waiting = await run_in_thread(changed, index, waiting, []), []
            if len(index) >= self.size:
                await self.write(index, places)
                index, places = Index(0), []
        if waiting:
            index = await run_in_thread(changed, index, waiting, [])
        if len(index):
            await self.write(index, places)
        return self.done

    async def read(self, document: LiveDocument) -> list[ChunkRow]:
        found: list[ChunkRow] = []
        while True:
            after = found[-1].position if found else -1
            act = partial(build_transactions.rows, base_id=self.base_id, document=document, after=after, most=ROWS)
            rows = await self.work.read(within(self.work, act))
            found += rows
            if len(rows) < ROWS:
                return found

    async def write(self, index: Index, places: list[Revision]) -> None:
        id = public_id("seg")
        head, words, blocks = await run_in_thread(packed, index, places)
        for start in range(0, len(blocks), STORED):
            some = blocks[start : start + STORED]
            act = partial(build_transactions.keep_blocks, base_id=self.base_id, id=id, blocks=some)
            await self.work.heartbeat(within(self.work, act))
        self.done[id] = (len(index), head, words)


def packed(index: Index, places: list[Revision]) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Head, words and blocks of a segment with all rows of an index."""
    from deskbell.knowledge.index.disk import posting_blocks
    from deskbell.knowledge.index.segments import merged

    segment = merged(index.parts)
    return posting_blocks.head(segment, places), posting_blocks.words(segment), list(posting_blocks.blocks(segment))
