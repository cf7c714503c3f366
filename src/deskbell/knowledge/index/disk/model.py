"""Rows of stored indexes."""

from __future__ import annotations

import msgspec


class StoredSegment(msgspec.Struct):
    """A segment in the database."""

    id: str
    chunk_count: int


class PostingBlock(msgspec.Struct):
    """Postings of one frequent term, or of some rare ones, in one segment."""

    segment_id: str
    data: bytes


class Graph(msgspec.Struct):
    """A table of an embedder's vectors. Searches use it once it is `ready`; one that is not `adopted` waits to take over from another's."""

    embedder: str
    name: str
    ready: bool
    adopted: bool


class LargeBase(msgspec.Struct):
    """A knowledge base of any organization."""

    organization_id: str
    id: str
    name: str
    chunk_count: int


class ChunkVector(msgspec.Struct):
    """A chunk's vector."""

    id: str
    vector: bytes


class IndexChanged(Exception):
    """What is stored has been written anew during a search, which must begin again."""
