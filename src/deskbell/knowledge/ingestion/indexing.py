"""The job that makes a document findable: read, split, store, embed, publish. Each part is stored as soon as it is done.

A process that is killed leaves whole parts behind, and the next attempt continues from them. A job that has worked for a while goes
to the end of the queue, so that one large document does not delay all others.
"""

from __future__ import annotations

import logging
import time
from functools import partial

import msgspec

from deskbell.core.context import Context
from deskbell.core.jobs import JobContext, JobHandler
from deskbell.credits import operations as credits
from deskbell.foundation.db import DatabaseFailure, insert
from deskbell.foundation.ids import public_id
from deskbell.foundation.jobs import ClaimLost, Retry
from deskbell.knowledge import jobs, store
from deskbell.knowledge.documents import end_indexing, set_columns
from deskbell.knowledge.embedders import store as embedder_store
from deskbell.knowledge.embedders.base import EmbedderUnavailable
from deskbell.knowledge.extraction import AnalyzedDocument, Unreadable
from deskbell.knowledge.index import store as chunk_store
from deskbell.knowledge.ingestion import feeds
from deskbell.knowledge.ingestion.embedding import Embedding, OutOfTime, count_chunks
from deskbell.knowledge.ingestion.revisions import STORED, Superseded, require_newest
from deskbell.knowledge.ingestion.sources import SourceReader
from deskbell.knowledge.model import DocumentState

log = logging.getLogger(__name__)

BATCH = 100  # chunks that are stored in one transaction
SLICE = 10.0  # seconds after which a job lets others go first
ATTEMPTS = 6  # to reach an embedder before a document is published without vectors
READ = 10  # percent of a document's progress


class Indexer:
    """Indexes documents and feeds. Where the database can store indexes (`builds_index`), a job brings them up to date."""

    def __init__(self, reader: SourceReader, embedding: Embedding, *, builds_index: bool) -> None:
        self.reader = reader
        self.embedding = embedding
        self.builds_index = builds_index
        self.handlers: dict[str, JobHandler] = {jobs.INDEX: self.index, jobs.REFRESH: feeds.refresh}

    async def index(self, ctx: JobContext, job: jobs.DocumentJob) -> None:
        """Indexes the newest content of a document, or stores why it cannot be indexed."""
        id = job.document_id
        document = await ctx.heartbeat(partial(start_indexing, id=id))
        if document is None:
            return
        try:
            if document.kind == "feed":
                await feeds.follow(ctx, document, self.reader)
            else:
                await self.advance(ctx, document)
        except (Superseded, OutOfTime):
            await ctx.complete(partial(requeue, id=id))
        except Unreadable as refusal:
            await ctx.complete(partial(mark_failed, document=document, reason=refusal.reason))
        except (Retry, ClaimLost, DatabaseFailure):
            raise
        except Exception:
            reason = "Something went wrong on the server. Reindex the document to try again."
            await ctx.write(partial(mark_failed, document=document, reason=reason))
            raise

    async def advance(self, ctx: JobContext, document: DocumentState) -> None:
        """Does what is left to do for a document."""
        deadline = time.monotonic() + SLICE
        if document.stored_revision < document.revision:
            content = await ctx.keeping_claim(self.reader.read(ctx, document))
            await ctx.heartbeat(partial(set_progress, document=document, progress=READ))
            await store_text(ctx, document, content.text, content.digest)
        embedder = self.embedding.embedder
        try:
            await self.embedding.embed(ctx, document.newest, deadline)
        except EmbedderUnavailable as failure:
            if ctx.attempts < ATTEMPTS:
                await ctx.write(partial(set_error, document=document, reason=str(failure)))
                raise Retry(str(failure)) from None
            log.warning("document %s is published without vectors: %s", document.id, failure)
            embedder = None
        name, calibrated = (embedder.name, embedder.measured) if embedder else (None, True)
        publish = partial(publish_revision, embedder=name, calibrated=calibrated, builds_index=self.builds_index)
        await ctx.complete(partial(publish, document=document))


async def start_indexing(ctx: Context, *, id: str) -> DocumentState | None:
    """The document to index; None if it was deleted."""
    document = await ctx.db.one(store.lock_document(ctx.organization_id, id))
    if document is not None and document.status == "queued":
        await set_columns(ctx, id, status="processing", error=None)
    return document


async def set_progress(ctx: Context, *, document: DocumentState, progress: int) -> None:
    await require_newest(ctx, document)
    await set_columns(ctx, document.id, progress=progress)


async def set_error(ctx: Context, *, document: DocumentState, reason: str) -> None:
    """Why indexing does not continue for the moment."""
    await require_newest(ctx, document)
    await set_columns(ctx, document.id, error=reason)


async def store_text(ctx: JobContext, document: DocumentState, text: AnalyzedDocument, digest: str | None) -> None:
    """Stores the chunks of the newest revision. They replace those of an attempt that was interrupted."""
    for start in range(0, len(text.chunks), BATCH):
        await ctx.heartbeat(partial(store_chunks, document=document, text=text, start=start))
    characters = sum(len(chunk.text) for chunk in text.chunks)
    stored = partial(mark_stored, document=document, digest=digest, characters=characters)
    await ctx.heartbeat(stored)


async def store_chunks(ctx: Context, *, document: DocumentState, text: AnalyzedDocument, start: int) -> None:
    """A batch of chunks, from a position on."""
    await require_newest(ctx, document)
    revision = document.newest
    await ctx.db.run(chunk_store.delete_chunks(ctx.organization_id, *revision, start))
    key = {"organization_id": ctx.organization_id, **revision._asdict(), "title": text.title, "language": text.language}
    for position, chunk in enumerate(text.chunks[start : start + BATCH], start):
        row = msgspec.structs.asdict(chunk) | {"headings": msgspec.json.encode(chunk.headings).decode()}
        await ctx.db.run(insert(chunk_store.chunks, key | row | {"position": position, "id": public_id("chunk")}))


async def mark_stored(ctx: Context, *, document: DocumentState, digest: str | None, characters: int) -> None:
    """All chunks are stored. The document is not read again from here on, so this is where reading is charged."""
    await require_newest(ctx, document)
    await credits.record(ctx, activity="indexing", input_tokens=(characters + 3) // 4)  # about four to a token
    if document.kind == "file":
        await credits.record(ctx, activity="file")
    await set_columns(ctx, document.id, stored_revision=document.revision, digest=digest, progress=STORED)


async def publish_revision(
    ctx: Context, *, document: DocumentState, embedder: str | None, calibrated: bool, builds_index: bool
) -> None:
    """Lets searches see the newest revision as a whole, and no longer the one before. Without an embedder vectors follow later."""
    await require_newest(ctx, document)
    base_id, revision = document.knowledge_base_id, document.newest
    chunks = await count_chunks(ctx, revision=revision)
    columns = {"progress": 100, "error": None, "chunk_count": chunks}
    title = await ctx.db.one(chunk_store.title_of_revision(ctx.organization_id, *revision))
    await end_indexing(ctx, document.id, "ready", **columns, live_revision=document.revision, title=title)
    await ctx.db.run(store.increment_version(ctx.organization_id, base_id))
    if embedder is not None:
        await ctx.db.run(embedder_store.set_embedder(ctx.organization_id, base_id, embedder, replace=False))
        if not calibrated:
            await jobs.queue_calibration(ctx, base_id)
    if document.revision > 1:
        await jobs.queue_clean_up(ctx, base_id, document.id)
    if builds_index:
        await jobs.queue_index_build(ctx, base_id)


async def requeue(ctx: Context, *, id: str) -> None:
    """Continues later with a document's newest content, unless it was deleted."""
    document = await ctx.db.one(store.lock_document(ctx.organization_id, id))
    if document is not None:
        await jobs.queue_indexing(ctx, document.knowledge_base_id, id)


async def mark_failed(ctx: Context, *, document: DocumentState, reason: str) -> None:
    """Stores why a document cannot be indexed. What searches saw before, they still see."""
    newest = await ctx.db.one(store.lock_document(ctx.organization_id, document.id))
    if newest is None:
        return
    if newest.revision != document.revision:
        await jobs.queue_indexing(ctx, document.knowledge_base_id, document.id)
        return
    if newest.live_revision:
        reason += " Searches go on with its earlier content."
    await end_indexing(ctx, document.id, "failed", error=reason)
