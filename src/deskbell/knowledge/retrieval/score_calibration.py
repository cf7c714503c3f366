"""From raw scores to the chance that a passage is about the question.

Fused score: `S = w * bm25 / bound + (1 - w) * cosine`, where `bound` is the most that a passage could score for the query. Both parts
are absolute, so S compares across queries and knowledge bases, which ranks do not. A logistic curve maps it to 0-1; .5 is the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec

from deskbell.knowledge.text.analysis import UNSPACED

THRESHOLD = 0.5  # below, nothing in the knowledge base is about the question
# Where questions stand between the middle foreign question (0) and the middle heading (1), in collections that have all three.
LEVELS = (0.25, 0.4, 0.55, 0.7, 0.85)
FEWEST = 5  # headings that a curve is fitted to
FLATTEST = 5.0  # slope of a curve that still tells something


class Calibration(msgspec.Struct, frozen=True):
    """`weight` of the keyword part (1 = keywords alone); slope and offset of the logistic curve."""

    weight: float
    slope: float
    offset: float

    def probability(self, fused: float) -> float:
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.slope * fused - self.offset))))


def keywords_alone(language: str) -> Calibration:
    """Where no passage has a vector. Pairs of signs match by chance in part, so the share that tells is lower."""
    return Calibration(1.0, 28.0, 3.2) if language in UNSPACED else Calibration(1.0, 28.0, 6.2)


class FittedCalibration(msgspec.Struct, frozen=True):
    """A curve that was fitted to a knowledge base with so many chunks, by so many of its headings; of none: its embedder's usual one."""

    embedder: str
    curve: Calibration
    headings: int
    chunks: int

    def fits(self, embedder: str, chunks: int) -> bool:
        """Whether it may still be used: for the same embedder, while the knowledge base has not doubled or halved."""
        return self.embedder == embedder and self.chunks / 2 < chunks < self.chunks * 2


def between(weight: float, headings: Sequence[float], foreign: Sequence[float]) -> Calibration | None:
    """The curve for a knowledge base whose questions nobody knows: they score less than its headings, whose words it has, and more
    than foreign questions. None where too few headings, or none that stand out, tell nothing.

    Only differences count, so it suits an embedder for which any two texts are alike as well as one for which few are.
    """
    if len(headings) < FEWEST or not foreign:
        return None
    middle = median(foreign)
    own = [middle + level * (score - middle) for score in headings for level in LEVELS]
    curve = fitted(weight, own, foreign)
    return curve if curve.slope >= FLATTEST else None


def fitted(weight: float, own: Sequence[float], foreign: Sequence[float]) -> Calibration:
    """The curve for the best fused scores of questions that the knowledge base answers, and of questions about something else.

    Logistic regression by Newton's method, both groups weighing the same; a slight pull to zero keeps the slope finite where
    the groups do not overlap. Either group may not be empty.
    """
    rows = [(score, 1.0, 0.5 / len(own)) for score in own] + [(score, 0.0, 0.5 / len(foreign)) for score in foreign]
    slope = offset = 0.0
    pull = 1e-5
    for _ in range(50):
        g0 = g1 = 0.0
        h00, h01, h11 = pull, 0.0, pull
        g0, g1 = pull * slope, pull * offset
        for score, label, share in rows:
            p = 1 / (1 + math.exp(-max(-60.0, min(60.0, slope * score - offset))))
            g0 += share * (p - label) * score
            g1 -= share * (p - label)
            curve = share * p * (1 - p)
            h00 += curve * score * score
            h01 -= curve * score
            h11 += curve
        determinant = h00 * h11 - h01 * h01
        step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
        slope, offset = slope - step[0], offset - step[1]
        if max(map(abs, step)) < 1e-6:
            break
    return Calibration(weight, slope, offset)
