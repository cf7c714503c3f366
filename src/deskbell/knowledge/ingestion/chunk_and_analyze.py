"""From a document's blocks to passages with their terms: pure work for the processor, done where the document is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from deskbell.knowledge.extraction.document import ParsedDocument
from deskbell.knowledge.extraction.protocol import AnalyzedChunk, DocumentHeader
from deskbell.knowledge.ingestion.chunks import chunked
from deskbell.knowledge.text.analysis import language, terms


def prepared(document: ParsedDocument, title: str) -> tuple[DocumentHeader, Iterator[AnalyzedChunk]]:
    """What a document is, and its passages in order."""
    title = " ".join(title.split())
    spoken_in = language("\n".join(sample(document)))
    chunks = chunked(msgspec.structs.replace(document, title=title))
    passages = (
        AnalyzedChunk(
            chunk.text,
            tuple(chunk.headings),
            chunk.page,
            " ".join(terms(chunk.heading(title), spoken_in)),
            " ".join(terms(chunk.text, spoken_in)),
        )
        for chunk in chunks
    )
    return DocumentHeader(title, spoken_in, len(chunks)), passages


def sample(document: ParsedDocument, characters: int = 4000) -> Sequence[str]:
    """Enough of the running text to tell its language."""
    found: list[str] = []
    for block in document.blocks:
        found.append(block.text[:characters])
        characters -= len(block.text)
        if characters <= 0:
            break
    return found
