"""Chunks as immutable arrays: postings by term, lengths, vectors. An index consists of a few segments, so that a change copies little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from deskbell.knowledge.text.spelling import Speller

TITLE_WEIGHT = 3  # a word of the title or the headings counts as so many words of the text

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class IndexEntry(msgspec.Struct):
    """A chunk to index: its terms (`analysis.terms`) and, if it has been embedded, its vector of length 1 (an array or float32 bytes)."""

    id: str
    title_terms: Sequence[str]
    text_terms: Sequence[str]
    vector: Floats | bytes | None = None
    language: str = "en"


class Segment:
    """`ids` and `languages` by row. The postings of term number t are `rows` and `counts` at `bounds[t]:bounds[t + 1]`, rows ascending."""

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
        """A vector with another number of dimensions counts as missing."""
        terms: dict[str, int] = {}
        numbers: list[int] = []
        counts: list[int] = []
        sizes = np.empty(len(entries), np.int64)
        lengths = np.empty(len(entries), np.float32)
        for row, entry in enumerate(entries):
            term_counts = Counter(entry.text_terms)
            for term in entry.title_terms:
                term_counts[term] += TITLE_WEIGHT
            numbers += [terms.setdefault(term, len(terms)) for term in term_counts]
            counts += term_counts.values()
            sizes[row] = len(term_counts)
            lengths[row] = len(entry.text_terms) + TITLE_WEIGHT * len(entry.title_terms)
        vectors, embedded = stack_vectors(entries, dimensions)
        return cls(
            [entry.id for entry in entries],
            [entry.language for entry in entries],
            lengths,
            terms,
            *by_term(
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
    def language_counts(self) -> Counter[str]:
        """How many rows are in which language."""
        return Counter(self.languages)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Rows by id."""
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
        """Bytes of memory, about: arrays exactly, Python's objects by their usual size."""
        arrays = (self.lengths, self.bounds, self.rows, self.counts, self.vectors, self.embedded)
        return sum(each.nbytes for each in arrays) + 150 * len(self.terms) + 200 * len(self.ids)

    def postings(self, term: str) -> tuple[Ints, Floats]:
        """The rows that have a term, in order, and its count in each."""
        number = self.terms.get(term)
        if number is None:
            return self.rows[:0], self.counts[:0]
        start, end = self.bounds[number], self.bounds[number + 1]
        return self.rows[start:end], self.counts[start:end]

    def occurrences(self, marked: Flags) -> NDArray[np.int64]:
        """In how many of the marked rows each term is."""
        return (
            np.add.reduceat(np.append(marked[self.rows], 0), self.bounds[:-1], dtype=np.int64)
            if self.terms
            else np.zeros(0, np.int64)
        )


def merge(parts: Iterable[tuple[Segment, Flags]]) -> Segment:
    """One segment with the rows of several that are alive."""
    terms: dict[str, int] = {}
    ids: list[str] = []
    languages: list[str] = []
    numbers, rows, counts, lengths, vectors, embedded = [], [], [], [], [], []
    width = 0
    for segment, alive in parts:
        # Rows close up over dead ones, and terms that no living row has are dropped: both get new numbers.
        new_rows = (np.cumsum(alive) - 1 + len(ids)).astype(np.int32)
        living = alive[segment.rows]
        used = segment.frequencies - segment.occurrences(~alive) > 0
        new_numbers = np.array(
            [terms.setdefault(term, len(terms)) if use else -1 for term, use in zip(segment.terms, used, strict=True)],
            np.int64,
        )
        numbers.append(np.repeat(new_numbers, segment.frequencies)[living])
        rows.append(new_rows[segment.rows[living]])
        counts.append(segment.counts[living])
        lengths.append(segment.lengths[alive])
        vectors.append(segment.vectors[alive])
        width = max(width, segment.vectors.shape[1])
        embedded.append(segment.embedded[alive])
        ids += [id for id, live in zip(segment.ids, alive, strict=True) if live]
        languages += [code for code, live in zip(segment.languages, alive, strict=True) if live]
    postings = by_term(np.concatenate(numbers), np.concatenate(rows), np.concatenate(counts), len(terms))
    wide = [each if each.shape[1] == width else np.zeros((len(each), width), np.float32) for each in vectors]
    return Segment(
        ids, languages, np.concatenate(lengths), terms, *postings, np.concatenate(wide), np.concatenate(embedded)
    )


def by_term(
    numbers: NDArray[np.int64], rows: Ints, counts: Floats, terms: int
) -> tuple[NDArray[np.int64], Ints, Floats]:
    """Postings sorted by term: bounds, rows, counts. They arrive in order of their rows, which a stable sort keeps within each term."""
    order = np.argsort(numbers, kind="stable")
    bounds = np.concatenate(([0], np.cumsum(np.bincount(numbers, minlength=terms))))
    return bounds, rows[order], counts[order]


def stack_vectors(entries: Sequence[IndexEntry], dimensions: int) -> tuple[Floats, Flags]:
    """The matrix of vectors, and which rows have one. If none has, the matrix takes no memory."""
    vectors_given = [
        np.frombuffer(each.vector, np.float32) if isinstance(each.vector, bytes) else each.vector for each in entries
    ]
    embedded = np.array([each is not None and len(each) == dimensions for each in vectors_given], np.bool_)
    if not embedded.any():
        return np.zeros((len(entries), 0), np.float32), embedded
    vectors = np.zeros((len(entries), dimensions), np.float32)
    for row, vector in enumerate(vectors_given):
        if embedded[row]:
            vectors[row] = vector
    return vectors, embedded
