"""Vectors for chunks: for those of one document while it is indexed, and for a whole knowledge base when the embedder has changed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from functools import partial

import msgspec

from deskbell.core.context import Context
from deskbell.core.jobs import JobContext, JobHandler
from deskbell.credits import operations as credits
from deskbell.foundation.db import insert
from deskbell.foundation.jobs import Retry
from deskbell.knowledge import jobs, store
from deskbell.knowledge.documents import set_columns
from deskbell.knowledge.embedders.base import Embedder, EmbedderUnavailable, EmbeddingUsage
from deskbell.knowledge.extraction.chunks import Chunk
from deskbell.knowledge.index import store as chunk_store
from deskbell.knowledge.index.disk import build_transactions
from deskbell.knowledge.index.model import UnembeddedChunk
from deskbell.knowledge.ingestion.revisions import STORED, Superseded
from deskbell.knowledge.model import LiveDocument, RevisionKey

BATCH = 16  # chunks that are embedded at once
SLICE = 10.0  # seconds after which a job lets others go first


class OutOfTime(Exception):
    """The job has worked long enough; others go first."""


class Embedding:
    """Embeds chunks. `embedder` is None where search uses keywords only."""

    def __init__(self, embedder: Embedder | None, *, builds_index: bool) -> None:
        self.embedder = embedder
        self.builds_index = builds_index
        self.lock = asyncio.Lock()  # one batch at a time, which leaves a processor to requests
        self.handlers: dict[str, JobHandler] = {jobs.EMBED: self.embed_base}

    async def embed(self, ctx: JobContext, revision: RevisionKey, deadline: float) -> None:
        """Embeds those chunks of a revision that have no vector yet. Raises `OutOfTime` after the deadline, and `EmbedderUnavailable`."""
        embedder = self.embedder
        if embedder is None:
            return
        total = await ctx.read(partial(count_chunks, revision=revision))
        unembedded = partial(unembedded_chunks, revision=revision, embedder=embedder.name)
        position = -1
        while batch := await ctx.read(partial(unembedded, after=position)):
            if time.monotonic() > deadline:
                raise OutOfTime
            usage = EmbeddingUsage()
            vectors = await ctx.keeping_claim(self.vectors(embedder, batch, usage))
            position = batch[-1].position
            progress = STORED + (99 - STORED) * (position + 1) // max(total, 1)
            save = partial(store_vectors, revision=revision, embedder=embedder.name, vectors=vectors)
            await ctx.heartbeat(partial(save, progress=progress, cost=usage.cost))

    async def vectors(
        self, embedder: Embedder, batch: list[UnembeddedChunk], usage: EmbeddingUsage
    ) -> dict[int, bytes]:
        """The vectors of chunks, by position, as they are stored."""
        async with self.lock:
            matrix = await embedder.embed([embedding_text(chunk) for chunk in batch], usage)
        return {chunk.position: vector.astype("<f2").tobytes() for chunk, vector in zip(batch, matrix, strict=True)}

    async def embed_base(self, ctx: JobContext, job: jobs.EmbedJob) -> None:
        """Gives every chunk of a knowledge base a vector of the present embedder, then searches by these. Until then the old ones serve."""
        embedder = self.embedder
        if embedder is None:
            return
        deadline = time.monotonic() + SLICE
        base_id = job.knowledge_base_id
        try:
            for document in await ctx.read(partial(live_after, base_id=base_id, after=job.after)):
                with contextlib.suppress(Superseded):
                    await self.embed(ctx, RevisionKey(base_id, document.id, document.live_revision), deadline)
                job.after = document.id
        except OutOfTime:
            await ctx.complete(partial(jobs.continue_embedding, job=job))
            return
        except EmbedderUnavailable as failure:
            raise Retry(str(failure)) from None
        switch = partial(build_transactions.base_embedded, embedder=embedder.name, builds_index=self.builds_index)
        await ctx.complete(partial(switch, base_id=base_id))


def embedding_text(chunk: UnembeddedChunk) -> str:
    """What is embedded of a chunk: the headings above it and its text."""
    return Chunk(chunk.text, msgspec.json.decode(chunk.headings), None, chunk.position).embedding_text(chunk.title)


async def count_chunks(ctx: Context, *, revision: RevisionKey) -> int:
    """How many chunks a revision has."""
    base_id, document_id, number = revision
    last = await ctx.db.one(chunk_store.last_chunk_before(ctx.organization_id, base_id, document_id, number + 1))
    return last.position + 1 if last is not None and last.revision == number else 0


async def unembedded_chunks(ctx: Context, *, revision: RevisionKey, embedder: str, after: int) -> list[UnembeddedChunk]:
    """The next batch of chunks to embed."""
    return await ctx.db.all(chunk_store.unembedded_chunks(ctx.organization_id, *revision, embedder, after, BATCH))


async def store_vectors(
    ctx: Context, *, revision: RevisionKey, embedder: str, vectors: Mapping[int, bytes], progress: int, cost: float
) -> None:
    """Stores vectors and what their provider charged for them, in US dollars."""
    document = await ctx.db.one(store.lock_document(ctx.organization_id, revision.document_id))
    if document is None or revision.revision not in (document.revision, document.live_revision):
        raise Superseded
    key = {"organization_id": ctx.organization_id, **revision._asdict(), "embedder": embedder}
    for position, vector in vectors.items():
        await ctx.db.run(insert(chunk_store.chunk_vectors, key | {"position": position, "vector": vector}))
    if cost:
        await credits.record(ctx, activity="indexing", cost=cost, count=0)
    if document.status == "processing" and revision.revision == document.revision:
        await set_columns(ctx, document.id, progress=progress)


async def live_after(ctx: Context, *, base_id: str, after: str) -> list[LiveDocument]:
    """The documents of a knowledge base that searches see, those after a document's id, in order."""
    documents = await ctx.db.all(store.live_documents(ctx.organization_id, base_id))
    return sorted((each for each in documents if each.id > after), key=lambda each: each.id)
