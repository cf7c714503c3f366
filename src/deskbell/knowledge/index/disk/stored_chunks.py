"""The chunks of stored segments as one part of an index: memory holds a little of each, postings are read for each question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from deskbell.knowledge.index.disk import posting_blocks
from deskbell.knowledge.index.disk.model import PostingBlock
from deskbell.knowledge.index.disk.posting_blocks import Head
from deskbell.knowledge.index.segments import Flags, Floats, Ints, Segment
from deskbell.knowledge.index.statistics import IndexPart, IndexStatistics
from deskbell.knowledge.text.spelling import Speller

Postings = Mapping[str, tuple[Ints, Floats]]  # rows and counts by term


class StoredChunks:
    """The rows of all segments, one segment after the other. Immutable."""

    def __init__(self, heads: Mapping[str, Head]) -> None:
        self.heads = dict(heads)
        ids = [np.frombuffer(each.ids, f"S{len(each.ids) // max(len(each.languages), 1)}") for each in heads.values()]
        self.ids: NDArray[np.bytes_] = np.concatenate(ids)
        self.lengths: Floats = np.concatenate([np.frombuffer(each.lengths, "<f4") for each in heads.values()])
        self.languages: Sequence[str] = [each.names[code] for each in heads.values() for code in each.languages]
        self.language_counts = Counter(self.languages)
        self.first_row = dict(
            zip(heads, np.cumsum([0, *(len(each.languages) for each in heads.values())]), strict=False)
        )
        self.id_order = np.argsort(self.ids).astype(np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        documents = sum(len(each.documents) for each in self.heads.values())
        return 2 * self.ids.nbytes + 2 * self.lengths.nbytes + self.id_order.nbytes + 9 * len(self) + 250 * documents

    def alive(self, live: Mapping[str, int]) -> tuple[Flags, set[str]]:
        """Flags for the rows that belong to live revisions (by document), and the documents of these rows."""
        flags, documents, row = np.zeros(len(self), np.bool_), set(), 0
        for head in self.heads.values():
            for each in head.documents:
                if live.get(each.document_id) == each.revision:
                    flags[row : row + each.count] = True
                    documents.add(each.document_id)
                row += each.count
        return flags, documents

    def id(self, row: int) -> str:
        return str(self.ids[row], "ascii")

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The rows of ids; -1 for an id that is not stored."""
        wanted = np.array([id.encode() for id in ids], self.ids.dtype)
        positions = np.minimum(np.searchsorted(self.ids, wanted, sorter=self.id_order), len(self) - 1)
        rows = self.id_order[positions].astype(np.int64)
        return np.where(self.ids[rows] == wanted, rows, -1)

    def postings(self, blocks: Iterable[PostingBlock], terms: Sequence[str]) -> Postings:
        """The postings of terms, from the blocks of all segments."""
        terms = list(dict.fromkeys(terms))
        parts: dict[str, list[tuple[int, Ints, Floats]]] = {}
        for block in blocks:
            if (start := self.first_row.get(block.segment_id)) is not None:
                for term, rows, counts in posting_blocks.postings(block.data, terms):
                    parts.setdefault(term, []).append((int(start), rows + np.int32(start), counts))
        joined = {}
        for term, each in parts.items():
            each.sort(key=lambda part: part[0])
            joined[term] = np.concatenate([rows for _, rows, _ in each]), np.concatenate([part[2] for part in each])
        return joined


class StoredPart:
    """Stored chunks with the postings that one question needs. Satisfies `IndexPart`."""

    def __init__(self, chunks: StoredChunks, loaded: Postings, speller: Speller | None) -> None:
        self.chunks, self.loaded, self.speller = chunks, loaded, speller
        self.lengths, self.languages, self.language_counts = chunks.lengths, chunks.languages, chunks.language_counts

    def __len__(self) -> int:
        return len(self.chunks)

    def id(self, row: int) -> str:
        return self.chunks.id(row)

    def postings(self, term: str) -> tuple[Ints, Floats]:
        return self.loaded.get(term, NONE)

    def near(self, word: str) -> list[tuple[int, float, str]]:
        return self.speller.near(word) if self.speller is not None else []


NONE: tuple[Ints, Floats] = np.zeros(0, np.int32), np.zeros(0, np.float32)


class DiskIndex:
    """The index of a large knowledge base: what is stored, and the segments in memory of newer documents."""

    def __init__(self, stored: StoredChunks, alive: Flags, newer: Sequence[tuple[Segment, Flags]]) -> None:
        self.stored, self.alive, self.newer = stored, alive, tuple(newer)
        self.speller: Speller | None = None  # built when a question first has an unknown word

    @cached_property
    def statistics(self) -> IndexStatistics[IndexPart]:
        """Without stored postings: for counts, lengths and languages."""
        return IndexStatistics[IndexPart]([(StoredPart(self.stored, {}, None), self.alive), *self.newer])

    def with_postings(self, loaded: Postings) -> IndexStatistics[IndexPart]:
        """For one question. What does not depend on postings was computed already."""
        known = self.statistics
        statistics = IndexStatistics[IndexPart](
            [(StoredPart(self.stored, loaded, self.speller), self.alive), *self.newer]
        )
        statistics.count, statistics.languages, statistics.norms = known.count, known.languages, known.norms
        return statistics


def decode_head(data: bytes) -> Head:
    return msgspec.msgpack.decode(data, type=Head)
