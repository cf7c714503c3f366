"""A segment as it is stored: what memory keeps of its chunks, its words, and the postings of its terms in blocks.

A term of many chunks has a block of its own; the others share one with those of the same checksum, so that a search reads little
and a segment has few rows. Rows are uint32, counts float32, little-endian.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

import msgspec
import numpy as np

from deskbell.knowledge.index.segments import Floats, Ints, Segment
from deskbell.knowledge.text.spelling import correctable

BLOCKS = 1024  # that rare terms share, in each segment
OFTEN = 500  # chunks from which a term has a block of its own

Postings = dict[str, tuple[bytes, bytes]]


class Revision(msgspec.Struct, array_like=True):
    """The chunks of a document, which stand side by side in a segment."""

    document_id: str
    revision: int
    count: int


class Head(msgspec.Struct, array_like=True):
    """What memory keeps of a segment: ids side by side, all of one length; lengths as float32; languages by number."""

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
    """The words that misspelt ones may be corrected to."""
    return "\n".join(filter(correctable, segment.terms)).encode()


def blocks(segment: Segment) -> Iterator[tuple[str, bytes]]:
    """Every block with its name."""
    shared: dict[str, Postings] = defaultdict(dict)
    for term in segment.terms:
        rows, counts = segment.postings(term)
        packed = (rows.astype("<u4").tobytes(), counts.astype("<f4").tobytes())
        if len(rows) >= OFTEN:
            yield own(term), msgspec.msgpack.encode({term: packed})
        else:
            shared[common(term)][term] = packed
    for name, postings in shared.items():
        yield name, msgspec.msgpack.encode(postings)


def names(terms: Iterable[str]) -> list[str]:
    """The blocks in which the postings of terms are, if there are any."""
    return sorted({name for term in terms for name in (own(term), common(term))})


def own(term: str) -> str:
    return f"={term}"


def common(term: str) -> str:
    return f"#{crc32(term.encode()) % BLOCKS}"


def postings(data: bytes, terms: Iterable[str]) -> Iterator[tuple[str, Ints, Floats]]:
    """Which of these terms a block has, with rows and counts."""
    found = msgspec.msgpack.decode(data, type=Postings)
    for term in terms:
        if (packed := found.get(term)) is not None:
            yield term, np.frombuffer(packed[0], "<u4").astype(np.int32), np.frombuffer(packed[1], "<f4")
