"""How well questions find their passages, how well foreign questions are told, and how often the extractive answer holds the gold answer.

Each collection is a knowledge base of a server; documents are uploaded and questions are asked over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import asking
import common
import numpy as np
import retrieval
from asking import DEEP, Desk, Found
from remembering import Remembering
from retrieval import Collection

from deskbell.core.context import operator_context
from deskbell.foundation import databases
from deskbell.foundation.db import Session
from deskbell.identity import applications
from deskbell.knowledge.answers import extractive
from deskbell.knowledge.embedders import minilm
from deskbell.knowledge.scores import THRESHOLD
from deskbell.organizations.operations import create_organization

BOUNDS = {"stackfaq": 0.93, "stackfaq_ans": 0.73, "cranfield": 0.42, "scifact_sub": 0.80, "squad": 0.91}
MEAN, OVER_RANKS, KEYWORDS = 0.76, 0.03, 0.66
OTHERS = {"es": 0.95, "de": 0.94, "ru": 0.95, "tr": 0.93, "ar": 0.93, "zh": 0.95}
WRONG = 0.03  # foreign questions accepted, own refused
FOREIGN = 60  # questions of each other collection that are asked
KIN = {"stackfaq", "stackfaq_ans"}  # with the same questions
IN_ONE, IN_THREE = 0.79, 0.90
PARAGRAPHS = 5  # of each article in the collections of other languages, one after the other
NEAR = 120  # questions of a language that are asked of its knowledge base, and of those about other articles

Results = list[list[Found]]


class Base:
    """A collection in a knowledge base, and the results of its own questions."""

    def __init__(self, collection: Collection, id: str, own: Results) -> None:
        self.collection, self.id, self.own = collection, id, own

    @property
    def ndcg(self) -> float:
        return self.collection.ndcg([asking.documents(each) for each in self.own])


def owner(url: str) -> str:
    """A key for the agent API in a fresh database."""

    async def unit(session: Session) -> str:
        ctx = await operator_context(session, (await create_organization(session, "Bench")).id)
        application = await applications.create_application(ctx, "bench", "backend-service", ())
        return (await applications.create_application_key(ctx, application.id, ""))[1]

    databases.prepare(url, migrate=True)
    with contextlib.closing(databases.command_connection(url)) as connection:
        return connection.write(unit)


async def loaded(desk: Desk, name: str) -> Base:
    collection = Collection(name)
    id = await desk.filled(collection)
    return Base(collection, id, await desk.searched(id, collection.texts, DEEP))


def quality(figures: common.Figures, bases: Sequence[Base], keywords: Sequence[float]) -> None:
    columns: list[tuple[float, float, float]] = []
    for base, words in zip(bases, keywords, strict=True):
        ours, ranks = base.ndcg, base.collection.ndcg([asking.by_rank(each) for each in base.own])
        columns.append((ours, words, ranks))
        name = base.collection.name
        least(figures, f"nDCG@10 {name}", ours, BOUNDS[name], f"keywords {words:.3f}, by rank {ranks:.3f}")
    ours, words, ranks = np.mean(columns, axis=0).tolist()
    least(figures, "nDCG@10, mean", ours, MEAN)
    least(figures, "the mean over reciprocal rank fusion", ours - ranks, OVER_RANKS, f"by rank {ranks:.3f}")
    least(figures, "keywords alone, mean", words, KEYWORDS)


async def told_apart(figures: common.Figures, desk: Desk, bases: Sequence[Base]) -> None:
    """By the score of the best passage."""
    own = [accepted(each) for base in bases for each in base.own]
    foreign: list[bool] = []
    for base in bases:
        for other in bases:
            texts = other.collection.texts
            if other is not base and {base.collection.name, other.collection.name} != KIN:
                some = texts[:: max(1, len(texts) // FOREIGN)]
                foreign += map(accepted, await desk.searched(base.id, some, 1))
    most(figures, "own questions refused", 1 - sum(own) / len(own), f"of {len(own)}")
    most(figures, "foreign questions accepted", sum(foreign) / len(foreign), f"of {len(foreign)}")


async def near_topics(figures: common.Figures, desk: Desk, code: str) -> None:
    """A knowledge base of every other article is asked about its own and about the others: all are of one encyclopaedia."""
    collection = Collection(f"xquad_{code}")
    base = await desk.filled(collection, own_article)
    about = {each["text"]: own_article(next(iter(collection.grades[each["id"]]))) for each in collection.questions}
    shares = []
    for wanted in (True, False):
        texts = [text for text, own in about.items() if own is wanted]
        results = await desk.searched(base, texts[:: max(1, len(texts) // NEAR)], 1)
        shares.append(sum(map(accepted, results)) / len(results))
    told = f"own refused {1 - shares[0]:.1%}"
    figures.line(f"other articles' questions accepted, {code}", f"{shares[1]:.1%}", told, "", "reported", None)


def own_article(id: str) -> bool:
    """Whether a paragraph's article is among every other one. Paragraphs are p0, p1 and so on."""
    return int(id[1:]) // PARAGRAPHS % 2 == 0


def accepted(results: Sequence[Found]) -> bool:
    return bool(results) and results[0].score >= THRESHOLD


async def answers(figures: common.Figures, desk: Desk, base: Base) -> None:
    """The gold answer's words within an extract, and within its best sentence alone; what is cited stands in its source."""
    gold = base.collection.read("answers.json")
    asked = [
        (question["text"], gold[question["id"]], results)
        for question, results in zip(base.collection.questions, base.own, strict=True)
        if question["id"] in gold
    ]
    replies = await desk.asked(base.id, [question for question, _, _ in asked])
    embedder = Remembering(1)
    one = [holds(words, await best_sentence(base, embedder, question, results)) for question, words, results in asked]
    three = [holds(words, reply["response"]) for (_, words, _), reply in zip(asked, replies, strict=True)]
    least(figures, "gold answer in the first sentence", sum(one) / len(asked), IN_ONE, f"of {len(asked)}")
    least(figures, "gold answer in three sentences", sum(three) / len(asked), IN_THREE)
    spans = sum(len(asking.citations(reply)) for reply in replies)
    wrong = sum(not asking.resolved(reply) for reply in replies)
    figures.line(
        "answers with a citation that is not in its source", str(wrong), f"of {spans} citations", "", "none", not wrong
    )


async def best_sentence(base: Base, embedder: Remembering, question: str, results: Sequence[Found]) -> str:
    """What an extract of a single sentence would be, from the same passages as that of three."""
    sources = [
        extractive.Source(each.text, titles(base)[each.id], each.score)
        for each in results[: extractive.PASSAGES]
        if each.score >= THRESHOLD
    ]
    return " ".join(each.text for each in await extractive.answer(question, sources, embedder, 1))


def titles(base: Base) -> dict[str, str]:
    return {each["id"]: each["title"] for each in base.collection.documents}


def holds(words: Sequence[str], text: str) -> bool:
    return any(each.lower() in text.lower() for each in words)


def least(figures: common.Figures, name: str, value: float, bound: float, reference: str = "") -> None:
    figures.line(name, f"{value:.3f}", reference, "", f"at least {bound:g}", value >= bound)


def most(figures: common.Figures, name: str, value: float, reference: str) -> None:
    figures.line(name, f"{value:.1%}", reference, "", f"at most {WRONG:.0%}", value <= WRONG)


async def by_keywords(desk: Desk, bases: Sequence[Base]) -> list[float]:
    """nDCG@10 of knowledge bases on a server that has no embedder."""
    found = []
    for base in bases:
        results = await desk.searched(base.id, base.collection.texts, DEEP)
        found.append(base.collection.ndcg([asking.documents(each) for each in results]))
    return found


async def bench(figures: common.Figures, folder: Path) -> None:
    url = f"sqlite:///{folder / 'deskbell.db'}"
    key = owner(url)
    desk = Desk(url, key)
    bases = [await loaded(desk, name) for name in BOUNDS]
    others = [await loaded(desk, f"xquad_{code}") for code in OTHERS]
    await told_apart(figures, desk, bases)
    await answers(figures, desk, bases[-1])
    for code in OTHERS:
        await near_topics(figures, desk, code)
    desk.server.stop()
    bare = Desk(url, key, DESKBELL_EMBEDDER="none")
    words = await by_keywords(bare, [*bases, *others])
    bare.server.stop()
    quality(figures, bases, words[: len(bases)])
    for (code, bound), base, alone in zip(OTHERS.items(), others, words[len(bases) :], strict=True):
        least(figures, f"nDCG@10 xquad_{code}", base.ndcg, bound, f"keywords {alone:.3f}")


def main() -> None:
    if not retrieval.PLACE.exists():
        print(f"  skipped: no collections in {retrieval.PLACE}; BENCH_COLLECTIONS names another folder")
        return
    if minilm.model_folder() is None:
        print(f"  skipped: the offline embedder is not installed. {minilm.HOW}")
        return
    figures = common.Figures()
    with tempfile.TemporaryDirectory(prefix="deskbell-bench-") as folder:
        try:
            asyncio.run(bench(figures, Path(folder)))
        finally:
            for server in common.started:
                server.stop()
    sys.exit(1 if figures.missed else 0)


if __name__ == "__main__":
    main()
