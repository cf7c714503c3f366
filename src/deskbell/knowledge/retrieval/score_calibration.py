"""Fits the curve that reads scores (`scores.py`) to a knowledge base, for an embedder whose scores were never measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec

from deskbell.knowledge.scores import Calibration

# Where questions score between the median off-topic question (0) and the median heading (1), in collections that have all three.
LEVELS = (0.25, 0.4, 0.55, 0.7, 0.85)
MIN_HEADINGS = 5  # to fit a curve
MIN_SLOPE = 5.0  # of a curve that still separates the two groups
RIDGE = 1e-5  # pulls slope and offset to zero, so that they stay finite where the groups do not overlap


class FittedCalibration(msgspec.Struct, frozen=True):
    """A calibration that was fitted to a knowledge base of so many chunks, by so many of its headings; of 0 headings: its embedder's default."""

    embedder: str
    curve: Calibration
    headings: int
    chunks: int

    def fits(self, embedder: str, chunks: int) -> bool:
        """Whether it still applies: for the same embedder, until the knowledge base has doubled or halved."""
        return self.embedder == embedder and self.chunks / 2 < chunks < self.chunks * 2


def fit_to_headings(weight: float, headings: Sequence[float], off_topic: Sequence[float]) -> Calibration | None:
    """The curve for a knowledge base without known questions, by the best fused scores of its headings and of off-topic questions.

    Real questions score less than headings, whose very words the knowledge base has, and more than off-topic questions. None where
    there are too few headings, or they do not stand out. Only differences count, so a model's range of cosines does not matter.
    """
    if len(headings) < MIN_HEADINGS or not off_topic:
        return None
    middle = median(off_topic)
    on_topic = [middle + level * (score - middle) for score in headings for level in LEVELS]
    curve = fit_logistic(weight, on_topic, off_topic)
    return curve if curve.slope >= MIN_SLOPE else None


def fit_logistic(weight: float, on_topic: Sequence[float], off_topic: Sequence[float]) -> Calibration:
    """The curve for the best fused scores of questions that the knowledge base answers, and of questions about something else.

    Logistic regression by Newton's method; both groups have the same total weight, and neither may be empty.
    """
    rows = [(score, 1.0, 0.5 / len(on_topic)) for score in on_topic]
    rows += [(score, 0.0, 0.5 / len(off_topic)) for score in off_topic]
    slope = offset = 0.0
    for _ in range(50):
        # Gradient g and Hessian h of the weighted log loss in (slope, offset); the offset is subtracted, hence its signs.
        g0, g1 = RIDGE * slope, RIDGE * offset
        h00, h01, h11 = RIDGE, 0.0, RIDGE
        for score, label, share in rows:
            p = 1 / (1 + math.exp(-max(-60.0, min(60.0, slope * score - offset))))
            g0 += share * (p - label) * score
            g1 -= share * (p - label)
            curvature = share * p * (1 - p)
            h00 += curvature * score * score
            h01 -= curvature * score
            h11 += curvature
        determinant = h00 * h11 - h01 * h01
        step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
        slope, offset = slope - step[0], offset - step[1]
        if max(map(abs, step)) < 1e-6:
            break
    return Calibration(weight, slope, offset)
