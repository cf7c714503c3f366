"""The exact index of one knowledge base in memory: BM25 over its terms, cosines over its vectors, both fused into one calibrated score.

An `Index` never changes; `changed` makes the next one, which shares what is the same. So searches in other threads go on meanwhile.
The database is the record; whoever holds an index decides when to drop it (`size`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import cached_property

import numpy as np

from deskbell.knowledge import analysis
from deskbell.knowledge.calibration import Calibration, keywords_alone
from deskbell.knowledge.ranking import K1, B, Hit, best, keywords, scored
from deskbell.knowledge.segments import Entry, Flags, Floats, Segment, merged

__all__ = ["Entry", "Hit", "Index"]

DEAD = 0.25  # the share of removed rows from which a segment is written anew
SPOKEN = 0.05  # the share of a knowledge base in a language from which questions may be in it


class Index:
    """Begin with `Index(dimensions)`, dimensions of the embedder's vectors, 0 for none; then `changed`."""

    def __init__(self, dimensions: int, parts: Sequence[tuple[Segment, Flags]] = ()) -> None:
        self.dimensions = dimensions
        self.parts = tuple(parts)

    def __len__(self) -> int:
        return self.count

    @cached_property
    def count(self) -> int:
        return sum(int(alive.sum()) for _, alive in self.parts)

    @cached_property
    def size(self) -> int:
        """Bytes of memory, about."""
        return sum(segment.size for segment, _ in self.parts)

    def changed(self, added: Sequence[Entry] = (), removed: Collection[str] = ()) -> Index:
        """The index without `removed` ids and with `added`, which replace those of the same id; of equal ids the last counts."""
        entries = list({entry.id: entry for entry in added}.values())
        gone = {*removed, *(entry.id for entry in entries)}
        parts = [without(segment, alive, gone) for segment, alive in self.parts]
        parts = [(segment, alive) for segment, alive in parts if alive.any()]
        parts = [
            whole(merged([(segment, alive)])) if alive.mean() <= 1 - DEAD else (segment, alive)
            for segment, alive in parts
        ]
        if entries:
            parts.append(whole(Segment.build(entries, self.dimensions)))
        # Sizes fall by half from one to the next, so there are few, and a row is copied few times.
        while len(parts) > 1 and len(parts[-2][0]) < 2 * len(parts[-1][0]):
            parts[-2:] = [whole(merged(parts[-2:]))]
        return Index(self.dimensions, parts)

    @cached_property
    def languages(self) -> Counter[str]:
        """How many passages are in which language."""
        spoken: Counter[str] = Counter()
        for segment, alive in self.parts:
            spoken.update(segment.spoken)
            spoken.subtract(segment.languages[row] for row in np.flatnonzero(~alive))
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

    def search(
        self,
        question: str,
        vector: Floats | None = None,
        calibration: Callable[[str], Calibration] | None = None,
        top_k: int = 10,
    ) -> list[Hit]:
        """The best passages, the best first, equal ones by id. `vector` is the question's; `calibration` its embedder's, by language.

        Without a vector only passages that have a word of the question are found; with one, always `top_k`.
        """
        if not self.count:
            return []
        language = self.language(question)
        alone = keywords_alone(language)
        read = calibration(language) if calibration and vector is not None else alone
        found = keywords(self, analysis.terms(question, language))
        columns = [scored(part, *each, vector, read, alone) for part, each in zip(self.parts, found, strict=True)]
        return best([np.concatenate(each) for each in zip(*columns, strict=True)], top_k, self.id)

    def rarity(self, frequency: int) -> float:
        """Inverse document frequency."""
        return math.log(1 + (self.count - frequency + 0.5) / (frequency + 0.5))

    @cached_property
    def norms(self) -> list[Floats]:
        """What length adds below the fraction of BM25, by row."""
        total = sum(float(segment.lengths[alive].sum()) for segment, alive in self.parts)
        mean = np.float32(max(total / self.count, 1e-9))
        return [
            np.float32(K1) * (np.float32(1 - B) + np.float32(B) * segment.lengths / mean) for segment, _ in self.parts
        ]

    def frequency(self, term: str) -> int:
        """In how many passages a term is."""
        total = 0
        for segment, alive in self.parts:
            total += int(np.count_nonzero(alive[segment.postings(term)[0]]))
        return total

    def corrected(self, word: str) -> str | None:
        """The nearest word of the knowledge base; of equally near ones the most frequent."""
        near = {each for segment, _ in self.parts for each in segment.speller.near(word)[:8]}
        living = [each for each in near if self.frequency(each[2])]
        return (
            min(living, key=lambda each: (each[0], -self.frequency(each[2]), each[1], each[2]))[2] if living else None
        )

    def id(self, row: int) -> str:
        """The id of a row, counted through all segments."""
        for segment, _ in self.parts:
            if row < len(segment):
                return segment.ids[row]
            row -= len(segment)
        raise IndexError(row)


def whole(segment: Segment) -> tuple[Segment, Flags]:
    return segment, np.ones(len(segment), np.bool_)


def without(segment: Segment, alive: Flags, gone: Collection[str]) -> tuple[Segment, Flags]:
    """The same segment with more rows marked as removed."""
    rows = [row for id in gone if (row := segment.places.get(id)) is not None and alive[row]]
    if not rows:
        return segment, alive
    alive = alive.copy()
    alive[rows] = False
    return segment, alive
