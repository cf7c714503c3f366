"""How the chunks of an index are scored for a question, and which are the best. Columns have one number per row, dead rows included."""

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
from deskbell.knowledge.scores import Calibration

MAX_CORRECTED = 8  # unknown words of a question: each is compared with every word of the knowledge base
# A chunk with every word of a question is about it, even if its vector is far, as for part numbers: fewer than 1 off-topic question in
# 200 finds such a chunk. Its score is at least .6, given here as a logit.
COMPLETE = math.log(0.6 / 0.4)

Columns = tuple[Floats, Floats, Floats, Floats]  # logit, fused score, BM25, cosine


class Hit(msgspec.Struct):
    """A chunk that was found. `score` is 0-1 and compares across knowledge bases; the other fields are what it was computed from.

    Ranks count from 1; None if the chunk has none of the words, or no vector to compare.
    """

    id: str
    score: float
    fused: float
    keyword_rank: int | None
    keyword_score: float
    semantic_rank: int | None
    semantic_score: float | None


def keyword_scores(statistics: IndexStatistics[Any], words: list[str]) -> list[tuple[Floats, Ints, float]]:
    """For each part: BM25 of its rows, the rows that have every word, and the most that a row could score for these words.

    The first few words that the knowledge base does not have are replaced by the most similar ones it has. In the bound an unknown word
    counts as the rarest of all: a row that only has its correction stays well below the bound, and its score is lower for it.
    """
    scores = [np.zeros(len(part), np.float32) for part, _ in statistics.parts]
    rows_with: list[list[Ints]] = [[] for _ in statistics.parts]
    bound, complete, corrections = 0.0, bool(words), 0
    for word, times in Counter(words).items():
        term, frequency = word, statistics.frequency(word)
        bound += times * statistics.rarity(frequency)
        if not frequency:
            complete, corrections = False, corrections + 1
            if corrections > MAX_CORRECTED or (correction := statistics.corrected(word)) is None:
                continue
            term, frequency = correction, statistics.frequency(correction)
        weight = np.float32(times * statistics.rarity(frequency) * (K1 + 1))
        for number, (part, _) in enumerate(statistics.parts):
            rows, counts = part.postings(term)
            scores[number][rows] += weight * counts / (counts + statistics.norms[number][rows])
            rows_with[number].append(rows)
    bound = (K1 + 1) * bound or 1.0
    return [
        (score, in_all(rows) if complete else in_all([]), bound) for score, rows in zip(scores, rows_with, strict=True)
    ]


def in_all(lists: list[Ints]) -> Ints:
    """The rows that are in every list."""
    if not lists:
        return np.zeros(0, np.int32)
    return reduce(in_both, sorted(lists, key=len))


def in_both(few: Ints, many: Ints) -> Ints:
    """Those of `few` that are in `many`; both ascending."""
    if not len(many):
        return few[:0]
    positions = np.minimum(np.searchsorted(many, few), len(many) - 1)
    shared: Ints = few[many[positions] == few]
    return shared


def score_segment(
    part: tuple[Segment, Flags],
    keyword: Floats,
    complete: Ints,
    bound: float,
    vector: Floats | None,
    calibration: Calibration,
    keywords_only: Calibration,
) -> Columns:
    """A segment's columns. A row without a vector is scored by keywords only; one without keywords too, or a dead one, is not found."""
    segment, alive = part
    share = keyword / np.float32(bound)
    if vector is None or not segment.vectors.shape[1]:
        fused, logits, cosines = share, logit(share, keywords_only), np.full(len(segment), np.nan, np.float32)
        excluded = ~alive | (keyword <= 0)
    else:
        cosines = segment.vectors @ vector
        fused = np.float32(calibration.weight) * share + np.float32(1 - calibration.weight) * cosines
        logits, excluded = logit(fused, calibration), ~alive
        if len(bare := np.flatnonzero(~segment.embedded)):
            cosines[bare], fused[bare], logits[bare] = np.nan, share[bare], logit(share[bare], keywords_only)
            excluded[bare] |= keyword[bare] <= 0
    logits[complete] = np.maximum(logits[complete], np.float32(COMPLETE) + fused[complete])
    if len(rows := np.flatnonzero(excluded)):
        logits[rows], keyword[rows] = -np.inf, 0
        cosines[rows] = np.nan
    return logits, fused, keyword, cosines


def score_rows(
    rows: NDArray[np.int64],
    alive: Flags,
    keyword: Floats,
    complete: Ints,
    bound: float,
    row_cosines: Floats,
    calibration: Calibration,
    keywords_only: Calibration,
) -> Columns:
    """The columns of a part in which only some rows are candidates, whose cosines are given (NaN for one without a vector).

    The other rows are not found, but count in the keyword ranks of those that are.
    """
    logits, fused = np.full(len(alive), -np.inf, np.float32), np.zeros(len(alive), np.float32)
    cosines = np.full(len(alive), np.nan, np.float32)
    keyword[~alive] = 0
    share = keyword[rows] / np.float32(bound)
    embedded = ~np.isnan(row_cosines)
    mixed = np.float32(calibration.weight) * share + np.float32(1 - calibration.weight) * row_cosines
    fused[rows] = np.where(embedded, mixed, share)
    logits[rows] = np.where(embedded, logit(fused[rows], calibration), logit(share, keywords_only))
    cosines[rows] = row_cosines
    logits[complete] = np.maximum(logits[complete], np.float32(COMPLETE) + fused[complete])
    candidates = np.zeros(len(alive), np.bool_)
    candidates[rows[alive[rows] & (embedded | (share > 0))]] = True
    logits[~candidates], cosines[~alive] = -np.inf, np.nan
    return logits, fused, keyword, cosines


def logit(fused: Floats, calibration: Calibration) -> Floats:
    return np.float32(calibration.slope) * fused - np.float32(calibration.offset)


def best(columns: Sequence[Floats], top_k: int, id_of: Callable[[int], str]) -> list[Hit]:
    """The rows of the highest logits; of equal ones those of the lowest ids.

    Logits are compared to four decimals, as float32 sums differ in the last ones between memory and disk.
    """
    logits, fused, keyword, cosines = columns
    least = -np.inf if len(logits) <= top_k else np.partition(logits, len(logits) - top_k)[len(logits) - top_k]
    rows: NDArray[np.int64] = np.flatnonzero((logits >= least - 1e-4) & (logits > -np.inf))
    ordered = sorted((-round(float(logits[row]), 4), id_of(row), row) for row in rows.tolist())[:top_k]
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
        for negative, id, row in ordered
    ]


def rank(column: Floats, row: int) -> int:
    return 1 + int(np.count_nonzero(column > column[row]))
