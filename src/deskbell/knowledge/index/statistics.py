"""The passages of a knowledge base in parts, and the counts over all of them that BM25 and the choice of a language want."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np

from deskbell.knowledge.index.segments import Flags, Floats, Ints
from deskbell.knowledge.text import analysis

K1, B = 1.2, 0.75  # BM25's saturation of repeated words, and how much length counts
SPOKEN = 0.05  # the share of a knowledge base in a language from which questions may be in it
NEAR = 8  # words of a part that an unknown one is compared with


class IndexPart(Protocol):
    """Passages by row. They never change; which of them are alive is told apart."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> Floats:
        """Weighted words of each row."""
        ...

    @property
    def languages(self) -> Sequence[str]: ...

    @property
    def spoken(self) -> Counter[str]:
        """How many rows are in which language."""
        ...

    def id(self, row: int) -> str: ...

    def postings(self, term: str) -> tuple[Ints, Floats]:
        """The rows that have a term, in order, and how often."""
        ...

    def near(self, word: str) -> list[tuple[int, float, str]]:
        """Words like this one, the best first, as `Speller.near` has them."""
        ...


P = TypeVar("P", bound=IndexPart, covariant=True)


class IndexStatistics(Generic[P]):
    """Parts, each with the rows of it that are alive."""

    def __init__(self, parts: Sequence[tuple[P, Flags]] = ()) -> None:
        self.parts = tuple(parts)

    def __len__(self) -> int:
        return self.count

    @cached_property
    def count(self) -> int:
        return sum(int(alive.sum()) for _, alive in self.parts)

    @cached_property
    def languages(self) -> Counter[str]:
        """How many passages are in which language."""
        spoken: Counter[str] = Counter()
        for part, alive in self.parts:
            spoken.update(part.spoken)
            spoken.subtract(part.languages[row] for row in np.flatnonzero(~alive).tolist())
        return +spoken

    def language(self, question: str) -> str:
        """The language that a question is analysed in: its own if the knowledge base speaks it, else the knowledge base's."""
        if not self.languages:
            return analysis.language(question)
        main = max(self.languages, key=lambda code: (self.languages[code], code))
        if len(self.languages) == 1:
            return main
        own = analysis.language(question, main)
        return own if self.languages[own] >= SPOKEN * self.count else main

    @cached_property
    def norms(self) -> list[Floats]:
        """What length adds below the fraction of BM25, by row."""
        total = sum(float(part.lengths[alive].sum()) for part, alive in self.parts)
        mean = np.float32(max(total / max(self.count, 1), 1e-9))
        return [np.float32(K1) * (np.float32(1 - B) + np.float32(B) * part.lengths / mean) for part, _ in self.parts]

    def frequency(self, term: str) -> int:
        """In how many passages a term is."""
        return sum(int(np.count_nonzero(alive[part.postings(term)[0]])) for part, alive in self.parts)

    def rarity(self, frequency: int) -> float:
        """Inverse document frequency."""
        return math.log(1 + (self.count - frequency + 0.5) / (frequency + 0.5))

    def near(self, word: str) -> set[tuple[int, float, str]]:
        """Words of the parts that an unknown word may have been meant to be; some may be of passages that are gone."""
        return {each for part, _ in self.parts for each in part.near(word)[:NEAR]}

    def corrected(self, word: str) -> str | None:
        """The nearest word of the knowledge base; of equally near ones the most frequent."""
        living = [(*each, found) for each in self.near(word) if (found := self.frequency(each[2]))]
        return min(living, key=lambda each: (each[0], -each[3], each[1], each[2]))[2] if living else None

    def id(self, row: int) -> str:
        """The id of a row, counted through all parts."""
        for part, _ in self.parts:
            if row < len(part):
                return part.id(row)
            row -= len(part)
        raise IndexError(row)
