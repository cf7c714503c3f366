"""How a search's raw score is read: as the chance that a passage is about the question.

The fused score is `S = w * bm25 / bound + (1 - w) * cosine`, where `bound` is the most that a passage could score for the query. Both
parts are absolute, so S compares across queries and knowledge bases, which ranks do not. A logistic curve maps it to 0-1.
"""

from __future__ import annotations

import math

import msgspec

from deskbell.knowledge.text.analysis import UNSPACED

THRESHOLD = 0.5  # below, a passage does not count as being about the question


class Calibration(msgspec.Struct, frozen=True):
    """`weight` of the keyword part (1: keywords only); slope and offset of the logistic curve."""

    weight: float
    slope: float
    offset: float

    def probability(self, fused: float) -> float:
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.slope * fused - self.offset))))


def keyword_calibration(language: str) -> Calibration:
    """For passages without vectors. In languages without spaces, pairs of characters often match by chance, so less must match."""
    return Calibration(1.0, 28.0, 3.2) if language in UNSPACED else Calibration(1.0, 28.0, 6.2)
