"""Work on a document ends as soon as there is newer content: each of its transactions makes sure that there is none."""

from __future__ import annotations

from deskbell.core.context import Context
from deskbell.knowledge import store
from deskbell.knowledge.model import DocumentState

STORED = 20  # percent of a document's progress, once its chunks are stored


class Superseded(Exception):
    """The document has newer content, or was deleted."""


async def require_newest(ctx: Context, document: DocumentState) -> None:
    """Locks a document until the transaction ends. Raises `Superseded` if this is no longer its newest content."""
    newest = await ctx.db.one(store.lock_document(ctx.organization_id, document.id))
    if newest is None or newest.revision != document.revision:
        raise Superseded
