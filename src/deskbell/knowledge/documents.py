"""Documents: stored, listed, replaced, deleted. Indexing is queued in the same transaction."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.foundation.db import insert, update
from deskbell.foundation.ids import PublicId, public_id
from deskbell.foundation.pagination import Pagination, given
from deskbell.knowledge import bases, jobs, rules, store
from deskbell.knowledge.model import Document, DocumentDraft, Documents, DocumentState, DocumentWindow, Status


async def list_documents(ctx: Context, id: PublicId, window: DocumentWindow) -> Documents:
    """Documents of a knowledge base, newest first, with the state of their indexing."""
    await bases.state_of_base(ctx, id)
    statement = store.document_list(ctx.organization_id, id, given(window.status))
    rows, total = await ctx.db.page(statement, 1, window.limit, offset=window.offset)
    return Documents(rows, Pagination(window.limit, window.offset, total))


async def get_document(ctx: Context, id: PublicId) -> Document:
    """One document. `status` goes from `queued` over `processing` to `ready` or `failed`; `error` says why it failed."""
    document = await ctx.db.one(store.document_row(ctx.organization_id, id))
    if document is None:
        raise rules.no_document()
    return document


async def put_document(ctx: Context, base_id: str, draft: DocumentDraft) -> Document:
    """Stores a new document, or new content for the one of this name, and queues its indexing.

    Until that is done searches see the old content, then the new one.
    """
    await bases.state_of_base(ctx, base_id)
    existing = await ctx.db.one(store.lock_document_named(ctx.organization_id, base_id, draft.file_name))
    now = ctx.now
    row = msgspec.structs.asdict(draft) | {"status": "queued", "progress": 0, "error": None, "updated_at": now}
    if existing is None:
        row |= {"organization_id": ctx.organization_id, "id": public_id("doc"), "knowledge_base_id": base_id}
        row |= {"revision": 1, "stored_revision": 0, "live_revision": 0, "chunk_count": 0, "created_at": now}
        await ctx.db.run(insert(store.documents, row))
        id = str(row["id"])
    else:
        id = existing.id
        await set_columns(ctx, id, **row, revision=existing.revision + 1)
        await ctx.db.run(store.forget_deleted_entries(ctx.organization_id, id))
        if existing.upload_id is not None:
            await ctx.db.run(store.delete_upload(ctx.organization_id, existing.upload_id))
    return await queued(ctx, base_id, id)


async def reindex_document(ctx: Context, id: PublicId) -> Document:
    """Read a document again: a web page or feed is fetched again, a file is split and embedded again."""
    document = await lock_document(ctx, id)
    await set_columns(ctx, id, revision=document.revision + 1, status="queued", progress=0, error=None)
    return await queued(ctx, document.knowledge_base_id, id)


async def queued(ctx: Context, base_id: str, id: str) -> Document:
    """Queues the indexing of a document that has new content."""
    await jobs.queue_indexing(ctx, base_id, id)
    document = await get_document(ctx, PublicId(id))
    await record(ctx, "document.added", id, after=document)
    return document


async def delete_document(ctx: Context, id: PublicId) -> Document:
    """Delete a document, and a feed with its entries. No answer shows them from now on.

    A feed's entry stays deleted while its feed is followed, even if the feed changes it. It comes back if you add its address, or the feed again.
    """
    locked = await lock_document(ctx, id)
    if locked.feed_id is not None:
        row = {"organization_id": ctx.organization_id, "feed_id": locked.feed_id, "name": locked.file_name}
        await ctx.db.run(insert(store.dropped_entries, row | {"created_at": ctx.now}))
    for entry_id in await ctx.db.all(store.documents_of_feed(ctx.organization_id, id)):
        await remove(ctx, entry_id)
    document = await remove(ctx, id)
    assert document is not None
    await ctx.db.run(store.increment_version(ctx.organization_id, document.knowledge_base_id))
    return document


async def remove(ctx: Context, id: str) -> Document | None:
    """Takes a document out of every answer, unless it has just been deleted; a job deletes its chunks."""
    locked = await ctx.db.one(store.lock_document(ctx.organization_id, id))
    if locked is None:
        return None
    document = await get_document(ctx, PublicId(id))
    await ctx.db.run(store.delete_document(ctx.organization_id, id))
    await ctx.db.run(store.forget_deleted_entries(ctx.organization_id, id))
    if locked.upload_id is not None:
        await ctx.db.run(store.delete_upload(ctx.organization_id, locked.upload_id))
    await jobs.queue_clean_up(ctx, locked.knowledge_base_id, id)
    await record(ctx, "document.deleted", id, after=document)
    return document


async def lock_document(ctx: Context, id: str) -> DocumentState:
    """A document that nobody else changes until this transaction ends."""
    document = await ctx.db.one(store.lock_document(ctx.organization_id, id))
    if document is None:
        raise rules.no_document()
    return document


async def end_indexing(ctx: Context, id: str, status: Status, **columns: Any) -> None:
    """Stores that a document is ready or has failed."""
    before = await get_document(ctx, PublicId(id))
    await set_columns(ctx, id, status=status, **columns)
    await record(ctx, f"document.{status}", id, before=before, after=await get_document(ctx, PublicId(id)))


async def set_columns(ctx: Context, id: str, **columns: Any) -> None:
    key = {"organization_id": ctx.organization_id, "id": id}
    await ctx.db.run(update(store.documents, key, {"updated_at": ctx.now} | columns))
