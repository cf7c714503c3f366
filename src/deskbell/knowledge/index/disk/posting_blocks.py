"""A segment as it is stored: what memory keeps of its chunks, its words, and the postings of its terms in blocks.

A term of many chunks has a block of its own; the others share a block with the terms of the same checksum. So a search reads little,
and a segment has few blocks. Row numbers are uint32, counts float32, little-endian.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

import msgspec
import numpy as np

from deskbell.knowledge.index.segments import Floats, Ints, Segment
from deskbell.knowledge.text.spelling import correctable

SHARED = 1024  # blocks of a segment that rare terms share
FREQUENT = 500  # chunks from which a term has a block of its own

PackedPostings = dict[str, tuple[bytes, bytes]]


class Revision(msgspec.Struct, array_like=True):
    """The chunks of a document's revision, which are consecutive rows of a segment."""

    document_id: str
    revision: int
    count: int


class Head(msgspec.Struct, array_like=True):
    """What memory keeps of a segment, by row: ids of one length each; lengths as float32; languages as numbers into `names`."""

    ids: bytes
    lengths: bytes
    names: list[str]
    languages: bytes
    documents: list[Revision]


def head(segment: Segment, documents: Sequence[Revision]) -> bytes:
    names = sorted(set(segment.languages))
    numbers = {name: number for number, name in enumerate(names)}
    ids = np.array([id.encode() for id in segment.ids])
    languages = np.array([numbers[code] for code in segment.languages], np.uint8)
    lengths = segment.lengths.astype("<f4").tobytes()
    return msgspec.msgpack.encode(Head(ids.tobytes(), lengths, names, languages.tobytes(), list(documents)))


def words(segment: Segment) -> bytes:
    """The words that misspelt words may be corrected to."""
    return "\n".join(filter(correctable, segment.terms)).encode()


def blocks(segment: Segment) -> Iterator[tuple[str, bytes]]:
    """Every block: name and data."""
    shared: dict[str, PackedPostings] = defaultdict(dict)
    for term in segment.terms:
        rows, counts = segment.postings(term)
        packed = (rows.astype("<u4").tobytes(), counts.astype("<f4").tobytes())
        if len(rows) >= FREQUENT:
            yield own_block(term), msgspec.msgpack.encode({term: packed})
        else:
            shared[shared_block(term)][term] = packed
    for name, postings in shared.items():
        yield name, msgspec.msgpack.encode(postings)


def names(terms: Iterable[str]) -> list[str]:
    """The names of the blocks that may have postings of these terms."""
    return sorted({name for term in terms for name in (own_block(term), shared_block(term))})


def own_block(term: str) -> str:
    return f"={term}"


def shared_block(term: str) -> str:
    return f"#{crc32(term.encode()) % SHARED}"


def postings(data: bytes, terms: Iterable[str]) -> Iterator[tuple[str, Ints, Floats]]:
    """The postings of those of these terms that a block has: term, rows and counts."""
    block = msgspec.msgpack.decode(data, type=PackedPostings)
    for term in terms:
        if (packed := block.get(term)) is not None:
            yield term, np.frombuffer(packed[0], "<u4").astype(np.int32), np.frombuffer(packed[1], "<f4")
