"""The exact index of one knowledge base in memory: BM25 over its terms, cosines over its vectors, both fused into one calibrated score.

An `Index` never changes; `changed` returns the next one, which shares what has stayed the same. So searches in other threads are not
disturbed. The database holds the data; an index can be dropped and built again at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property

import numpy as np

from deskbell.knowledge.index.ranking import Hit, best, keyword_scores, score_segment
from deskbell.knowledge.index.segments import Flags, Floats, IndexEntry, Segment, merge
from deskbell.knowledge.index.statistics import IndexStatistics
from deskbell.knowledge.scores import Calibration, keyword_calibration
from deskbell.knowledge.text import analysis

__all__ = ["Hit", "Index", "IndexEntry"]

DEAD = 0.25  # the share of removed rows from which a segment is rebuilt


class Index(IndexStatistics[Segment]):
    """Starts empty as `Index(dimensions)`, the dimensions of the embedder's vectors or 0 for none; `changed` adds to it."""

    def __init__(self, dimensions: int, parts: Sequence[tuple[Segment, Flags]] = ()) -> None:
        super().__init__(parts)
        self.dimensions = dimensions

    @cached_property
    def size(self) -> int:
        """Bytes of memory, about."""
        return sum(segment.size for segment, _ in self.parts)

    def changed(self, added: Sequence[IndexEntry] = (), removed: Collection[str] = ()) -> Index:
        """The index without `removed` ids and with `added`, which replace entries of the same id; of equal ids the last counts."""
        entries = list({entry.id: entry for entry in added}.values())
        dropped = {*removed, *(entry.id for entry in entries)}
        parts = [without(segment, alive, dropped) for segment, alive in self.parts]
        parts = [(segment, alive) for segment, alive in parts if alive.any()]
        parts = [
            all_alive(merge([(segment, alive)])) if alive.mean() <= 1 - DEAD else (segment, alive)
            for segment, alive in parts
        ]
        if entries:
            parts.append(all_alive(Segment.build(entries, self.dimensions)))
        # Each segment is at least twice as large as the next: so there are few segments, and a row is copied few times.
        while len(parts) > 1 and len(parts[-2][0]) < 2 * len(parts[-1][0]):
            parts[-2:] = [all_alive(merge(parts[-2:]))]
        return Index(self.dimensions, parts)

    def search(
        self,
        question: str,
        vector: Floats | None = None,
        calibration: Callable[[str], Calibration] | None = None,
        top_k: int = 10,
    ) -> list[Hit]:
        """The best chunks, best first, equal ones by id. `vector` is the question's; `calibration` its embedder's, by language.

        Without a vector only chunks that have a word of the question are found; with one, always `top_k`.
        """
        if not self.count:
            return []
        language = self.language(question)
        keywords_only = keyword_calibration(language)
        fused = calibration(language) if calibration and vector is not None else keywords_only
        scores = keyword_scores(self, analysis.terms(question, language))
        columns = [
            score_segment(part, *each, vector, fused, keywords_only)
            for part, each in zip(self.parts, scores, strict=True)
        ]
        return best([np.concatenate(each) for each in zip(*columns, strict=True)], top_k, self.id)


def all_alive(segment: Segment) -> tuple[Segment, Flags]:
    return segment, np.ones(len(segment), np.bool_)


def without(segment: Segment, alive: Flags, ids: Collection[str]) -> tuple[Segment, Flags]:
    """The segment with the rows of these ids marked as removed."""
    rows = [row for id in ids if (row := segment.row_of.get(id)) is not None and alive[row]]
    if not rows:
        return segment, alive
    alive = alive.copy()
    alive[rows] = False
    return segment, alive
