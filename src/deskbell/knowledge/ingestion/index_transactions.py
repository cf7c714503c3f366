"""The transactions of indexing: each a step of one document, in its own organization."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from deskbell.core.context import Context, job_context
from deskbell.credits import operations as credits
from deskbell.foundation.db import Session, insert
from deskbell.foundation.ids import new_id, public_id
from deskbell.foundation.worker import Work
from deskbell.knowledge import documents, jobs, store
from deskbell.knowledge.documents import change
from deskbell.knowledge.extraction import AnalyzedDocument
from deskbell.knowledge.model import (
    BaseRef,
    DocumentDraft,
    DocumentState,
    LiveDocument,
    RevisionKey,
    UnembeddedChunk,
)

T = TypeVar("T")

ROWS = 100  # chunks that are stored in one transaction
SWEPT = 500  # chunks that are removed in one transaction
WAS_READ, WAS_STORED = 10, 20  # percent of a document's progress
EVERY = 2**31 - 1  # above all revisions


class Superseded(Exception):
    """The document has newer content, or is gone."""


def within(work: Work, act: Callable[[Context], Coroutine[Any, Any, T]]) -> Callable[[Session], Coroutine[Any, Any, T]]:
    """An act in the job's own organization, as a transaction."""

    async def unit(session: Session) -> T:
        return await act(await job_context(session, work.job.organization_id or "", work.job.kind))

    return unit


async def start_indexing(ctx: Context, *, id: str) -> DocumentState | None:
    """The document that is to be indexed, unless it is gone."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, id))
    if held is not None and held.status == "queued":
        await change(ctx, id, status="processing", error=None)
    return held


async def require_current(ctx: Context, document: DocumentState) -> None:
    """Refuses to go on with content that is no longer the newest."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, document.id))
    if held is None or held.revision != document.revision:
        raise Superseded


async def set_progress(ctx: Context, *, document: DocumentState, progress: int) -> None:
    await require_current(ctx, document)
    await change(ctx, document.id, progress=progress)


async def record_reason(ctx: Context, *, document: DocumentState, reason: str) -> None:
    """Why it is not going on for the moment."""
    await require_current(ctx, document)
    await change(ctx, document.id, error=reason)


async def store_chunks(work: Work, document: DocumentState, text: AnalyzedDocument, digest: str | None) -> None:
    """Stores the chunks of the newest revision, in place of what an attempt that was cut short has left."""
    for start in range(0, len(text.passages), ROWS):
        await work.heartbeat(within(work, partial(store_chunk_batch, document=document, text=text, start=start)))
    letters = sum(len(passage.text) for passage in text.passages)
    await work.heartbeat(within(work, partial(mark_stored, document=document, digest=digest, letters=letters)))


async def store_chunk_batch(ctx: Context, *, document: DocumentState, text: AnalyzedDocument, start: int) -> None:
    """The chunks from a position on, `ROWS` of them."""
    await require_current(ctx, document)
    place = document.place
    await ctx.db.run(store.delete_chunks(ctx.organization_id, *place, start))
    key = {"organization_id": ctx.organization_id, **place._asdict(), "title": text.title, "language": text.language}
    for position, passage in enumerate(text.passages[start : start + ROWS], start):
        row = msgspec.structs.asdict(passage) | {"headings": msgspec.json.encode(passage.headings).decode()}
        await ctx.db.run(insert(store.chunks, key | row | {"position": position, "id": public_id("chunk")}))


async def mark_stored(ctx: Context, *, document: DocumentState, digest: str | None, letters: int) -> None:
    """All chunks are stored: from here on a document is not read again, so this is what is charged."""
    await require_current(ctx, document)
    await credits.record(ctx, activity="indexing", input_tokens=(letters + 3) // 4)  # about so many to a token
    if document.kind == "file":
        await credits.record(ctx, activity="file")
    await change(ctx, document.id, stored_revision=document.revision, digest=digest, progress=WAS_STORED)


async def count_chunks(ctx: Context, *, place: RevisionKey) -> int:
    """How many chunks a revision has."""
    base_id, id, revision = place
    last = await ctx.db.one(store.last_old_chunk(ctx.organization_id, base_id, id, revision + 1))
    return last.position + 1 if last is not None and last.revision == revision else 0


async def unembedded_chunks(
    ctx: Context, *, place: RevisionKey, embedder: str, after: int, most: int
) -> list[UnembeddedChunk]:
    """The next chunks that are to be embedded."""
    return await ctx.db.all(store.unembedded(ctx.organization_id, *place, embedder, after, most))


async def store_vectors(
    ctx: Context, *, place: RevisionKey, embedder: str, vectors: Mapping[int, bytes], progress: int, cost: float
) -> None:
    """Stores vectors and what their provider charged for them."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, place.document_id))
    if held is None or place.revision not in (held.revision, held.live_revision):
        raise Superseded
    key = {"organization_id": ctx.organization_id, **place._asdict(), "embedder": embedder}
    for position, vector in vectors.items():
        await ctx.db.run(insert(store.chunk_vectors, key | {"position": position, "vector": vector}))
    if cost:
        await credits.record(ctx, activity="indexing", cost=cost, count=0)
    if held.status == "processing" and place.revision == held.revision:
        await change(ctx, held.id, progress=progress)


async def publish_revision(
    ctx: Context, *, document: DocumentState, embedder: str | None, measured: bool, settles: bool
) -> None:
    """Lets searches see the newest revision, all of it, and the one before no more. Without an embedder vectors follow later.
    Where the index of a knowledge base `settles` in the database, a job sees to that, and one to the curve of an embedder that is
    not `measured`.
    """
    await require_current(ctx, document)
    chunks = await count_chunks(ctx, place=document.place)
    columns = {"status": "ready", "progress": 100, "error": None, "chunk_count": chunks}
    title = await ctx.db.one(store.title_of(ctx.organization_id, *document.place))
    await change(ctx, document.id, **columns, live_revision=document.revision, title=title)
    await ctx.db.run(store.raise_version(ctx.organization_id, document.knowledge_base_id))
    if embedder is not None:
        await ctx.db.run(store.choose_embedder(ctx.organization_id, document.knowledge_base_id, embedder, anew=False))
        if not measured:
            await jobs.calibrate(ctx, document.knowledge_base_id)
    if document.revision > 1:
        await jobs.sweep(ctx, document.knowledge_base_id, document.id)
    if settles:
        await jobs.settle(ctx, document.knowledge_base_id)


async def requeue(ctx: Context, *, id: str) -> None:
    """Goes on with a document's newest content later, if it has not gone."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, id))
    if held is not None:
        await jobs.index(ctx, held.knowledge_base_id, id)


async def mark_failed(ctx: Context, *, document: DocumentState, reason: str) -> None:
    """Says why a document cannot be indexed. What was live before stays so."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, document.id))
    if held is None:
        return
    if held.revision != document.revision:
        await jobs.index(ctx, document.knowledge_base_id, document.id)
        return
    if held.live_revision:
        reason += " Searches go on with its earlier content."
    await change(ctx, document.id, status="failed", error=reason)


async def store_feed_entry(ctx: Context, *, feed: DocumentState, draft: DocumentDraft, data: bytes) -> None:
    """A feed's entry as a document; one that is there already and has not changed stays as it is, and one that was deleted stays away.

    A document of the same address that is not of this feed stays too: whoever writes a feed must not replace others' documents.
    """
    await require_current(ctx, feed)
    base_id = feed.knowledge_base_id
    present = await ctx.db.one(store.held_document_named(ctx.organization_id, base_id, draft.file_name))
    foreign = present is not None and present.feed_id != feed.id
    if foreign or (present is not None and present.digest == draft.digest and present.status != "failed"):
        return
    if present is None:
        dropped = await ctx.db.one(store.dropped_entry(ctx.organization_id, feed.id, draft.file_name))
        if dropped is not None:
            return
    draft.upload_id = new_id()
    await documents.store_part(ctx, draft.upload_id, 0, data)
    await documents.put_document(ctx, base_id, draft)


async def finish_feed(ctx: Context, *, feed: DocumentState, hours: float) -> None:
    """A feed's entries are documents now. Looks again after so many hours; never, where there are none."""
    await require_current(ctx, feed)
    await change(ctx, feed.id, status="ready", progress=100, error=None)
    if hours:
        job = {"document_id": feed.id}
        unique_key = f"{jobs.REFRESH} {feed.id}"
        await jobs.enqueue(ctx, jobs.REFRESH, feed.knowledge_base_id, job, unique_key=unique_key, delay=hours * 3600)


async def refresh(ctx: Context, *, id: str) -> None:
    """Queues a feed again, if it has not gone."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, id))
    if held is not None:
        await jobs.index(ctx, held.knowledge_base_id, id)


async def live_documents_after(ctx: Context, *, base_id: str, after: str) -> list[LiveDocument]:
    """What searches see of a knowledge base, behind a document's id, in order."""
    found = await ctx.db.all(store.live_documents(ctx.organization_id, base_id))
    return sorted((live for live in found if live.id > after), key=lambda live: live.id)


async def switch_embedder(ctx: Context, *, base_id: str, embedder: str) -> None:
    """Searches a knowledge base by this embedder's vectors from now on; the others' are swept up."""
    await ctx.db.run(store.choose_embedder(ctx.organization_id, base_id, embedder, anew=True))
    await ctx.db.run(store.raise_version(ctx.organization_id, base_id))
    await jobs.calibrate(ctx, base_id)
    for live in await live_documents_after(ctx, base_id=base_id, after=""):
        await ctx.db.run(
            store.delete_other_vectors(ctx.organization_id, base_id, live.id, live.live_revision, embedder)
        )


async def delete_some_stale(ctx: Context, *, base_id: str, id: str | None) -> bool:
    """Removes some of what nobody sees any more; False where nothing is left."""
    whole = id is None
    if id is None:
        if await ctx.db.one(store.base_state(ctx.organization_id, base_id)) is not None:
            return False
        rest = await ctx.db.one(store.any_document(ctx.organization_id, base_id))
        if rest is None:
            return False
        id, before = rest.id, EVERY
    else:
        held = await ctx.db.one(store.held_document(ctx.organization_id, id))
        before = held.live_revision if held is not None else EVERY
    last = await ctx.db.one(store.last_old_chunk(ctx.organization_id, base_id, id, before))
    if last is not None:
        place = (ctx.organization_id, base_id, id, last.revision, max(0, last.position + 1 - SWEPT))
        await ctx.db.run(store.delete_chunks(*place))
        await ctx.db.run(store.delete_vectors(*place))
        return True
    if whole and rest is not None:
        if rest.upload_id is not None:
            await ctx.db.run(store.delete_upload(ctx.organization_id, rest.upload_id))
        await ctx.db.run(store.delete_document(ctx.organization_id, id))
        await ctx.db.run(store.forget_dropped_entries(ctx.organization_id, id))
    return whole


async def upload_part(ctx: Context, *, document: DocumentState, upload_id: str, part: int) -> bytes | None:
    """A part of an upload; None behind the last one. Newer content has taken the old one's bytes along."""
    found = await ctx.db.one(store.upload_part(ctx.organization_id, upload_id, part))
    if found is None and part == 0:
        await require_current(ctx, document)
    return found


async def bases_with_other_embedder(session: Session, *, embedder: str, after: str) -> list[BaseRef]:
    """Of all organizations, by id: the next knowledge bases that have other vectors."""
    return await session.all(store.bases_embedded_otherwise(embedder, after, ROWS))


async def queue_embedding(session: Session, *, bases: list[BaseRef]) -> None:
    for base in bases:
        ctx = await job_context(session, base.organization_id, jobs.EMBED)
        job = {"knowledge_base_id": base.id}
        await jobs.enqueue(ctx, jobs.EMBED, base.id, job, unique_key=f"{jobs.EMBED} {base.id}")


async def bases_without_calibration(session: Session, *, embedder: str, after: str) -> list[BaseRef]:
    """Of all organizations, by id: the next knowledge bases that have this embedder's vectors, and no curve for it."""
    return await session.all(store.bases_without_curve(embedder, after, ROWS))


async def queue_calibration(session: Session, *, bases: list[BaseRef]) -> None:
    for base in bases:
        await jobs.calibrate(await job_context(session, base.organization_id, jobs.CALIBRATE), base.id)
