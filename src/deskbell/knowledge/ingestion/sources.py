"""Where a document's text comes from: an upload, a web page, a feed."""

from __future__ import annotations

import re
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from deskbell.foundation.worker import Work
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge.extraction import AnalyzedDocument, FeedEntry, ParsedDocument, Unreadable, extract, feed
from deskbell.knowledge.extraction import entry as extract_entry
from deskbell.knowledge.ingestion import index_transactions
from deskbell.knowledge.model import DocumentDraft, DocumentState
from deskbell.knowledge.rules import NAME_LENGTH

if TYPE_CHECKING:
    from deskbell.foundation.fetching import Fetched

MOST_ENTRIES = 1000  # of a feed that are taken


class DocumentContent(msgspec.Struct):
    """A document's text, and what tells whether it has changed."""

    text: AnalyzedDocument
    digest: str


class DocumentReader:
    """Fetches and extracts. `most_bytes` bounds what a page or feed may hold; a feed is looked at every `feed_hours`, or once if 0."""

    def __init__(self, most_bytes: int, feed_hours: float) -> None:
        self.most_bytes = most_bytes
        self.feed_hours = feed_hours

    async def read(self, work: Work, document: DocumentState) -> DocumentContent:
        """The text of a document's newest content. Raises Unreadable."""
        name = document.file_name
        if document.kind == "url":
            fetched = await self.fetched(document)
            data = fetched.data
            text = await extract(data, name_in(fetched.url), fetched.media_type, untitled=name)
        else:
            data = await self.uploaded(work, document)
            if document.kind == "entry":
                text = await extract_entry(data, name)
            elif document.kind == "text":
                text = await extract(data, "text.md", "text/markdown", title=name)
            else:
                text = await extract(data, name, document.media_type, untitled=spoken(name))
        return DocumentContent(text, await run_in_thread(digest, data))

    async def fetched(self, document: DocumentState) -> Fetched:
        """A page or feed. Raises Unreadable."""
        from deskbell.foundation.fetching import Unreachable, fetch

        try:
            return await fetch(document.url or "", max_bytes=self.most_bytes)
        except Unreachable as refusal:
            raise Unreadable(refusal.reason) from None

    async def uploaded(self, work: Work, document: DocumentState) -> bytes:
        """The bytes of an upload."""
        parts: list[bytes] = []
        upload_id = document.upload_id or ""
        while True:
            act = partial(index_transactions.upload_part, document=document, upload_id=upload_id, part=len(parts))
            part = await work.read(index_transactions.within(work, act))
            if part is None:
                break
            parts.append(part)
        if not parts:
            raise Unreadable("The file is empty.")
        return b"".join(parts)

    async def entries(self, document: DocumentState) -> list[tuple[DocumentDraft, bytes]]:
        """What a feed holds, as documents that are to be, each with its content."""
        fetched = await self.fetched(document)
        drafts: dict[str, tuple[DocumentDraft, bytes]] = {}
        for item in (await feed(fetched.data))[:MOST_ENTRIES]:
            if item.title or item.blocks:
                draft, data = await run_in_thread(entry, document, item)
                drafts.setdefault(draft.file_name, (draft, data))
        return list(drafts.values())


def entry(document: DocumentState, item: FeedEntry) -> tuple[DocumentDraft, bytes]:
    """A feed's entry. Its address names it, so that a later look finds it again."""
    data = msgspec.json.encode(ParsedDocument(item.title, item.blocks, item.url))
    name = (item.url or f"{document.url}#{item.id}")[:NAME_LENGTH]
    draft = DocumentDraft("entry", name, url=item.url, bytes=len(data), feed_id=document.id, digest=digest(data))
    return draft, data


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def name_in(url: str) -> str:
    """The file name that an address ends with."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


def spoken(file_name: str) -> str:
    """A file's name as a title: `price-sheet_2026.pdf` is "price sheet 2026"."""
    stem = PurePosixPath(file_name).stem
    return re.sub(r"[_\-.]+", " ", stem).strip() or file_name
