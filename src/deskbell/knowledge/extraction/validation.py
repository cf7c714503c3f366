"""What the process that reads has answered, taken at no word: a hostile file may have come to speak in its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec

from deskbell.knowledge.extraction.document import FeedEntry
from deskbell.knowledge.extraction.protocol import (
    ANSWER,
    ITEM,
    PASSAGES,
    ROWS,
    AnalyzedChunk,
    DocumentHeader,
    FeedHeader,
    Rejected,
    WorkerReply,
)

T = TypeVar("T")


class InvalidReply(Exception):
    """The answer is not one that our own code gives."""


class AnalyzedDocument(msgspec.Struct):
    """A document in passages, in its order. `language` is an ISO 639-1 code."""

    title: str
    language: str
    passages: list[AnalyzedChunk]


def first(frames: Sequence[bytes]) -> WorkerReply:
    """What the answer is."""
    answer = decoded(ANSWER, frames[0]) if frames else distrust("nothing")
    if isinstance(answer, Rejected) and not fit(answer.reason):
        distrust("a reason")
    return answer


async def extract_in(head: DocumentHeader, frames: Sequence[bytes]) -> AnalyzedDocument:
    if not fit(head.title):
        distrust("a title")
    passages: list[AnalyzedChunk] = []
    async for rows in each(PASSAGES, frames):
        full = len(rows) == ROWS or len(passages) + len(rows) == head.passages
        if not full or not all(map(passage_fits, rows)):
            distrust("passages")
        passages += rows
    if len(passages) != head.passages:
        distrust("a number of passages")
    return AnalyzedDocument(head.title, head.language, passages)


async def items_in(head: FeedHeader, frames: Sequence[bytes]) -> list[FeedEntry]:
    items = [item async for item in each(ITEM, frames)]
    if len(items) != head.items or not all(map(item_fits, items)):
        distrust("entries")
    return items


async def each(decoder: msgspec.msgpack.Decoder[T], frames: Sequence[bytes]) -> AsyncIterator[T]:
    """The frames' contents. Requests get their turn between two of them."""
    for frame in frames:
        yield decoded(decoder, frame)
        await asyncio.sleep(0)


def decoded(decoder: msgspec.msgpack.Decoder[T], frame: bytes) -> T:
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidReply(str(error)) from None


def passage_fits(row: AnalyzedChunk) -> bool:
    return fit(row.text, row.title_terms, row.text_terms, *row.headings)


def item_fits(item: FeedEntry) -> bool:
    """An address is shown as a link."""
    web = item.url is None or (item.url.startswith(("http://", "https://")) and len(item.url) <= 2000)
    return web and fit(item.id, item.title or "", item.url or "")


def fit(*texts: str) -> bool:
    """PostgreSQL takes no NUL."""
    return not any("\0" in text for text in texts)


def distrust(what: str) -> WorkerReply:
    raise InvalidReply(f"{what} that our own code does not give")
