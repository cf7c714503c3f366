"""Where a document's text comes from: an upload, a web page or a feed."""

from __future__ import annotations

import re
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from deskbell.core.context import Context
from deskbell.core.jobs import JobContext
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge import store
from deskbell.knowledge.extraction import AnalyzedDocument, FeedEntry, ParsedDocument, Unreadable, extract, feed
from deskbell.knowledge.extraction import entry as extract_entry
from deskbell.knowledge.ingestion.revisions import require_newest
from deskbell.knowledge.model import DocumentDraft, DocumentState
from deskbell.knowledge.rules import NAME_LENGTH

if TYPE_CHECKING:
    from deskbell.foundation.fetching import Fetched

MAX_ENTRIES = 1000  # of a feed that become documents


class DocumentContent(msgspec.Struct):
    """A document's text in chunks, and a digest of its bytes, by which changes are noticed."""

    text: AnalyzedDocument
    digest: str


class SourceReader:
    """Fetches and extracts. A page or feed may have `max_bytes`; a feed is fetched every `feed_hours`, or once if 0."""

    def __init__(self, max_bytes: int, feed_hours: float) -> None:
        self.max_bytes = max_bytes
        self.feed_hours = feed_hours

    async def read(self, ctx: JobContext, document: DocumentState) -> DocumentContent:
        """The text of a document's newest content. Raises `Unreadable`."""
        name = document.file_name
        if document.kind == "url":
            page = await self.fetch(document)
            data = page.data
            text = await extract(data, name_in(page.url), page.media_type, untitled=name)
        else:
            data = await self.uploaded(ctx, document)
            if document.kind == "entry":
                text = await extract_entry(data, name)
            elif document.kind == "text":
                text = await extract(data, "text.md", "text/markdown", title=name)
            else:
                text = await extract(data, name, document.media_type, untitled=title_from(name))
        return DocumentContent(text, await run_in_thread(digest, data))

    async def fetch(self, document: DocumentState) -> Fetched:
        """A page or feed. Raises `Unreadable`."""
        from deskbell.foundation.fetching import Unreachable, fetch

        try:
            return await fetch(document.url or "", max_bytes=self.max_bytes)
        except Unreachable as refusal:
            raise Unreadable(refusal.reason) from None

    async def uploaded(self, ctx: JobContext, document: DocumentState) -> bytes:
        """The bytes of an upload."""
        parts: list[bytes] = []
        upload_id = document.upload_id or ""
        while True:
            read = partial(upload_part, document=document, upload_id=upload_id, part=len(parts))
            part = await ctx.read(read)
            if part is None:
                break
            parts.append(part)
        if not parts:
            raise Unreadable("The file is empty.")
        return b"".join(parts)

    async def entries(self, document: DocumentState) -> list[tuple[DocumentDraft, bytes]]:
        """The entries of a feed as drafts of documents, each with its content. Raises `Unreadable`."""
        page = await self.fetch(document)
        drafts: dict[str, tuple[DocumentDraft, bytes]] = {}
        for found in (await feed(page.data))[:MAX_ENTRIES]:
            if found.title or found.blocks:
                draft, data = await run_in_thread(draft_of_entry, document, found)
                drafts.setdefault(draft.file_name, (draft, data))
        return list(drafts.values())


def draft_of_entry(feed: DocumentState, entry: FeedEntry) -> tuple[DocumentDraft, bytes]:
    """A feed's entry as a document. Its address is its name, so that it is recognized when the feed is fetched again."""
    data = msgspec.json.encode(ParsedDocument(entry.title, entry.blocks, entry.url))
    name = (entry.url or f"{feed.url}#{entry.id}")[:NAME_LENGTH]
    draft = DocumentDraft("entry", name, url=entry.url, bytes=len(data), feed_id=feed.id, digest=digest(data))
    return draft, data


async def upload_part(ctx: Context, *, document: DocumentState, upload_id: str, part: int) -> bytes | None:
    """A part of an upload; None after the last one. Raises `Superseded` if newer content has replaced the upload."""
    data = await ctx.db.one(store.upload_part(ctx.organization_id, upload_id, part))
    if data is None and part == 0:
        await require_newest(ctx, document)
    return data


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def name_in(url: str) -> str:
    """The file name that an address ends with."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


def title_from(file_name: str) -> str:
    """A file's name as a title: `price-sheet_2026.pdf` is "price sheet 2026"."""
    stem = PurePosixPath(file_name).stem
    return re.sub(r"[_\-.]+", " ", stem).strip() or file_name
