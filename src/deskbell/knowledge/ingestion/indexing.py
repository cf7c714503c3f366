"""The jobs that make documents findable: read, split, store, embed, go live. Each part is stored as it is done.

A killed process leaves whole parts behind, and the next attempt goes on from them. A job that has worked for a while goes to the
end of the queue, so that one large document keeps no other waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

import msgspec

from deskbell.foundation.db import Database, DatabaseFailure, Session
from deskbell.foundation.jobs import LEASE, ClaimLost, Retry
from deskbell.foundation.worker import Handler, Work
from deskbell.knowledge import jobs
from deskbell.knowledge.embedders.base import Embedder, EmbedderUnavailable, EmbeddingUsage
from deskbell.knowledge.extraction import Unreadable
from deskbell.knowledge.index.disk import build_transactions as large
from deskbell.knowledge.ingestion import index_transactions
from deskbell.knowledge.ingestion.chunks import Chunk
from deskbell.knowledge.ingestion.index_transactions import Superseded, within
from deskbell.knowledge.ingestion.sources import DocumentReader
from deskbell.knowledge.model import DocumentState, RevisionKey, UnembeddedChunk

T = TypeVar("T")
log = logging.getLogger(__name__)

BATCH = 16  # chunks that are embedded at once
SLICE = 10.0  # seconds after which a job lets others go first
PATIENCE = 6  # attempts to reach an embedder before a document goes live without vectors


class IndexJob(msgspec.Struct):
    document_id: str


class SweepJob(msgspec.Struct):
    knowledge_base_id: str
    document_id: str | None


class EmbedJob(msgspec.Struct):
    knowledge_base_id: str
    after: str = ""


class OutOfTime(Exception):
    """The job has worked long enough; others go first."""


class Indexer:
    """Holds what the jobs need. `embedder` is None where search goes by keyword alone."""

    def __init__(self, database: Database, reader: DocumentReader, embedder: Embedder | None) -> None:
        self.database = database
        self.reader = reader
        self.embedder = embedder
        self.settles = database.graphs is not None
        self.turn = asyncio.Lock()  # one batch at a time is embedded, which leaves a processor to requests
        self.handlers: dict[str, Handler] = {
            jobs.INDEX: self.index,
            jobs.SWEEP: self.sweep,
            jobs.EMBED: self.embed_base,
            jobs.REFRESH: self.refresh,
        }

    async def index(self, work: Work) -> None:
        """Brings one document's newest content into the index, or says why it cannot be."""
        id = work.payload(IndexJob).document_id
        document = await work.heartbeat(within(work, partial(index_transactions.start_indexing, id=id)))
        if document is None:
            return
        try:
            await self.advance(work, document)
        except (Superseded, OutOfTime):
            await work.complete(within(work, partial(index_transactions.requeue, id=id)))
        except Unreadable as refusal:
            await work.complete(
                within(work, partial(index_transactions.mark_failed, document=document, reason=refusal.reason))
            )
        except (Retry, ClaimLost, DatabaseFailure):
            raise
        except Exception:
            reason = "Something went wrong on the server. Reindex the document to try again."
            await work.write(within(work, partial(index_transactions.mark_failed, document=document, reason=reason)))
            raise

    async def advance(self, work: Work, document: DocumentState) -> None:
        """One document from where it stands to its end."""
        deadline = time.monotonic() + SLICE
        if document.kind == "feed":
            await self.follow(work, document)
            return
        if document.stored_revision < document.revision:
            content = await held(work, self.reader.read(work, document))
            await work.heartbeat(
                within(
                    work,
                    partial(index_transactions.set_progress, document=document, progress=index_transactions.WAS_READ),
                )
            )
            await index_transactions.store_chunks(work, document, content.text, content.digest)
        embedder = self.embedder
        try:
            if embedder is not None:
                await self.embed(work, document.place, embedder, deadline)
        except EmbedderUnavailable as reason:
            if work.job.attempts < PATIENCE:
                await work.write(
                    within(work, partial(index_transactions.record_reason, document=document, reason=str(reason)))
                )
                raise Retry(str(reason)) from None
            log.warning("document %s goes live without vectors: %s", document.id, reason)
            embedder = None
        name, measured = (embedder.name, embedder.measured) if embedder else (None, True)
        act = partial(
            index_transactions.publish_revision,
            document=document,
            embedder=name,
            measured=measured,
            settles=self.settles,
        )
        await work.complete(within(work, act))

    async def follow(self, work: Work, feed: DocumentState) -> None:
        """Makes a document of each entry of a feed, and looks again later."""
        for draft, data in await held(work, self.reader.entries(feed)):
            await work.heartbeat(
                within(work, partial(index_transactions.store_feed_entry, feed=feed, draft=draft, data=data))
            )
        await work.complete(
            within(work, partial(index_transactions.finish_feed, feed=feed, hours=self.reader.feed_hours))
        )

    async def embed(self, work: Work, place: RevisionKey, embedder: Embedder, deadline: float) -> None:
        """Embeds those chunks of a revision that have no vector of this embedder."""
        total = await work.read(within(work, partial(index_transactions.count_chunks, place=place)))
        name, position = embedder.name, -1
        while batch := await work.read(
            within(
                work,
                partial(index_transactions.unembedded_chunks, place=place, embedder=name, after=position, most=BATCH),
            )
        ):
            if time.monotonic() > deadline:
                raise OutOfTime
            spent = EmbeddingUsage()
            vectors = await held(work, self.vectors(embedder, batch, spent))
            position = batch[-1].position
            progress = index_transactions.WAS_STORED + (99 - index_transactions.WAS_STORED) * (position + 1) // max(
                total, 1
            )
            act = partial(
                index_transactions.store_vectors, place=place, embedder=name, vectors=vectors, progress=progress
            )
            await work.heartbeat(within(work, partial(act, cost=spent.cost)))

    async def vectors(
        self, embedder: Embedder, batch: list[UnembeddedChunk], spent: EmbeddingUsage
    ) -> dict[int, bytes]:
        """The vectors of chunks, by position, as they are stored."""
        async with self.turn:
            matrix = await embedder.embed([indexed_text(row) for row in batch], spent)
        return {row.position: vector.astype("<f2").tobytes() for row, vector in zip(batch, matrix, strict=True)}

    async def embed_base(self, work: Work) -> None:
        """Gives every chunk of a knowledge base a vector of the present embedder, then searches by these. The old ones serve meanwhile."""
        job, embedder = work.payload(EmbedJob), self.embedder
        if embedder is None:
            return
        deadline = time.monotonic() + SLICE
        base_id = job.knowledge_base_id
        try:
            for live in await work.read(
                within(work, partial(index_transactions.live_documents_after, base_id=base_id, after=job.after))
            ):
                with contextlib.suppress(Superseded):
                    await self.embed(work, RevisionKey(base_id, live.id, live.live_revision), embedder, deadline)
                job.after = live.id
        except OutOfTime:
            rest = msgspec.structs.asdict(job)
            await work.complete(within(work, lambda ctx: jobs.enqueue(ctx, jobs.EMBED, base_id, rest)))
            return
        except EmbedderUnavailable as reason:
            raise Retry(str(reason)) from None
        await work.complete(
            within(work, partial(large.embedded, base_id=base_id, embedder=embedder.name, settles=self.settles))
        )

    async def refresh(self, work: Work) -> None:
        """Looks into a feed again."""
        id = work.payload(IndexJob).document_id
        await work.complete(within(work, partial(index_transactions.refresh, id=id)))

    async def sweep(self, work: Work) -> None:
        """Removes what nobody sees any more, a bit at a time."""
        job = work.payload(SweepJob)
        while await work.heartbeat(
            within(
                work, partial(index_transactions.delete_some_stale, base_id=job.knowledge_base_id, id=job.document_id)
            )
        ):
            pass
        if self.settles:
            await work.complete(within(work, partial(jobs.settle, base_id=job.knowledge_base_id)))


async def held(work: Work, reading: Coroutine[Any, Any, T]) -> T:
    """What takes long outside the database. The job's claim is renewed meanwhile."""
    task = asyncio.ensure_future(reading)
    try:
        while not (await asyncio.wait({task}, timeout=LEASE / 3))[0]:
            await work.heartbeat(nothing)
        return task.result()
    finally:
        task.cancel()


async def nothing(session: Session) -> None:
    """For a transaction that is there for the claim alone."""


def indexed_text(row: UnembeddedChunk) -> str:
    """What is embedded of a chunk: where it stands and what it says."""
    return Chunk(row.text, msgspec.json.decode(row.headings), None, row.position).embedded(row.title)


async def catch_up(database: Database, embedder: Embedder | None) -> None:
    """Queues knowledge bases that have another embedder's vectors, as after a change of the setting, or lack its curve."""
    if embedder is None:
        return
    after = ""
    while bases := await database.read(
        partial(index_transactions.bases_with_other_embedder, embedder=embedder.name, after=after)
    ):
        await database.write(partial(index_transactions.queue_embedding, bases=bases))
        after = bases[-1].id
    if embedder.measured:
        return
    after = ""
    while bases := await database.read(
        partial(index_transactions.bases_without_calibration, embedder=embedder.name, after=after)
    ):
        await database.write(partial(index_transactions.queue_calibration, bases=bases))
        after = bases[-1].id
