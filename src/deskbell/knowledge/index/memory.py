"""The exact index of one knowledge base in memory: BM25 over its terms, cosines over its vectors, both fused into one calibrated score.

An `Index` never changes; `changed` makes the next one, which shares what is the same. So searches in other threads go on meanwhile.
The database is the record; whoever holds an index decides when to drop it (`size`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property

import numpy as np

from deskbell.knowledge.index.ranking import Hit, best, keywords, scored
from deskbell.knowledge.index.segments import Flags, Floats, IndexEntry, Segment, merged
from deskbell.knowledge.index.statistics import IndexStatistics
from deskbell.knowledge.retrieval.score_calibration import Calibration, keywords_alone
from deskbell.knowledge.text import analysis

__all__ = ["Hit", "Index", "IndexEntry"]

DEAD = 0.25  # the share of removed rows from which a segment is written anew


class Index(IndexStatistics[Segment]):
    """Begin with `Index(dimensions)`, dimensions of the embedder's vectors, 0 for none; then `changed`."""

    def __init__(self, dimensions: int, parts: Sequence[tuple[Segment, Flags]] = ()) -> None:
        super().__init__(parts)
        self.dimensions = dimensions

    @cached_property
    def size(self) -> int:
        """Bytes of memory, about."""
        return sum(segment.size for segment, _ in self.parts)

    def changed(self, added: Sequence[IndexEntry] = (), removed: Collection[str] = ()) -> Index:
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
