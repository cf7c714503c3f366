"""What the server and the process that reads say to each other, as MessagePack."""

from __future__ import annotations

import msgspec

from deskbell.knowledge.extract.document import Document, Item
from deskbell.knowledge.extract.limits import Limits


class Request(msgspec.Struct):
    """Read this file, as a document or as a feed's entries."""

    data: bytes
    file_name: str
    media_type: str | None
    feed: bool
    limits: Limits


class Read(msgspec.Struct, tag="read"):
    document: Document


class Entries(msgspec.Struct, tag="entries"):
    items: list[Item]


class Refused(msgspec.Struct, tag="refused"):
    """The file's fault: `reason` is for a person."""

    reason: str


class Broken(msgspec.Struct, tag="broken"):
    """Our fault, or a file that confused a parser: a traceback for the log."""

    trace: str


Answer = Read | Entries | Refused | Broken
REQUEST = msgspec.msgpack.Decoder(Request)
ANSWER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
encode = msgspec.msgpack.encode
