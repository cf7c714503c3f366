"""Rows of stored indexes."""

from __future__ import annotations

import msgspec


class StoredSegment(msgspec.Struct):
    """A segment of a stored index."""

    id: str
    chunk_count: int


class PostingBlock(msgspec.Struct):
    """The postings of one frequent term, or of several rare ones, in one segment."""

    segment_id: str
    data: bytes


class Graph(msgspec.Struct):
    """A table with an HNSW graph of an embedder's vectors. Searches use it once it is `ready`.

    One that is not `adopted` is to replace another embedder's.
    """

    embedder: str
    name: str
    ready: bool
    adopted: bool


class LargeBase(msgspec.Struct):
    """A knowledge base of any organization, with its number of chunks."""

    organization_id: str
    id: str
    name: str
    chunk_count: int


class ChunkVector(msgspec.Struct):
    """A chunk's vector."""

    id: str
    vector: bytes


class IndexChanged(Exception):
    """The stored index was replaced during a search, which must be repeated."""
