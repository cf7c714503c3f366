"""How the passages of an index are scored for a question, and which are the best. Columns have a number per row, dead rows included."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from deskbell.knowledge.index.segments import Flags, Floats, Ints, Segment
from deskbell.knowledge.index.statistics import K1, IndexStatistics
from deskbell.knowledge.retrieval.score_calibration import Calibration

MOST_CORRECTED = 8  # unknown words of a question: each is compared with every word of the knowledge base
# A passage with every word of a question is about it, whatever the vectors say of a part number: less than 1 foreign question in 200
# finds such a one. Such passages begin at this score.
COMPLETE = math.log(0.6 / 0.4)

Columns = tuple[Floats, Floats, Floats, Floats]  # logit, fused score, BM25, cosine


class Hit(msgspec.Struct):
    """A passage that was found. `score` is 0-1 and compares across knowledge bases; the others are what it was made of.

    Ranks count from 1; None where the passage has none of the words, or no vector to compare.
    """

    id: str
    score: float
    fused: float
    keyword_rank: int | None
    keyword_score: float
    semantic_rank: int | None
    semantic_score: float | None


def keywords(corpus: IndexStatistics[Any], words: list[str]) -> list[tuple[Floats, Ints, float]]:
    """For each part: BM25 of its rows, the rows that have every word, and the most that a row could score for these words.

    A word that the knowledge base does not have counts as the rarest, also when the nearest one is searched in its place,
    as is done for the first few.
    """
    scores = [np.zeros(len(part), np.float32) for part, _ in corpus.parts]
    having: list[list[Ints]] = [[] for _ in corpus.parts]
    bound, complete, corrections = 0.0, bool(words), 0
    for word, times in Counter(words).items():
        term, frequency = word, corpus.frequency(word)
        bound += times * corpus.rarity(frequency)
        if not frequency:
            complete, corrections = False, corrections + 1
            if corrections > MOST_CORRECTED or (nearest := corpus.corrected(word)) is None:
                continue
            term, frequency = nearest, corpus.frequency(nearest)
        weight = np.float32(times * corpus.rarity(frequency) * (K1 + 1))
        for place, (part, _) in enumerate(corpus.parts):
            rows, counts = part.postings(term)
            scores[place][rows] += weight * counts / (counts + corpus.norms[place][rows])
            having[place].append(rows)
    bound = (K1 + 1) * bound or 1.0
    return [
        (score, common(rows) if complete else common([]), bound) for score, rows in zip(scores, having, strict=True)
    ]


def common(lists: list[Ints]) -> Ints:
    """The rows that are in every list."""
    if not lists:
        return np.zeros(0, np.int32)
    return reduce(within, sorted(lists, key=len))


def within(few: Ints, many: Ints) -> Ints:
    """Those of `few` that are in `many`, which is in order."""
    if not len(many):
        return few[:0]
    places = np.minimum(np.searchsorted(many, few), len(many) - 1)
    there: Ints = few[many[places] == few]
    return there


def scored(
    part: tuple[Segment, Flags],
    keyword: Floats,
    complete: Ints,
    bound: float,
    vector: Floats | None,
    read: Calibration,
    alone: Calibration,
) -> Columns:
    """A segment's columns. Without a vector a row is read by its keywords alone; without these too, or dead, it is not found."""
    segment, alive = part
    share = keyword / np.float32(bound)
    if vector is None or not segment.vectors.shape[1]:
        fused, logits, cosines = share, logit(share, alone), np.full(len(segment), np.nan, np.float32)
        lost = ~alive | (keyword <= 0)
    else:
        cosines = segment.vectors @ vector
        fused = np.float32(read.weight) * share + np.float32(1 - read.weight) * cosines
        logits, lost = logit(fused, read), ~alive
        if len(bare := np.flatnonzero(~segment.embedded)):
            cosines[bare], fused[bare], logits[bare] = np.nan, share[bare], logit(share[bare], alone)
            lost[bare] |= keyword[bare] <= 0
    logits[complete] = np.maximum(logits[complete], np.float32(COMPLETE) + fused[complete])
    if len(gone := np.flatnonzero(lost)):
        logits[gone], keyword[gone] = -np.inf, 0
        cosines[gone] = np.nan
    return logits, fused, keyword, cosines


def scored_among(
    rows: NDArray[np.int64],
    alive: Flags,
    keyword: Floats,
    complete: Ints,
    bound: float,
    found: Floats,
    read: Calibration,
    alone: Calibration,
) -> Columns:
    """The columns of a part of which only some rows are looked at, with their cosines (NaN where there is no vector).

    The others are not found, but their keywords count for ranks.
    """
    logits, fused = np.full(len(alive), -np.inf, np.float32), np.zeros(len(alive), np.float32)
    cosines = np.full(len(alive), np.nan, np.float32)
    keyword[~alive] = 0
    share = keyword[rows] / np.float32(bound)
    embedded = ~np.isnan(found)
    mixed = np.float32(read.weight) * share + np.float32(1 - read.weight) * found
    fused[rows] = np.where(embedded, mixed, share)
    logits[rows] = np.where(embedded, logit(fused[rows], read), logit(share, alone))
    cosines[rows] = found
    logits[complete] = np.maximum(logits[complete], np.float32(COMPLETE) + fused[complete])
    looked_at = np.zeros(len(alive), np.bool_)
    looked_at[rows[alive[rows] & (embedded | (share > 0))]] = True
    logits[~looked_at], cosines[~alive] = -np.inf, np.nan
    return logits, fused, keyword, cosines


def logit(fused: Floats, read: Calibration) -> Floats:
    return np.float32(read.slope) * fused - np.float32(read.offset)


def best(columns: Sequence[Floats], top_k: int, id_of: Callable[[int], str]) -> list[Hit]:
    """The rows of the highest logits; of equal ones those of the lowest ids."""
    logits, fused, keyword, cosines = columns
    least = -np.inf if len(logits) <= top_k else np.partition(logits, len(logits) - top_k)[len(logits) - top_k]
    rows: NDArray[np.int64] = np.flatnonzero((logits >= least - 1e-4) & (logits > -np.inf))
    chosen = sorted((-round(float(logits[row]), 4), id_of(row), row) for row in rows.tolist())[:top_k]
    return [
        Hit(
            id,
            1 / (1 + math.exp(max(-60.0, min(60.0, negative)))),
            float(fused[row]),
            rank(keyword, row) if keyword[row] > 0 else None,
            float(keyword[row]),
            None if np.isnan(cosines[row]) else rank(cosines, row),
            None if np.isnan(cosines[row]) else float(cosines[row]),
        )
        for negative, id, row in chosen
    ]


def rank(column: Floats, row: int) -> int:
    return 1 + int(np.count_nonzero(column > column[row]))
