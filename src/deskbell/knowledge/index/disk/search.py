"""Search in a large knowledge base: BM25 over all of it from stored postings, cosines of the best by keyword and of the nearest by the graph.

Scores are those that memory gives. What is neither among the best by keyword nor among the nearest could still be among the results
only if it scored more than both lists end with; where that is possible, longer lists are looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from deskbell.foundation.db import Database, Session
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge.index.disk import posting_blocks, store
from deskbell.knowledge.index.disk.model import ChunkVector, IndexChanged, PostingBlock, StoredSegment
from deskbell.knowledge.index.disk.passages import DiskIndex, Known
from deskbell.knowledge.index.ranking import MOST_CORRECTED, Hit, best, keywords, scored, scored_among
from deskbell.knowledge.index.segments import Floats
from deskbell.knowledge.index.statistics import IndexPart, IndexStatistics
from deskbell.knowledge.model import BaseState
from deskbell.knowledge.retrieval.score_calibration import Calibration, keywords_alone
from deskbell.knowledge.text import analysis
from deskbell.knowledge.text.spelling import Speller

LOOKED_AT = (200, 1000)  # chunks by keyword, and as many by vector; the second where the first do not settle it
NAMES = 200  # blocks that are asked for in one statement


class DiskSearch:
    """One question to one large knowledge base. `vector` is the question's, None for keywords alone."""

    def __init__(
        self,
        database: Database,
        organization_id: str,
        state: BaseState,
        large: DiskIndex,
        vector: Floats | None,
        calibration: Callable[[str], Calibration] | None,
    ) -> None:
        self.database, self.large, self.vector = database, large, vector
        self.organization_id, self.base_id, self.embedder = organization_id, state.id, state.embedder or ""
        self.calibration = calibration

    async def hits(self, question: str, top_k: int) -> list[Hit]:
        """As `Index.search` has them. Raises `Moved`."""
        language = self.large.whole.language(question)
        words = analysis.terms(question, language)
        corpus, near = await asyncio.gather(self.corpus(words), self.nearest(LOOKED_AT[0]))
        found: list[Hit] = []
        for most in LOOKED_AT:
            if most > LOOKED_AT[0]:
                near = await self.nearest(most)
            ranked = DiskRanking(self.large, corpus, language, words)
            cosines = dict(near)
            await run_in_thread(ranked.read, list(cosines), most)
            if self.vector is not None:
                cosines |= await self.cosines([id for id in ranked.ids if id not in cosines])
            read = self.calibration(language) if self.calibration and self.vector is not None else ranked.alone
            found, settled = await run_in_thread(
                ranked.hits, cosines, self.vector, read, top_k, [c for _, c in near], most
            )
            if settled:
                break
        return found

    async def corpus(self, words: Sequence[str]) -> IndexStatistics[IndexPart]:
        """The knowledge base with the postings of these words, and of those that unknown ones may have been meant to be."""
        known = await self.postings(words)
        corpus = self.large.asked(known)
        unknown = await run_in_thread(unknown_in, corpus, words)
        if not unknown:
            return corpus
        if self.large.speller is None:
            self.large.speller = await self.speller()
        corpus = self.large.asked(known)
        near = await run_in_thread(near_in, corpus, unknown)
        return self.large.asked({**known, **await self.postings(sorted(near))}) if near else corpus

    async def postings(self, terms: Sequence[str]) -> Known:
        names = posting_blocks.names(terms)
        key = (self.organization_id, self.base_id)

        async def work(session: Session) -> tuple[list[PostingBlock], list[StoredSegment]]:
            found: list[PostingBlock] = []
            for start in range(0, len(names), NAMES):
                some = msgspec.json.encode(names[start : start + NAMES]).decode()
                found += await session.all(store.blocks(*key, some), long=True)
            return found, await session.all(store.segments(*key))

        found, standing = await self.database.read(work, self.organization_id)
        if not {each.id for each in standing} >= self.large.passages.heads.keys():
            raise IndexChanged
        return await run_in_thread(self.large.passages.known, found, terms)

    async def speller(self) -> Speller:
        words: set[str] = set()
        for id in self.large.passages.heads:
            statement = store.segment_words(self.organization_id, self.base_id, id)
            data = await self.database.read(lambda session, one=statement: session.one(one), self.organization_id)  # type: ignore[misc]
            words.update((data or b"").decode().split())
        return await run_in_thread(Speller, sorted(words))

    async def nearest(self, most: int) -> list[tuple[str, float]]:
        """Ids and cosines of the chunks that the graph finds near the question."""
        if self.vector is None:
            return []
        asked = "[" + ",".join(format(each, ".5g") for each in self.vector.tolist()) + "]"
        statement = store.nearest(self.organization_id, self.base_id, self.embedder, asked, most)
        rows = await self.database.read(lambda session: session.all(statement, long=True), self.organization_id)
        return self.compared(rows, ">f2", 4)

    async def cosines(self, ids: Sequence[str]) -> dict[str, float]:
        """Cosines of these chunks, as far as they have vectors."""
        if not ids:
            return {}
        statement = store.vectors_of(self.organization_id, self.embedder, msgspec.json.encode(ids).decode())
        rows = await self.database.read(lambda session: session.all(statement, long=True), self.organization_id)
        return dict(self.compared(rows, "<f2", 0))

    def compared(self, rows: Sequence[ChunkVector], kind: str, start: int) -> list[tuple[str, float]]:
        assert self.vector is not None
        size = len(self.vector) * 2 + start
        rows = [row for row in rows if len(row.vector) == size]
        if not rows:
            return []
        joined = b"".join(row.vector[start:] for row in rows)
        matrix = np.frombuffer(joined, kind).reshape(len(rows), -1).astype(np.float32)
        return list(zip((row.id for row in rows), (matrix @ self.vector).tolist(), strict=True))


class DiskRanking:
    """The columns of a question: first by keyword alone, then fused. Work for a thread."""

    def __init__(self, large: DiskIndex, corpus: IndexStatistics[IndexPart], language: str, words: list[str]) -> None:
        self.large, self.corpus, self.words = large, corpus, words
        self.alone = keywords_alone(language)
        self.rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self.ids: list[str] = []
        self.least = 0.0  # BM25 that every row beyond those that are looked at stays at or below

    def read(self, near: Sequence[str], most: int) -> None:
        """Which stored rows are looked at, and their ids."""
        self.found = keywords(self.corpus, self.words)
        keyword, complete, _ = self.found[0]
        passages, alive = self.large.passages, self.large.alive
        by_keyword, self.least = top(keyword, np.flatnonzero((keyword > 0) & alive), most)
        whole, _ = top(keyword, complete[alive[complete]].astype(np.int64), most)
        by_vector = passages.rows(near) if near else self.rows
        self.rows = np.unique(np.concatenate((by_keyword, whole, by_vector[by_vector >= 0])))
        self.ids = [passages.id(row) for row in self.rows.tolist()]

    def hits(
        self,
        cosines: dict[str, float],
        vector: Floats | None,
        read: Calibration,
        top_k: int,
        near: Sequence[float],
        most: int,
    ) -> tuple[list[Hit], bool]:
        """The best, and whether no row that was not looked at could be among them."""
        found = np.array([cosines.get(id, np.nan) for id in self.ids], np.float32)
        columns = [scored_among(self.rows, self.large.alive, *self.found[0], found, read, self.alone)]
        for part, each in zip(self.large.newer, self.found[1:], strict=True):
            columns.append(scored(part, *each, vector, read, self.alone))
        hits = best([np.concatenate(each) for each in zip(*columns, strict=True)], top_k, self.corpus.id)
        if vector is None or not hits or len(near) < most:
            return hits, True
        possible = read.weight * self.least / self.found[0][2] + (1 - read.weight) * min(near)
        return hits, hits[-1].fused >= possible


def unknown_in(corpus: IndexStatistics[IndexPart], words: Sequence[str]) -> list[str]:
    """The first words that no passage has."""
    return [word for word in dict.fromkeys(words) if not corpus.frequency(word)][:MOST_CORRECTED]


def near_in(corpus: IndexStatistics[IndexPart], unknown: Sequence[str]) -> set[str]:
    """What these words may have been meant to be."""
    return {each[2] for word in unknown for each in corpus.near(word)}


def top(keyword: Floats, rows: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], float]:
    """Those of the rows with the most BM25, and what no other row of them exceeds."""
    if len(rows) <= most:
        return rows, 0.0
    scores = keyword[rows]
    order = np.argpartition(scores, len(rows) - most)[len(rows) - most :]
    return rows[order], float(scores[order].min())
