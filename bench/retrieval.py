"""Retrieval test collections, and what a ranking is worth. Third-party texts: they are read where they are, never kept here.

A collection is a folder with `corpus.jsonl` {id, title, text}, `queries.jsonl` {id, text} and `qrels.tsv` (query, document, grade).
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("BENCH_COLLECTIONS") or HERE.parent.parent / "shared" / "ir")
MOST = int(os.environ.get("BENCH_QUERIES", "0"))  # questions of a collection that are asked; 0 for all


class Collection:
    """A collection's texts. Every n-th question is asked, so that there are at most `MOST`."""

    def __init__(self, name: str) -> None:
        self.name, folder = name, PLACE / name
        self.documents = [json.loads(line) for line in (folder / "corpus.jsonl").open(encoding="utf-8")]
        self.grades: dict[str, dict[str, float]] = defaultdict(dict)
        for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            query, document, grade = line.split("\t")
            self.grades[query][document] = float(grade)
        questions = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
        judged = [each for each in questions if each["id"] in self.grades]
        self.questions = judged[:: math.ceil(len(judged) / MOST)] if MOST else judged

    @property
    def texts(self) -> list[str]:
        return [each["text"] for each in self.questions]

    def ndcg(self, rankings: Sequence[Sequence[str]], most: int = 10) -> float:
        """Mean nDCG at `most` with the grades as gains, of a ranking of documents for each question."""
        values = []
        for question, ranking in zip(self.questions, rankings, strict=True):
            grades = self.grades[question["id"]]
            found = [grades.get(id, 0.0) for id in ranking[:most]]
            values.append(gain(found) / gain(sorted(grades.values(), reverse=True)[:most]))
        return sum(values) / len(values)

    def read(self, name: str) -> Any:
        return json.loads((PLACE / self.name / name).read_text(encoding="utf-8"))


def gain(grades: Sequence[float]) -> float:
    return sum(grade / math.log2(place + 2) for place, grade in enumerate(grades))


def fused_by_rank(lists: Sequence[dict[int, int]]) -> list[int]:
    """Reciprocal rank fusion with k = 60 (Cormack et al. 2009), what most products do, of lists that give items their ranks."""
    scores: dict[int, float] = defaultdict(float)
    for ranks in lists:
        for item, rank in ranks.items():
            scores[item] += 1 / (60 + rank)
    return sorted(scores, key=lambda item: (-scores[item], item))
