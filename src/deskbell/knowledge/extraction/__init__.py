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
    encode_frame,
)
from deskbell.knowledge.extraction.validation import (
    AnalyzedDocument,
    InvalidReply,
    document_of,
    entries_of,
    reply_of,
)

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
    """The chunks of a file. Its format follows from its name's ending, its media type and its first bytes. Raises `Unreadable`.

    `title` takes precedence over the file's own, `untitled` is used where it has none.
    """
    return await read(ReadRequest("file", limits, file_name, media_type, title, untitled), data)


async def entry(data: bytes, untitled: str, *, limits: ReadLimits = LIMITS) -> AnalyzedDocument:
    """The chunks of a feed's entry, given as a `ParsedDocument` in JSON. Raises `Unreadable`."""
    return await read(ReadRequest("entry", limits, untitled=untitled), data)


async def feed(data: bytes, *, limits: ReadLimits = LIMITS) -> list[FeedEntry]:
    """The entries of an RSS or Atom feed, in its order. Raises `Unreadable`."""
    frames = await ask(ReadRequest("feed", limits), data)
    try:
        reply = reply_of(frames)
        return await entries_of(reply, frames[1:]) if isinstance(reply, FeedHeader) else refuse(reply)
    except InvalidReply as problem:
        reject(problem)


async def read(request: ReadRequest, data: bytes) -> AnalyzedDocument:
    frames = await ask(request, data)
    try:
        reply = reply_of(frames)
        return await document_of(reply, frames[1:]) if isinstance(reply, DocumentHeader) else refuse(reply)
    except InvalidReply as problem:
        reject(problem)


async def ask(request: ReadRequest, data: bytes) -> list[bytes]:
    """The frames of a reply."""
    # The worker process imports this package too, and needs neither asyncio nor sockets: that is the server's part.
    from deskbell.knowledge.extraction.client import WORKER, WorkerDied

    limits = request.limits
    try:
        return await WORKER.ask(encode_frame(request), data, 2 * limits.seconds, limits.answer)
    except WorkerDied as death:
        if death.seconds >= min(limits.cpu_seconds, limits.seconds) * 0.9:
            raise Unreadable("Reading the file takes too long. Split it into smaller files.") from None
        raise Unreadable("The file is damaged, or reading it takes too much memory.") from None


def refuse(reply: WorkerReply) -> NoReturn:
    """For a reply without a document. Raises `Unreadable`."""
    if isinstance(reply, Rejected):
        raise Unreadable(reply.reason)
    if isinstance(reply, Crashed):
        log.warning("reading a document failed:\n%s", reply.trace)
    raise Unreadable(DAMAGED)


def reject(problem: InvalidReply) -> NoReturn:
    log.warning("the process that read a document sent an invalid reply: %s", problem)
    raise Unreadable(DAMAGED) from None
