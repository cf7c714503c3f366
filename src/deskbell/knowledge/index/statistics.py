"""A knowledge base's chunks in parts, and the counts over all parts that BM25 and the choice of a language need."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np

from deskbell.knowledge.index.segments import Flags, Floats, Ints
from deskbell.knowledge.text import analysis

K1, B = 1.2, 0.75  # BM25: saturation of repeated words, and how much length counts
MIN_SHARE = 0.05  # of a knowledge base in a language, for questions to be analysed in it
NEAR = 8  # candidates of each part for the correction of a word


class IndexPart(Protocol):
    """Chunks by row. A part never changes; which of its rows are still alive is stored separately."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> Floats:
        """Weighted number of words of each row."""
        ...

    @property
    def languages(self) -> Sequence[str]: ...

    @property
    def language_counts(self) -> Counter[str]:
        """How many rows are in which language."""
        ...

    def id(self, row: int) -> str: ...

    def postings(self, term: str) -> tuple[Ints, Floats]:
        """The rows that have a term, in order, and its count in each."""
        ...

    def near(self, word: str) -> list[tuple[int, float, str]]:
        """Words similar to this one, best first, as `Speller.near` returns them."""
        ...


P = TypeVar("P", bound=IndexPart, covariant=True)


class IndexStatistics(Generic[P]):
    """Parts, each with flags for the rows that are alive."""

    def __init__(self, parts: Sequence[tuple[P, Flags]] = ()) -> None:
        self.parts = tuple(parts)

    def __len__(self) -> int:
        return self.count

    @cached_property
    def count(self) -> int:
        return sum(int(alive.sum()) for _, alive in self.parts)

    @cached_property
    def languages(self) -> Counter[str]:
        """How many chunks are in which language."""
        counts: Counter[str] = Counter()
        for part, alive in self.parts:
            counts.update(part.language_counts)
            counts.subtract(part.languages[row] for row in np.flatnonzero(~alive).tolist())
        return +counts

    def language(self, question: str) -> str:
        """The language that a question is analysed in: its own if enough of the knowledge base is in it, else that of most chunks."""
        if not self.languages:
            return analysis.language(question)
        main = max(self.languages, key=lambda code: (self.languages[code], code))
        if len(self.languages) == 1:
            return main
        own = analysis.language(question, main)
        return own if self.languages[own] >= MIN_SHARE * self.count else main

    @cached_property
    def norms(self) -> list[Floats]:
        """By row, the part of BM25's denominator that depends on the length: `K1 * (1 - B + B * length / mean)`."""
        total = sum(float(part.lengths[alive].sum()) for part, alive in self.parts)
        mean = np.float32(max(total / max(self.count, 1), 1e-9))
        return [np.float32(K1) * (np.float32(1 - B) + np.float32(B) * part.lengths / mean) for part, _ in self.parts]

    def frequency(self, term: str) -> int:
        """In how many chunks a term is."""
        return sum(int(np.count_nonzero(alive[part.postings(term)[0]])) for part, alive in self.parts)

    def rarity(self, frequency: int) -> float:
        """Inverse document frequency."""
        return math.log(1 + (self.count - frequency + 0.5) / (frequency + 0.5))

    def near(self, word: str) -> set[tuple[int, float, str]]:
        """Candidates for the correction of an unknown word; some may only be in rows that are no longer alive."""
        return {each for part, _ in self.parts for each in part.near(word)[:NEAR]}

    def corrected(self, word: str) -> str | None:
        """The most similar word of the knowledge base; of equally similar ones the most frequent."""
        alive = [(*each, frequency) for each in self.near(word) if (frequency := self.frequency(each[2]))]
        return min(alive, key=lambda each: (each[0], -each[3], each[1], each[2]))[2] if alive else None

    def id(self, row: int) -> str:
        """The id of a row, counted through all parts."""
        for part, _ in self.parts:
            if row < len(part):
                return part.id(row)
            row -= len(part)
        raise IndexError(row)
