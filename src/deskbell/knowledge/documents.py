"""Documents: stored, listed, replaced, deleted. Indexing is queued in the same transaction."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.core.context import Context
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import PublicId, public_id
from deskbell.foundation.pagination import Pagination, given
from deskbell.knowledge import bases, jobs, rules, store
from deskbell.knowledge.model import Document, DocumentDraft, Documents, DocumentState, DocumentWindow


async def list_documents(ctx: Context, id: PublicId, window: DocumentWindow) -> Documents:
    """Documents of a knowledge base, newest first, with how far their indexing is."""
    await bases.state_of_base(ctx, id)
    statement = store.document_list(ctx.organization_id, id, given(window.status))
    rows, total = await ctx.db.page(statement, 1, window.limit, offset=window.offset)
    return Documents(rows, Pagination(window.limit, window.offset, total))


async def get_document(ctx: Context, id: PublicId) -> Document:
    """One document. `status` goes from `queued` over `processing` to `ready` or `failed`; `error` says why it failed."""
    found = await ctx.db.one(store.document_row(ctx.organization_id, id))
    if found is None:
        raise rules.no_document()
    return found


async def put_document(ctx: Context, base_id: str, draft: DocumentDraft) -> Document:
    """Stores a new document, or new content for the one of this name, and queues its indexing.

    Until that is done searches see the old content, then the new one.
    """
    await bases.state_of_base(ctx, base_id)
    present = await ctx.db.one(store.held_document_named(ctx.organization_id, base_id, draft.file_name))
    moment = ctx.now
    row = msgspec.structs.asdict(draft) | {"status": "queued", "progress": 0, "error": None, "updated_at": moment}
    if present is None:
        row |= {"organization_id": ctx.organization_id, "id": public_id("doc"), "knowledge_base_id": base_id}
        row |= {"revision": 1, "stored_revision": 0, "live_revision": 0, "chunk_count": 0, "created_at": moment}
        await ctx.db.run(insert(store.documents, row))
        id = str(row["id"])
    else:
        id = present.id
        await change(ctx, id, **row, revision=present.revision + 1)
        await ctx.db.run(store.forget_dropped_entries(ctx.organization_id, id))
        if present.upload_id is not None:
            await ctx.db.run(store.delete_upload(ctx.organization_id, present.upload_id))
    await jobs.index(ctx, base_id, id)
    return await get_document(ctx, PublicId(id))


async def reindex_document(ctx: Context, id: PublicId) -> Document:
    """Read a document anew: a web page or feed is fetched again, a file is split and embedded again."""
    held = await held_document(ctx, id)
    await change(ctx, id, revision=held.revision + 1, status="queued", progress=0, error=None)
    await jobs.index(ctx, held.knowledge_base_id, id)
    return await get_document(ctx, id)


async def delete_document(ctx: Context, id: PublicId) -> Document:
    """Delete a document, and a feed with its entries. No answer shows them from now on.

    A feed's entry stays deleted while its feed is followed, also when the feed changes it. It comes back if you add its address, or the feed anew.
    """
    held = await held_document(ctx, id)
    found = await get_document(ctx, id)
    if held.feed_id is not None:
        row = {"organization_id": ctx.organization_id, "feed_id": held.feed_id, "name": held.file_name}
        await ctx.db.run(insert(store.dropped_entries, row | {"created_at": ctx.now}))
    for entry in await ctx.db.all(store.documents_of_feed(ctx.organization_id, id)):
        await remove(ctx, entry)
    await remove(ctx, id)
    await ctx.db.run(store.raise_version(ctx.organization_id, found.knowledge_base_id))
    return found


async def remove(ctx: Context, id: str) -> None:
    """Takes a document out of every answer, unless somebody has just done so; what is left of it is swept up by a job."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, id))
    if held is None:
        return
    await ctx.db.run(store.delete_document(ctx.organization_id, id))
    await ctx.db.run(store.forget_dropped_entries(ctx.organization_id, id))
    if held.upload_id is not None:
        await ctx.db.run(store.delete_upload(ctx.organization_id, held.upload_id))
    await jobs.sweep(ctx, held.knowledge_base_id, id)


async def held_document(ctx: Context, id: str) -> DocumentState:
    """A document as it stays until this transaction ends."""
    held = await ctx.db.one(store.held_document(ctx.organization_id, id))
    if held is None:
        raise rules.no_document()
    return held


async def change(ctx: Context, id: str, **columns: Any) -> None:
    key = {"organization_id": ctx.organization_id, "id": id}
    await ctx.db.run(update(store.documents, key, {"updated_at": ctx.now} | columns))


async def store_part(ctx: Context, upload_id: str, part: int, data: bytes) -> None:
    """A part of an upload, which no document has taken up yet."""
    row = {"organization_id": ctx.organization_id, "upload_id": upload_id, "part": part, "data": data}
    await ctx.db.run(insert(store.upload_parts, row | {"created_at": ctx.now}))


async def purge(session: Session, before: str) -> None:
    """Forgets parts of uploads from before a moment that no document has taken up."""
    await session.run(store.delete_abandoned_uploads(before))
