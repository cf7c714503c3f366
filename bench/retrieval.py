"""Retrieval test collections, their vectors, and what a ranking is worth. Third-party texts: they are read where they are, never kept here.

A collection is a folder with `corpus.jsonl` {id, title, text}, `queries.jsonl` {id, text} and `qrels.tsv` (query, document, grade).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deskbell.knowledge import analysis
from deskbell.knowledge.embedders import minilm
from deskbell.knowledge.index import Entry, Index

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("BENCH_COLLECTIONS") or HERE.parent.parent / "shared" / "ir")
MOST = int(os.environ.get("BENCH_QUERIES", "0"))  # questions of a collection that are asked; 0 for all
VECTORS = Path(tempfile.gettempdir()) / "deskbell-bench-vectors"

Search = Callable[[str, int], Sequence[str]]  # a question and how many; ids of documents, the best first


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

    @cached_property
    def language(self) -> str:
        return analysis.language(" ".join(each["text"] for each in self.documents[:20]))

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        return embedded([whole(each) for each in self.documents])

    @cached_property
    def asked(self) -> dict[str, NDArray[np.float32]]:
        """The vector of each question."""
        texts = [each["text"] for each in self.questions]
        return dict(zip(texts, embedded(texts), strict=True))

    def index(self, *, vectors: bool) -> Index:
        """Each document as one passage: what is measured is the search, not the cutting."""
        rows = self.vectors if vectors else [None] * len(self.documents)
        entries = [
            Entry(
                each["id"],
                analysis.terms(each.get("title") or "", self.language),
                analysis.terms(each["text"], self.language),
                row,
                self.language,
            )
            for each, row in zip(self.documents, rows, strict=True)
        ]
        return Index(minilm.MiniLM.dimensions if vectors else 0).changed(entries)

    def ndcg(self, search: Search, most: int = 10) -> float:
        """Mean nDCG at `most` with the grades as gains."""
        values = []
        for question in self.questions:
            grades = self.grades[question["id"]]
            found = [grades.get(id, 0.0) for id in search(question["text"], most)]
            values.append(gain(found) / gain(sorted(grades.values(), reverse=True)[:most]))
        return sum(values) / len(values)

    def read(self, name: str) -> Any:
        return json.loads((PLACE / self.name / name).read_text(encoding="utf-8"))


def gain(grades: Sequence[float]) -> float:
    return sum(grade / math.log2(place + 2) for place, grade in enumerate(grades))


def whole(document: dict[str, str]) -> str:
    return f"{document['title']}\n{document['text']}" if document.get("title") else document["text"]


def embedded(texts: list[str]) -> NDArray[np.float32]:
    """Vectors of MiniLM, kept in the machine's temporary folder: they take minutes."""
    name = hashlib.sha256("\0".join([minilm.SHA256, *texts]).encode()).hexdigest()[:32]
    file = VECTORS / f"{name}.npy"
    if not file.exists():
        VECTORS.mkdir(exist_ok=True)
        rows = minilm.MiniLM(1).embedded(texts)
        half = file.with_suffix(".half.npy")
        np.save(half, rows)
        half.replace(file)
    found: NDArray[np.float32] = np.load(file)
    return found


def fused_by_rank(lists: Sequence[Sequence[str]], most: int) -> list[str]:
    """Reciprocal rank fusion with k = 60 (Cormack et al. 2009), what most products do."""
    scores: dict[str, float] = defaultdict(float)
    for ids in lists:
        for place, id in enumerate(ids, 1):
            scores[id] += 1 / (60 + place)
    return sorted(scores, key=lambda id: (-scores[id], id))[:most]
