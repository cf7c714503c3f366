"""What every document reader returns: a title and blocks in reading order."""

from __future__ import annotations

import msgspec


class Block(msgspec.Struct, array_like=True, gc=False):
    """A heading (`level` 1 to 6), or a paragraph, list item or table row (0). `page` counts from 1 where the format has pages."""

    text: str
    level: int = 0
    page: int | None = None


class ParsedDocument(msgspec.Struct):
    """A document as text. `source` is the address that it came from."""

    title: str | None
    blocks: list[Block]
    source: str | None = None


class FeedEntry(msgspec.Struct):
    """An entry of a feed. `id` is the one that the feed gives it, or its address; `published` is ISO 8601 in UTC."""

    id: str
    url: str | None
    title: str | None
    published: str | None
    blocks: list[Block]

    @property
    def text(self) -> str:
        return "\n\n".join(block.text for block in self.blocks)


class Unreadable(Exception):
    """The document cannot be read. `reason` says why and what to do, for the person who uploaded it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
