"""Reading documents: `extract` for files, pages and entries, `feed` for RSS and Atom. Each is read in a process of its own, with limits."""

from __future__ import annotations

import logging
from typing import NoReturn

from deskbell.knowledge.extraction.document import Block, FeedEntry, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import LIMITS, ReadLimits
from deskbell.knowledge.extraction.protocol import (
    AnalyzedChunk,
    Crashed,
    DocumentHeader,
    FeedHeader,
    ReadRequest,
    Rejected,
    WorkerReply,
    framed,
)
from deskbell.knowledge.extraction.validation import AnalyzedDocument, InvalidReply, extract_in, first, items_in

__all__ = [
    "AnalyzedChunk",
    "AnalyzedDocument",
    "Block",
    "FeedEntry",
    "ParsedDocument",
    "Unreadable",
    "entry",
    "extract",
    "feed",
]
log = logging.getLogger(__name__)
DAMAGED = "The file is damaged or of a kind that cannot be read."


async def extract(
    data: bytes,
    file_name: str,
    media_type: str | None = None,
    *,
    title: str | None = None,
    untitled: str = "",
    limits: ReadLimits = LIMITS,
) -> AnalyzedDocument:
    """The passages of a file, by its name's ending, its media type and its first bytes. Raises Unreadable.

    `title` stands before the file's own, `untitled` where it has none.
    """
    return await read(ReadRequest("file", limits, file_name, media_type, title, untitled), data)


async def entry(data: bytes, untitled: str, *, limits: ReadLimits = LIMITS) -> AnalyzedDocument:
    """The passages of a feed's entry, given as a `Document` in JSON. Raises Unreadable."""
    return await read(ReadRequest("entry", limits, untitled=untitled), data)


async def feed(data: bytes, *, limits: ReadLimits = LIMITS) -> list[FeedEntry]:
    """The entries of an RSS or Atom feed, in its order. Raises Unreadable."""
    try:
        frames = await ask(ReadRequest("feed", limits), data)
        answer = first(frames)
        return await items_in(answer, frames[1:]) if isinstance(answer, FeedHeader) else refuse(answer)
    except InvalidReply as problem:
        distrust(problem)


async def read(request: ReadRequest, data: bytes) -> AnalyzedDocument:
    try:
        frames = await ask(request, data)
        answer = first(frames)
        return await extract_in(answer, frames[1:]) if isinstance(answer, DocumentHeader) else refuse(answer)
    except InvalidReply as problem:
        distrust(problem)


async def ask(request: ReadRequest, data: bytes) -> list[bytes]:
    """The frames of an answer."""
    # asyncio's and the socket's weight belongs to the server; the process that reads imports this package too.
    from deskbell.knowledge.extraction.client import WORKER, WorkerDied

    limits = request.limits
    try:
        return await WORKER.ask(framed(request), data, 2 * limits.seconds, limits.answer)
    except WorkerDied as end:
        if end.seconds >= min(limits.cpu_seconds, limits.seconds) * 0.9:
            raise Unreadable("Reading the file takes too long. Split it into smaller files.") from None
        raise Unreadable("The file is damaged, or reading it takes too much memory.") from None


def refuse(answer: WorkerReply) -> NoReturn:
    if isinstance(answer, Rejected):
        raise Unreadable(answer.reason)
    if isinstance(answer, Crashed):
        log.warning("a document confused its reader:\n%s", answer.trace)
    raise Unreadable(DAMAGED)


def distrust(problem: InvalidReply) -> NoReturn:
    log.warning("a document made its reader answer strangely: %s", problem)
    raise Unreadable(DAMAGED) from None
