"""Passages as arrays that never change: postings by term, lengths, vectors. An index is a few of them, so that a change copies little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from deskbell.knowledge.text.spelling import Speller

TITLE_WEIGHT = 3  # a word of title or headings counts as so many of the text

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class IndexEntry(msgspec.Struct):
    """A passage as it is indexed: its terms (`analysis.terms`) and, if it is embedded yet, its vector of length 1 (an array or float32 bytes)."""

    id: str
    title_terms: Sequence[str]
    text_terms: Sequence[str]
    vector: Floats | bytes | None = None
    language: str = "en"


class Segment:
    """`ids` and `languages` by row; postings of term t at `bounds[t]:bounds[t + 1]` of `rows` and `counts`, rows ascending."""

    def __init__(
        self,
        ids: list[str],
        languages: list[str],
        lengths: Floats,
        terms: dict[str, int],
        bounds: NDArray[np.int64],
        rows: Ints,
        counts: Floats,
        vectors: Floats,
        embedded: Flags,
    ) -> None:
        self.ids, self.languages, self.lengths = ids, languages, lengths
        self.terms, self.bounds, self.rows, self.counts = terms, bounds, rows, counts
        self.vectors, self.embedded = vectors, embedded

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def build(cls, entries: Sequence[IndexEntry], dimensions: int) -> Segment:
        """A vector of another length than `dimensions` counts as none."""
        terms: dict[str, int] = {}
        numbers: list[int] = []
        counts: list[int] = []
        sizes = np.empty(len(entries), np.int64)
        lengths = np.empty(len(entries), np.float32)
        for row, entry in enumerate(entries):
            found = Counter(entry.text_terms)
            for term in entry.title_terms:
                found[term] += TITLE_WEIGHT
            numbers += [terms.setdefault(term, len(terms)) for term in found]
            counts += found.values()
            sizes[row] = len(found)
            lengths[row] = len(entry.text_terms) + TITLE_WEIGHT * len(entry.title_terms)
        vectors, embedded = stacked(entries, dimensions)
        return cls(
            [entry.id for entry in entries],
            [entry.language for entry in entries],
            lengths,
            terms,
            *ordered(
                np.array(numbers, np.int64),
                np.repeat(np.arange(len(entries), dtype=np.int32), sizes),
                np.array(counts, np.float32),
                len(terms),
            ),
            vectors,
            embedded,
        )

    @cached_property
    def frequencies(self) -> NDArray[np.int64]:
        """In how many rows each term is."""
        return np.diff(self.bounds)

    @cached_property
    def spoken(self) -> Counter[str]:
        """How many rows are in which language."""
        return Counter(self.languages)

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of each id."""
        return {id: row for row, id in enumerate(self.ids)}

    @cached_property
    def speller(self) -> Speller:
        return Speller(list(self.terms))

    def near(self, word: str) -> list[tuple[int, float, str]]:
        return self.speller.near(word)

    def id(self, row: int) -> str:
        return self.ids[row]

    @property
    def size(self) -> int:
        """Bytes, about: what is in arrays exactly, Python's own objects by their usual size."""
        arrays = (self.lengths, self.bounds, self.rows, self.counts, self.vectors, self.embedded)
        return sum(each.nbytes for each in arrays) + 150 * len(self.terms) + 200 * len(self.ids)

    def postings(self, term: str) -> tuple[Ints, Floats]:
        """The rows that have a term, in order, and how often."""
        number = self.terms.get(term)
        if number is None:
            return self.rows[:0], self.counts[:0]
        start, end = self.bounds[number], self.bounds[number + 1]
        return self.rows[start:end], self.counts[start:end]

    def occurrences(self, gone: Flags) -> NDArray[np.int64]:
        """In how many of the marked rows each term is."""
        return (
            np.add.reduceat(np.append(gone[self.rows], 0), self.bounds[:-1], dtype=np.int64)
            if self.terms
            else np.zeros(0, np.int64)
        )


def merged(parts: Iterable[tuple[Segment, Flags]]) -> Segment:
    """One segment of the rows of several that are marked as alive."""
    terms: dict[str, int] = {}
    ids: list[str] = []
    languages: list[str] = []
    numbers, rows, counts, lengths, vectors, embedded = [], [], [], [], [], []
    width = 0
    for segment, alive in parts:
        places = (np.cumsum(alive) - 1 + len(ids)).astype(np.int32)
        kept = alive[segment.rows]
        used = segment.frequencies - segment.occurrences(~alive) > 0
        map = np.array(
            [terms.setdefault(term, len(terms)) if use else -1 for term, use in zip(segment.terms, used, strict=True)],
            np.int64,
        )
        numbers.append(np.repeat(map, segment.frequencies)[kept])
        rows.append(places[segment.rows[kept]])
        counts.append(segment.counts[kept])
        lengths.append(segment.lengths[alive])
        vectors.append(segment.vectors[alive])
        width = max(width, segment.vectors.shape[1])
        embedded.append(segment.embedded[alive])
        ids += [id for id, live in zip(segment.ids, alive, strict=True) if live]
        languages += [code for code, live in zip(segment.languages, alive, strict=True) if live]
    postings = ordered(np.concatenate(numbers), np.concatenate(rows), np.concatenate(counts), len(terms))
    wide = [each if each.shape[1] == width else np.zeros((len(each), width), np.float32) for each in vectors]
    return Segment(
        ids, languages, np.concatenate(lengths), terms, *postings, np.concatenate(wide), np.concatenate(embedded)
    )


def ordered(
    numbers: NDArray[np.int64], rows: Ints, counts: Floats, terms: int
) -> tuple[NDArray[np.int64], Ints, Floats]:
    """Postings by term: bounds, rows, counts. They come in order of their rows, and a stable sort keeps that."""
    order = np.argsort(numbers, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(numbers, minlength=terms))))
    return bounds, rows[order], counts[order]


def stacked(entries: Sequence[IndexEntry], dimensions: int) -> tuple[Floats, Flags]:
    """The matrix of vectors, and which rows have one. Without any, the matrix takes no memory."""
    found = [
        np.frombuffer(each.vector, np.float32) if isinstance(each.vector, bytes) else each.vector for each in entries
    ]
    embedded = np.array([each is not None and len(each) == dimensions for each in found], np.bool_)
    if not embedded.any():
        return np.zeros((len(entries), 0), np.float32), embedded
    vectors = np.zeros((len(entries), dimensions), np.float32)
    for row, vector in enumerate(found):
        if embedded[row]:
            vectors[row] = vector
    return vectors, embedded
