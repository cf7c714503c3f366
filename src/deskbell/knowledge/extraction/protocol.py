"""What the server and the process that reads say to each other, as MessagePack. Its files may be hostile, so nothing here is unbounded."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from deskbell.knowledge.extraction.document import FeedEntry
from deskbell.knowledge.extraction.limits import ReadLimits

LENGTH = 4  # bytes before each frame that say how long it is, big-endian
FRAME = 8 << 20  # bytes of a frame
ROWS = 100  # passages of a frame

Heading = Annotated[str, Meta(max_length=1_000)]
Terms = Annotated[str, Meta(max_length=200_000)]  # some signs are eighteen in their usual form


class ReadRequest(msgspec.Struct):
    """How to read the bytes that follow: as a file, as a feed's entries, or as one entry (a `Document` in JSON).

    `title` stands before the document's own, `untitled` where it has none.
    """

    kind: Literal["file", "feed", "entry"]
    limits: ReadLimits
    file_name: str = ""
    media_type: str | None = None
    title: str | None = None
    untitled: str = ""


class AnalyzedChunk(msgspec.Struct, array_like=True, gc=False):
    """A passage with the terms that it is found by, separated by spaces. Its place among the others is its position."""

    text: Annotated[str, Meta(min_length=1, max_length=4_000)]
    headings: Annotated[tuple[Heading, ...], Meta(max_length=6)]
    page: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None
    title_terms: Terms
    text_terms: Terms


class DocumentHeader(msgspec.Struct, tag="read"):
    """So many passages follow, `ROWS` in a frame."""

    title: Annotated[str, Meta(max_length=2_000)]
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}\Z")]
    passages: int


class FeedHeader(msgspec.Struct, tag="entries"):
    """So many items follow, each in a frame of its own."""

    items: int


class Rejected(msgspec.Struct, tag="refused"):
    """The file's fault: `reason` is for a person."""

    reason: Annotated[str, Meta(max_length=2_000)]


class Crashed(msgspec.Struct, tag="broken"):
    """Our fault, or a file that confused a parser: a traceback for the log."""

    trace: Annotated[str, Meta(max_length=100_000)]


WorkerReply = DocumentHeader | FeedHeader | Rejected | Crashed
REQUEST = msgspec.msgpack.Decoder(ReadRequest)
ANSWER: msgspec.msgpack.Decoder[WorkerReply] = msgspec.msgpack.Decoder(WorkerReply)
PASSAGES = msgspec.msgpack.Decoder(list[AnalyzedChunk])
ITEM = msgspec.msgpack.Decoder(FeedEntry)
encode = msgspec.msgpack.encode


def framed(message: object) -> bytes:
    data = encode(message)
    return len(data).to_bytes(LENGTH, "big") + data
