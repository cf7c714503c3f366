"""Chooses the reader of a file, and cleans and limits what any reader returns."""

from __future__ import annotations

from collections.abc import Callable

from deskbell.knowledge.extraction.detection import format_of
from deskbell.knowledge.extraction.document import Block, FeedEntry, ParsedDocument, Unreadable
from deskbell.knowledge.extraction.limits import ReadLimits
from deskbell.knowledge.extraction.normalize import clean_text

ReadFunction = Callable[[bytes, str | None, ReadLimits], ParsedDocument]
"""`read(data, media_type, limits)` of a format's module. It raises `Unreadable`, or any other exception on a damaged file."""


def readers() -> dict[str, ReadFunction]:
    """The readers by format. Imports every parser, so that forks have them already."""
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
    document = reader(data, media_type, limits)
    blocks = clean_blocks(document.blocks, limits)
    if not blocks:
        raise Unreadable("The file has no text.")
    return ParsedDocument(clean_text(document.title or "")[:500] or None, blocks)


def read_entries(data: bytes, limits: ReadLimits) -> list[FeedEntry]:
    from deskbell.knowledge.extraction import feeds

    entries = feeds.read_entries(data, limits)
    clean_blocks(
        [block for entry in entries for block in entry.blocks], limits
    )  # the limits hold for all entries together
    for entry in entries:
        entry.blocks = clean_blocks(entry.blocks, limits)
        entry.title = clean_text(entry.title or "")[:500] or None
    return [entry for entry in entries if entry.blocks or entry.title]


def clean_blocks(blocks: list[Block], limits: ReadLimits) -> list[Block]:
    """The blocks that have text. Raises `Unreadable` if they exceed the limits."""
    clean, size = [], 0
    for block in blocks:
        if text := clean_text(block.text):
            size += len(text.encode())
            clean.append(Block(text, block.level, block.page))
    if size > limits.text:
        raise Unreadable(f"The file holds more than {limits.text >> 20} MB of text. Split it into smaller files.")
    if len(clean) > limits.blocks:
        raise Unreadable(f"The file has more than {limits.blocks:,} paragraphs. Split it into smaller files.")
    return clean
