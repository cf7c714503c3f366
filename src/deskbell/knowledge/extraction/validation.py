"""Validates what the worker process replies: a hostile file may have taken it over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from deskbell.knowledge.extraction.document import FeedEntry
from deskbell.knowledge.extraction.protocol import (
    CHUNK_LIST,
    CHUNKS,
    ENTRY,
    REPLY,
    AnalyzedChunk,
    DocumentHeader,
    FeedHeader,
    Rejected,
    WorkerReply,
)

T = TypeVar("T")


class InvalidReply(Exception):
    """The reply is not one that our own code would give."""


class AnalyzedDocument(msgspec.Struct):
    """A document in chunks, in order. `language` is an ISO 639-1 code."""

    title: str
    language: str
    chunks: list[AnalyzedChunk]


def reply_of(frames: Sequence[bytes]) -> WorkerReply:
    """The first frame. Raises `InvalidReply`."""
    reply = decode(REPLY, frames[0]) if frames else refuse("nothing")
    if isinstance(reply, Rejected) and not storable(reply.reason):
        refuse("a reason")
    return reply


async def document_of(head: DocumentHeader, frames: Sequence[bytes]) -> AnalyzedDocument:
    if not storable(head.title):
        refuse("a title")
    chunks: list[AnalyzedChunk] = []
    async for rows in decode_all(CHUNK_LIST, frames):
        full = len(rows) == CHUNKS or len(chunks) + len(rows) == head.chunks
        if not full or not all(map(is_storable_chunk, rows)):
            refuse("chunks")
        chunks += rows
    if len(chunks) != head.chunks:
        refuse("a number of chunks")
    return AnalyzedDocument(head.title, head.language, chunks)


async def entries_of(head: FeedHeader, frames: Sequence[bytes]) -> list[FeedEntry]:
    entries = [entry async for entry in decode_all(ENTRY, frames)]
    if len(entries) != head.entries or not all(map(is_storable_entry, entries)):
        refuse("entries")
    return entries


async def decode_all(decoder: msgspec.msgpack.Decoder[T], frames: Sequence[bytes]) -> AsyncIterator[T]:
    """The contents of frames. The event loop serves requests between two of them."""
    for frame in frames:
        yield decode(decoder, frame)
        await asyncio.sleep(0)


def decode(decoder: msgspec.msgpack.Decoder[T], frame: bytes) -> T:
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidReply(str(error)) from None


def is_storable_chunk(chunk: AnalyzedChunk) -> bool:
    return storable(chunk.text, chunk.title_terms, chunk.text_terms, *chunk.headings)


def is_storable_entry(entry: FeedEntry) -> bool:
    """An address is shown as a link, so it must be one of the web."""
    web = entry.url is None or (entry.url.startswith(("http://", "https://")) and len(entry.url) <= 2000)
    return web and storable(entry.id, entry.title or "", entry.url or "")


def storable(*texts: str) -> bool:
    """PostgreSQL stores no NUL."""
    return not any("\0" in text for text in texts)


def refuse(what: str) -> WorkerReply:
    raise InvalidReply(f"{what} that our own code would not send")
