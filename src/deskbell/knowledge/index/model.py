"""Chunks as the index, searches and indexing read them."""

from __future__ import annotations

import msgspec


class ChunkRow(msgspec.Struct):
    """A chunk as it is added to an index. Terms are separated by spaces; the vector is float16."""

    position: int
    id: str
    language: str
    title_terms: str
    text_terms: str
    vector: bytes | None


class UnembeddedChunk(msgspec.Struct):
    """A chunk that has no vector yet by the embedder that was asked for."""

    position: int
    title: str
    headings: msgspec.Raw
    text: str


class ChunkHeading(msgspec.Struct):
    """The title of a chunk's document and the headings above the chunk, outermost first."""

    title: str
    headings: msgspec.Raw


class StaleChunk(msgspec.Struct):
    """A chunk that searches no longer see."""

    revision: int
    position: int


class NeighbourChunk(msgspec.Struct):
    """The chunk right before or after another."""

    headings: msgspec.Raw
    text: str


class FoundChunk(msgspec.Struct):
    """A chunk as search results show it."""

    id: str
    document_id: str
    file_name: str
    url: str | None
    title: str
    position: int
    text: str
    headings: msgspec.Raw
    page: int | None
