"""Writes segments from the chunks of documents. Their blocks are stored as they are made; no search uses them before all are."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from deskbell.core.jobs import JobContext
from deskbell.foundation.ids import public_id
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge.index.cache import changed
from deskbell.knowledge.index.disk import build_transactions
from deskbell.knowledge.index.model import ChunkRow
from deskbell.knowledge.model import LiveDocument

if TYPE_CHECKING:
    from deskbell.knowledge.index.disk.posting_blocks import Revision
    from deskbell.knowledge.index.memory import Index

CHUNKS = 500  # that are read and added at once
BLOCKS = 100  # that are stored in one transaction


class SegmentWriter:
    """Writes segments of about `size` chunks."""

    def __init__(self, ctx: JobContext, base_id: str, size: int) -> None:
        self.ctx, self.base_id, self.size = ctx, base_id, size
        self.segments: dict[str, tuple[int, bytes, bytes]] = {}

    async def write(self, documents: Iterable[LiveDocument]) -> build_transactions.Segments:
        """Stores the blocks, and returns what is still to be stored of each new segment."""
        from deskbell.knowledge.index.disk.posting_blocks import Revision
        from deskbell.knowledge.index.memory import Index

        index, revisions, added = Index(0), list[Revision](), list[ChunkRow]()
        for document in documents:
            rows = await self.read(document)
            revisions.append(Revision(document.id, document.live_revision, len(rows)))
            added += rows
            if len(added) >= CHUNKS:
                index, added = await run_in_thread(changed, index, added, []), []
            if len(index) >= self.size:
                await self.write_segment(index, revisions)
                index, revisions = Index(0), []
        if added:
            index = await run_in_thread(changed, index, added, [])
        if len(index):
            await self.write_segment(index, revisions)
        return self.segments

    async def read(self, document: LiveDocument) -> list[ChunkRow]:
        """All chunks of a document."""
        chunks: list[ChunkRow] = []
        while True:
            after = chunks[-1].position if chunks else -1
            read = partial(build_transactions.chunk_rows, base_id=self.base_id, document=document)
            rows = await self.ctx.read(partial(read, after=after, most=CHUNKS))
            chunks += rows
            if len(rows) < CHUNKS:
                return chunks

    async def write_segment(self, index: Index, revisions: list[Revision]) -> None:
        id = public_id("seg")
        head, words, blocks = await run_in_thread(encode_segment, index, revisions)
        for start in range(0, len(blocks), BLOCKS):
            some = blocks[start : start + BLOCKS]
            save = partial(build_transactions.store_blocks, base_id=self.base_id, id=id, blocks=some)
            await self.ctx.heartbeat(save)
        self.segments[id] = (len(index), head, words)


def encode_segment(index: Index, revisions: list[Revision]) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Head, words and blocks of a segment with all rows of an index."""
    from deskbell.knowledge.index.disk import posting_blocks
    from deskbell.knowledge.index.segments import merge

    segment = merge(index.parts)
    return posting_blocks.head(segment, revisions), posting_blocks.words(segment), list(posting_blocks.blocks(segment))
