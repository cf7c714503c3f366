"""The messages between the server and the worker process, as MessagePack. A file may be hostile, so every size has a bound."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from deskbell.knowledge.extraction.document import FeedEntry
from deskbell.knowledge.extraction.limits import ReadLimits

LENGTH = 4  # bytes before each frame that say how long it is, big-endian
FRAME = 8 << 20  # bytes of a frame
CHUNKS = 100  # in a frame

Heading = Annotated[str, Meta(max_length=1_000)]
Terms = Annotated[str, Meta(max_length=200_000)]  # NFKC turns some characters into eighteen


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
    """A chunk with the terms that it is found by, separated by spaces. Its position is its place in the reply."""

    text: Annotated[str, Meta(min_length=1, max_length=4_000)]
    headings: Annotated[tuple[Heading, ...], Meta(max_length=6)]
    page: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None
    title_terms: Terms
    text_terms: Terms


class DocumentHeader(msgspec.Struct, tag="read"):
    """So many chunks follow, `CHUNKS` in each frame."""

    title: Annotated[str, Meta(max_length=2_000)]
    language: Annotated[str, Meta(pattern=r"^[a-z]{2}\Z")]
    chunks: int


class FeedHeader(msgspec.Struct, tag="entries"):
    """So many entries follow, each in a frame of its own."""

    entries: int


class Rejected(msgspec.Struct, tag="refused"):
    """The file cannot be read; `reason` is written for the person who uploaded it."""

    reason: Annotated[str, Meta(max_length=2_000)]


class Crashed(msgspec.Struct, tag="broken"):
    """A defect of ours, or a file that confused a parser: a traceback for the log."""

    trace: Annotated[str, Meta(max_length=100_000)]


WorkerReply = DocumentHeader | FeedHeader | Rejected | Crashed
REQUEST = msgspec.msgpack.Decoder(ReadRequest)
REPLY: msgspec.msgpack.Decoder[WorkerReply] = msgspec.msgpack.Decoder(WorkerReply)
CHUNK_LIST = msgspec.msgpack.Decoder(list[AnalyzedChunk])
ENTRY = msgspec.msgpack.Decoder(FeedEntry)
encode = msgspec.msgpack.encode


def encode_frame(message: object) -> bytes:
    data = encode(message)
    return len(data).to_bytes(LENGTH, "big") + data
