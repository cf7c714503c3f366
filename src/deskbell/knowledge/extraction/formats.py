"""Which reader a file goes to, and what no reader may give back."""

from __future__ import annotations

from collections.abc import Callable

from deskbell.knowledge.extraction.detection import format_of
from deskbell.knowledge.extraction.document import Block, FeedEntry, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import clean

ReadFunction = Callable[[bytes, str | None, ReadLimits], ParsedDocument]
"""`read(data, media_type, limits)` of a format's module. It raises Unreadable, or anything else on a damaged file."""


def readers() -> dict[str, ReadFunction]:
    """The readers by format. Imports every parser, so that a fork has them already."""
    from deskbell.knowledge.extraction import csv_table, docx, feeds, html, markdown, pdf, text

    return {
        "pdf": pdf.read,
        "docx": docx.read,
        "text": text.read,
        "markdown": markdown.read,
        "html": html.read,
        "csv": csv_table.read,
        "feed": feeds.read,
    }


def read(data: bytes, file_name: str, media_type: str | None, limits: ReadLimits) -> ParsedDocument:
    reader = readers()[format_of(data, file_name, media_type)]
    found = reader(data, media_type, limits)
    blocks = cleaned(found.blocks, limits)
    if not blocks:
        raise Unreadable("The file has no text.")
    return ParsedDocument(clean(found.title or "")[:500] or None, blocks)


def entries(data: bytes, limits: ReadLimits) -> list[FeedEntry]:
    from deskbell.knowledge.extraction import feeds

    items = feeds.items(data, limits)
    cleaned([block for item in items for block in item.blocks], limits)
    for item in items:
        item.blocks = cleaned(item.blocks, limits)
        item.title = clean(item.title or "")[:500] or None
    return [item for item in items if item.blocks or item.title]


def cleaned(blocks: list[Block], limits: ReadLimits) -> list[Block]:
    """Blocks with text in them, all together within the limits."""
    kept, size = [], 0
    for block in blocks:
        if text := clean(block.text):
            size += len(text.encode())
            kept.append(Block(text, block.level, block.page))
    if size > limits.text:
        raise Unreadable(f"The file holds more than {limits.text >> 20} MB of text. Split it into smaller files.")
    if len(kept) > limits.blocks:
        raise Unreadable(f"The file has more than {limits.blocks:,} paragraphs. Split it into smaller files.")
    return kept
