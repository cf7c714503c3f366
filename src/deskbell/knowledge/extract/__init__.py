"""Reading documents: `extract` for files and web pages, `feed` for RSS and Atom. Each file is read in a process of its own, with limits."""

from __future__ import annotations

import logging
from typing import NoReturn

from deskbell.knowledge.extract.document import Block, Document, Item, Unreadable
from deskbell.knowledge.extract.limits import LIMITS, Limits
from deskbell.knowledge.extract.messages import ANSWER, Answer, Broken, Entries, Read, Refused, Request, encode

__all__ = ["Block", "Document", "Item", "Unreadable", "extract", "feed"]
log = logging.getLogger(__name__)


async def extract(data: bytes, file_name: str, media_type: str | None = None, *, limits: Limits = LIMITS) -> Document:
    """The text of a file, by its name's ending, its media type and its first bytes. Raises Unreadable."""
    answer = await ask(Request(data, file_name, media_type, feed=False, limits=limits))
    return answer.document if isinstance(answer, Read) else refuse(answer)


async def feed(data: bytes, *, limits: Limits = LIMITS) -> list[Item]:
    """The entries of an RSS or Atom feed, in its order. Raises Unreadable."""
    answer = await ask(Request(data, "feed.xml", None, feed=True, limits=limits))
    return answer.items if isinstance(answer, Entries) else refuse(answer)


async def ask(request: Request) -> Answer:
    # asyncio's and the socket's weight belongs to the server; the process that reads imports this package too.
    from deskbell.knowledge.extract.process import READER, Ended

    limits = request.limits
    try:
        return ANSWER.decode(await READER.ask(encode(request), limits.seconds, limits.text * 2 + (1 << 20)))
    except Ended as end:
        if end.seconds >= min(limits.cpu_seconds, limits.seconds) * 0.9:
            raise Unreadable("Reading the file takes too long. Split it into smaller files.") from None
        raise Unreadable("The file is damaged, or reading it takes too much memory.") from None


def refuse(answer: Answer) -> NoReturn:
    if isinstance(answer, Refused):
        raise Unreadable(answer.reason)
    if isinstance(answer, Broken):
        log.warning("a document confused its reader:\n%s", answer.trace)
    raise Unreadable("The file is damaged or of a kind that cannot be read.")
