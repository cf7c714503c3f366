"""How well questions find their passages, how well foreign questions are told, and how often the extractive answer holds the gold answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence

import common
import numpy as np
import retrieval
from retrieval import Collection

from deskbell.knowledge import answering
from deskbell.knowledge.calibration import THRESHOLD, Calibration
from deskbell.knowledge.embedders import minilm
from deskbell.knowledge.index import Hit, Index

BOUNDS = {"stackfaq": 0.93, "stackfaq_ans": 0.73, "cranfield": 0.42, "scifact_sub": 0.80, "squad": 0.91}
MEAN, OVER_RANKS, KEYWORDS = 0.76, 0.03, 0.66
OTHERS = {"es": 0.95, "de": 0.94, "ru": 0.95, "tr": 0.93, "ar": 0.93, "zh": 0.95}
WRONG = 0.03  # foreign questions accepted, own refused
FOREIGN = 60  # questions of each other collection that are asked
KIN = {"stackfaq", "stackfaq_ans"}  # with the same questions
IN_ONE, IN_THREE = 0.79, 0.90


class Remembering(minilm.MiniLM):
    """Makes the vectors of all sentences at once, as many questions meet the same."""

    def __init__(self, base: Base) -> None:
        texts = {each.text for one in base.collection.documents for each in answering.split(one["text"])}
        self.known = dict(base.collection.asked)
        self.known |= dict(zip(sorted(texts), retrieval.embedded(sorted(texts)), strict=True))

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self.known[text] for text in texts])


class Base:
    """A collection in an index, and the ways to search it."""

    def __init__(self, name: str) -> None:
        self.collection = Collection(name)
        self.index: Index = self.collection.index(vectors=True)

    def hits(
        self, question: str, most: int, vector: np.ndarray | None = None, keywords: float | None = None
    ) -> list[Hit]:
        vector = self.collection.asked[question] if vector is None else vector
        weigh = minilm.MiniLM().calibration if keywords is None else lambda _: Calibration(keywords, 1.0, 0.0)
        return self.index.search(question, vector, weigh, most)

    def hybrid(self, question: str, most: int) -> list[str]:
        return [hit.id for hit in self.hits(question, most)]

    def words(self, question: str, most: int) -> list[str]:
        return [hit.id for hit in self.index.search(question, top_k=most)]

    def by_rank(self, question: str, most: int) -> list[str]:
        meanings = [hit.id for hit in self.hits(question, 100, keywords=0.0)]
        return retrieval.fused_by_rank([self.words(question, 100), meanings], most)


def quality(figures: common.Figures, bases: dict[str, Base]) -> None:
    columns: list[tuple[float, float, float]] = []
    for name, bound in BOUNDS.items():
        base = bases[name]
        ours, words, ranks = (base.collection.ndcg(search) for search in (base.hybrid, base.words, base.by_rank))
        columns.append((ours, words, ranks))
        least(figures, f"nDCG@10 {name}", ours, bound, f"keywords {words:.3f}, by rank {ranks:.3f}")
    ours, words, ranks = np.mean(columns, axis=0).tolist()
    least(figures, "nDCG@10, mean", ours, MEAN)
    least(figures, "the mean over reciprocal rank fusion", ours - ranks, OVER_RANKS, f"by rank {ranks:.3f}")
    least(figures, "keywords alone, mean", words, KEYWORDS)


def others(figures: common.Figures) -> None:
    for code, bound in OTHERS.items():
        base = Base(f"xquad_{code}")
        words = base.collection.ndcg(base.words)
        least(figures, f"nDCG@10 xquad_{code}", base.collection.ndcg(base.hybrid), bound, f"keywords {words:.3f}")


def told_apart(figures: common.Figures, bases: dict[str, Base]) -> None:
    """By the score of the best passage."""
    own = [best >= THRESHOLD for base in bases.values() for best in scores(base, base)]
    foreign = [
        best >= THRESHOLD
        for base in bases.values()
        for other in bases.values()
        if other is not base and {base.collection.name, other.collection.name} != KIN
        for best in scores(base, other, FOREIGN)
    ]
    most(figures, "own questions refused", 1 - sum(own) / len(own), f"of {len(own)}")
    most(figures, "foreign questions accepted", sum(foreign) / len(foreign), f"of {len(foreign)}")


def scores(base: Base, other: Base, at_most: int = 10**9) -> Iterator[float]:
    questions = list(other.collection.asked.items())
    for text, vector in questions[:: max(1, len(questions) // at_most)]:
        hits = base.hits(text, 1, vector)
        yield hits[0].score if hits else 0.0


async def answers(figures: common.Figures, base: Base) -> None:
    """The gold answer's words within the best sentence, and within the three of the answer."""
    texts = {each["id"]: each for each in base.collection.documents}
    gold, embedder = base.collection.read("answers.json"), Remembering(base)
    asked = [each for each in base.collection.questions if each["id"] in gold]
    one = three = 0
    for question in asked:
        hits = base.hits(question["text"], answering.PASSAGES)
        sources = [answering.Source(texts[hit.id]["text"], texts[hit.id]["title"], hit.score) for hit in hits]
        ranked = await answering.ranking(question["text"], sources, embedder)
        held = [
            any(each.lower() in sentence.text.lower() for each in gold[question["id"]]) for _, sentence in ranked[:3]
        ]
        one, three = one + held[0], three + any(held)
    least(figures, "gold answer in the first sentence", one / len(asked), IN_ONE, f"of {len(asked)}")
    least(figures, "gold answer in three sentences", three / len(asked), IN_THREE)


def least(figures: common.Figures, name: str, value: float, bound: float, reference: str = "") -> None:
    figures.line(name, f"{value:.3f}", reference, "", f"at least {bound:g}", value >= bound)


def most(figures: common.Figures, name: str, value: float, reference: str) -> None:
    figures.line(name, f"{value:.1%}", reference, "", f"at most {WRONG:.0%}", value <= WRONG)


def main() -> None:
    if not retrieval.PLACE.exists():
        print(f"  skipped: no collections in {retrieval.PLACE}; BENCH_COLLECTIONS names another folder")
        return
    if minilm.place() is None:
        print(f"  skipped: the offline embedder is not installed. {minilm.HOW}")
        return
    figures = common.Figures()
    bases = {name: Base(name) for name in BOUNDS}
    quality(figures, bases)
    told_apart(figures, bases)
    asyncio.run(answers(figures, bases["squad"]))
    others(figures)
    sys.exit(1 if figures.missed else 0)


main()
