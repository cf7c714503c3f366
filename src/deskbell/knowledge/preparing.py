"""From a document's blocks to rows of chunks: pure work for the processor, done beside the event loop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import msgspec

from deskbell.foundation.ids import public_id
from deskbell.knowledge.analysis import language, terms
from deskbell.knowledge.chunks import Chunk, chunked
from deskbell.knowledge.extract.document import Document
from deskbell.knowledge.model import Pending


class Prepared(msgspec.Struct, gc=False):
    """A chunk as it is stored."""

    position: int
    id: str
    title: str
    language: str
    text: str
    headings: str
    page: int | None
    title_terms: str
    text_terms: str


def prepared(document: Document, file_name: str) -> list[Prepared]:
    """The chunks of a document with the terms that they are found by."""
    title = " ".join((document.title or spoken(file_name)).split())
    spoken_in = language("\n".join(sample(document)))
    rows = []
    for position, chunk in enumerate(chunked(msgspec.structs.replace(document, title=title))):
        rows.append(
            Prepared(
                position,
                public_id("chunk"),
                title,
                spoken_in,
                chunk.text,
                msgspec.json.encode(chunk.headings).decode(),
                chunk.page,
                " ".join(terms(chunk.heading(title), spoken_in)),
                " ".join(terms(chunk.text, spoken_in)),
            )
        )
    return rows


def indexed_text(row: Pending) -> str:
    """What is embedded of a chunk: where it stands and what it says."""
    return Chunk(row.text, msgspec.json.decode(row.headings), None, row.position).embedded(row.title)


def spoken(file_name: str) -> str:
    """A file's name as a title: `price-sheet_2026.pdf` is "price sheet 2026"."""
    if "://" in file_name:
        return file_name
    stem = PurePosixPath(file_name).stem
    return re.sub(r"[_\-.]+", " ", stem).strip() or file_name


def sample(document: Document, characters: int = 4000) -> Sequence[str]:
    """Enough of the running text to tell its language."""
    found: list[str] = []
    for block in document.blocks:
        found.append(block.text[:characters])
        characters -= len(block.text)
        if characters <= 0:
            break
    return found
