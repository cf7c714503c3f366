"""Splits a document into chunks and finds their terms. Pure computation, done in the process that reads the document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from deskbell.knowledge.extraction.chunks import split_into_chunks
from deskbell.knowledge.extraction.document import ParsedDocument
from deskbell.knowledge.extraction.protocol import AnalyzedChunk, DocumentHeader
from deskbell.knowledge.text.analysis import language, terms


def chunk_and_analyze(document: ParsedDocument, title: str) -> tuple[DocumentHeader, Iterator[AnalyzedChunk]]:
    """A document's title, language and number of chunks; and the chunks, in order."""
    title = " ".join(title.split())
    code = language("\n".join(sample(document)))
    chunks = split_into_chunks(msgspec.structs.replace(document, title=title))
    analyzed = (
        AnalyzedChunk(
            chunk.text,
            tuple(chunk.headings),
            chunk.page,
            " ".join(terms(chunk.heading_line(title), code)),
            " ".join(terms(chunk.text, code)),
        )
        for chunk in chunks
    )
    return DocumentHeader(title, code, len(chunks)), analyzed


def sample(document: ParsedDocument, characters: int = 4000) -> Sequence[str]:
    """Enough of the text to detect its language."""
    texts: list[str] = []
    for block in document.blocks:
        texts.append(block.text[:characters])
        characters -= len(block.text)
        if characters <= 0:
            break
    return texts
