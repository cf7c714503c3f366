"""The chunks of stored segments as one part of a knowledge base: memory holds a little of each, postings come with each question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from deskbell.knowledge.index.disk.model import PostingBlock
from deskbell.knowledge.index.disk.posting_blocks import Head, postings
from deskbell.knowledge.index.segments import Flags, Floats, Ints, Segment
from deskbell.knowledge.index.statistics import IndexPart, IndexStatistics
from deskbell.knowledge.text.spelling import Speller

Known = Mapping[str, tuple[Ints, Floats]]  # rows and counts by term


class StoredChunks:
    """Rows of all segments, one segment after the other. Never changes."""

    def __init__(self, heads: Mapping[str, Head]) -> None:
        self.heads = dict(heads)
        ids = [np.frombuffer(each.ids, f"S{len(each.ids) // max(len(each.languages), 1)}") for each in heads.values()]
        self.ids: NDArray[np.bytes_] = np.concatenate(ids)
        self.lengths: Floats = np.concatenate([np.frombuffer(each.lengths, "<f4") for each in heads.values()])
        self.languages: Sequence[str] = [each.names[code] for each in heads.values() for code in each.languages]
        self.spoken = Counter(self.languages)
        self.starts = dict(zip(heads, np.cumsum([0, *(len(each.languages) for each in heads.values())]), strict=False))
        self.order = np.argsort(self.ids).astype(np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> int:
        """Bytes, about."""
        documents = sum(len(each.documents) for each in self.heads.values())
        return 2 * self.ids.nbytes + 2 * self.lengths.nbytes + self.order.nbytes + 9 * len(self) + 250 * documents

    def alive(self, live: Mapping[str, int]) -> tuple[Flags, set[str]]:
        """Which rows are of the live revisions of documents, and of which documents these rows are."""
        flags, found, row = np.zeros(len(self), np.bool_), set(), 0
        for head in self.heads.values():
            for each in head.documents:
                if live.get(each.document_id) == each.revision:
                    flags[row : row + each.count] = True
                    found.add(each.document_id)
                row += each.count
        return flags, found

    def id(self, row: int) -> str:
        return str(self.ids[row], "ascii")

    def rows(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The rows of ids; -1 for one that is not here."""
        asked = np.array([id.encode() for id in ids], self.ids.dtype)
        places = np.minimum(np.searchsorted(self.ids, asked, sorter=self.order), len(self) - 1)
        found = self.order[places].astype(np.int64)
        return np.where(self.ids[found] == asked, found, -1)

    def known(self, blocks: Iterable[PostingBlock], terms: Sequence[str]) -> Known:
        """The postings of terms, from the blocks of all segments."""
        terms = list(dict.fromkeys(terms))
        parts: dict[str, list[tuple[int, Ints, Floats]]] = {}
        for block in blocks:
            if (start := self.starts.get(block.segment_id)) is not None:
                for term, rows, counts in postings(block.data, terms):
                    parts.setdefault(term, []).append((int(start), rows + np.int32(start), counts))
        joined = {}
        for term, each in parts.items():
            each.sort(key=lambda part: part[0])
            joined[term] = np.concatenate([rows for _, rows, _ in each]), np.concatenate([part[2] for part in each])
        return joined


class StoredPart:
    """The passages with the postings that a question wants. Satisfies `corpus.Part`."""

    def __init__(self, passages: StoredChunks, known: Known, speller: Speller | None) -> None:
        self.passages, self.known, self.speller = passages, known, speller
        self.lengths, self.languages, self.spoken = passages.lengths, passages.languages, passages.spoken

    def __len__(self) -> int:
        return len(self.passages)

    def id(self, row: int) -> str:
        return self.passages.id(row)

    def postings(self, term: str) -> tuple[Ints, Floats]:
        return self.known.get(term, NONE)

    def near(self, word: str) -> list[tuple[int, float, str]]:
        return self.speller.near(word) if self.speller is not None else []


NONE: tuple[Ints, Floats] = np.zeros(0, np.int32), np.zeros(0, np.float32)


class DiskIndex:
    """A large knowledge base: what is stored, and in memory the documents that are newer."""

    def __init__(self, passages: StoredChunks, alive: Flags, newer: Sequence[tuple[Segment, Flags]]) -> None:
        self.passages, self.alive, self.newer = passages, alive, tuple(newer)
        self.speller: Speller | None = None  # made when a question first has an unknown word

    @cached_property
    def whole(self) -> IndexStatistics[IndexPart]:
        """Without postings of what is stored: good for counts and languages."""
        return IndexStatistics[IndexPart]([(StoredPart(self.passages, {}, None), self.alive), *self.newer])

    def asked(self, known: Known) -> IndexStatistics[IndexPart]:
        corpus = IndexStatistics[IndexPart]([(StoredPart(self.passages, known, self.speller), self.alive), *self.newer])
        corpus.count, corpus.languages, corpus.norms = self.whole.count, self.whole.languages, self.whole.norms
        return corpus


def decoded(data: bytes) -> Head:
    return msgspec.msgpack.decode(data, type=Head)
