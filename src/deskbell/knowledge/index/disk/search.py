"""Search in a large knowledge base: BM25 of all chunks by stored postings, and cosines of the best by keyword and the nearest by the graph.

Scores are the same as in memory. A chunk that is neither among the best by keyword nor among the nearest could only be a result if its
fused score exceeded what the last entries of both lists allow; where that is possible, the search is repeated with longer lists.
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
from deskbell.knowledge.index.disk.stored_chunks import DiskIndex, Postings
from deskbell.knowledge.index.ranking import MAX_CORRECTED, Hit, best, keyword_scores, score_rows, score_segment
from deskbell.knowledge.index.segments import Floats
from deskbell.knowledge.index.statistics import IndexPart, IndexStatistics
from deskbell.knowledge.model import BaseState
from deskbell.knowledge.scores import Calibration, keyword_calibration
from deskbell.knowledge.text import analysis
from deskbell.knowledge.text.spelling import Speller

CANDIDATES = (200, 1000)  # chunks by keyword, and as many by vector; the second if the first are not enough
BATCH = 200  # blocks that are read by one statement


class DiskSearch:
    """One question to one large knowledge base. `vector` is the question's, None for keywords only."""

    def __init__(
        self,
        database: Database,
        organization_id: str,
        base: BaseState,
        index: DiskIndex,
        vector: Floats | None,
        calibration: Callable[[str], Calibration] | None,
    ) -> None:
        self.database, self.index, self.vector = database, index, vector
        self.organization_id, self.base_id, self.embedder = organization_id, base.id, base.embedder or ""
        self.calibration = calibration

    async def hits(self, question: str, top_k: int) -> list[Hit]:
        """As `Index.search` returns them. Raises `IndexChanged`."""
        language = self.index.statistics.language(question)
        words = analysis.terms(question, language)
        statistics, near = await asyncio.gather(self.statistics(words), self.nearest(CANDIDATES[0]))
        hits: list[Hit] = []
        for most in CANDIDATES:
            if most > CANDIDATES[0]:
                near = await self.nearest(most)
            ranking = DiskRanking(self.index, statistics, language, words)
            cosines = dict(near)
            await run_in_thread(ranking.choose, list(cosines), most)
            if self.vector is not None:
                cosines |= await self.cosines([id for id in ranking.ids if id not in cosines])
            fused = (
                self.calibration(language) if self.calibration and self.vector is not None else ranking.keywords_only
            )
            near_cosines = [cosine for _, cosine in near]
            hits, certain = await run_in_thread(ranking.hits, cosines, self.vector, fused, top_k, near_cosines, most)
            if certain:
                break
        return hits

    async def statistics(self, words: Sequence[str]) -> IndexStatistics[IndexPart]:
        """The index with the postings of these words and, for unknown ones, of the candidates for their correction."""
        loaded = await self.postings(words)
        statistics = self.index.with_postings(loaded)
        unknown = await run_in_thread(unknown_words, statistics, words)
        if not unknown:
            return statistics
        if self.index.speller is None:
            self.index.speller = await self.speller()
        statistics = self.index.with_postings(loaded)
        near = await run_in_thread(corrections, statistics, unknown)
        return self.index.with_postings({**loaded, **await self.postings(sorted(near))}) if near else statistics

    async def postings(self, terms: Sequence[str]) -> Postings:
        """Raises `IndexChanged` if a segment that memory knows was replaced: its rows have other numbers now."""
        names = posting_blocks.names(terms)
        key = (self.organization_id, self.base_id)

        async def read(session: Session) -> tuple[list[PostingBlock], list[StoredSegment]]:
            blocks: list[PostingBlock] = []
            for start in range(0, len(names), BATCH):
                some = msgspec.json.encode(names[start : start + BATCH]).decode()
                blocks += await session.all(store.blocks(*key, some), long=True)
            return blocks, await session.all(store.segments(*key))

        blocks, segments = await self.database.read(read, self.organization_id)
        if not {each.id for each in segments} >= self.index.stored.heads.keys():
            raise IndexChanged
        return await run_in_thread(self.index.stored.postings, blocks, terms)

    async def speller(self) -> Speller:
        words: set[str] = set()
        for id in self.index.stored.heads:
            statement = store.segment_words(self.organization_id, self.base_id, id)
            data = await self.database.read(lambda session, one=statement: session.one(one), self.organization_id)  # type: ignore[misc]
            words.update((data or b"").decode().split())
        return await run_in_thread(Speller, sorted(words))

    async def nearest(self, most: int) -> list[tuple[str, float]]:
        """Ids and cosines of the chunks nearest to the question, as the graph finds them."""
        if self.vector is None:
            return []
        question = "[" + ",".join(format(each, ".5g") for each in self.vector.tolist()) + "]"
        statement = store.nearest(self.organization_id, self.base_id, self.embedder, question, most)
        rows = await self.database.read(lambda session: session.all(statement, long=True), self.organization_id)
        return self.compare(rows, ">f2", 4)  # a halfvec begins with four bytes for its dimensions

    async def cosines(self, ids: Sequence[str]) -> dict[str, float]:
        """Cosines of those of these chunks that have vectors."""
        if not ids:
            return {}
        statement = store.vectors_of(self.organization_id, self.embedder, msgspec.json.encode(ids).decode())
        rows = await self.database.read(lambda session: session.all(statement, long=True), self.organization_id)
        return dict(self.compare(rows, "<f2", 0))

    def compare(self, rows: Sequence[ChunkVector], kind: str, start: int) -> list[tuple[str, float]]:
        assert self.vector is not None
        size = len(self.vector) * 2 + start
        rows = [row for row in rows if len(row.vector) == size]
        if not rows:
            return []
        joined = b"".join(row.vector[start:] for row in rows)
        matrix = np.frombuffer(joined, kind).reshape(len(rows), -1).astype(np.float32)
        return list(zip((row.id for row in rows), (matrix @ self.vector).tolist(), strict=True))


class DiskRanking:
    """The scores of a question's candidates: first by keywords only, then fused. Runs in a thread."""

    def __init__(
        self, index: DiskIndex, statistics: IndexStatistics[IndexPart], language: str, words: list[str]
    ) -> None:
        self.index, self.statistics, self.words = index, statistics, words
        self.keywords_only = keyword_calibration(language)
        self.rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self.ids: list[str] = []
        self.bm25_limit = 0.0  # no row outside the candidates has a higher BM25

    def choose(self, near: Sequence[str], most: int) -> None:
        """Chooses the candidates among the stored rows: best by keyword, with every word, nearest by vector."""
        self.scores = keyword_scores(self.statistics, self.words)
        keyword, complete, _ = self.scores[0]
        stored, alive = self.index.stored, self.index.alive
        by_keyword, self.bm25_limit = top(keyword, np.flatnonzero((keyword > 0) & alive), most)
        with_all_words, _ = top(keyword, complete[alive[complete]].astype(np.int64), most)
        by_vector = stored.rows(near) if near else self.rows
        self.rows = np.unique(np.concatenate((by_keyword, with_all_words, by_vector[by_vector >= 0])))
        self.ids = [stored.id(row) for row in self.rows.tolist()]

    def hits(
        self,
        cosines: dict[str, float],
        vector: Floats | None,
        fused: Calibration,
        top_k: int,
        near: Sequence[float],
        most: int,
    ) -> tuple[list[Hit], bool]:
        """The best, and whether it is certain that no row outside the candidates belongs to them."""
        row_cosines = np.array([cosines.get(id, np.nan) for id in self.ids], np.float32)
        columns = [score_rows(self.rows, self.index.alive, *self.scores[0], row_cosines, fused, self.keywords_only)]
        for part, each in zip(self.index.newer, self.scores[1:], strict=True):
            columns.append(score_segment(part, *each, vector, fused, self.keywords_only))
        hits = best([np.concatenate(each) for each in zip(*columns, strict=True)], top_k, self.statistics.id)
        if vector is None or not hits or len(near) < most:
            return hits, True
        possible = fused.weight * self.bm25_limit / self.scores[0][2] + (1 - fused.weight) * min(near)
        return hits, hits[-1].fused >= possible


def unknown_words(statistics: IndexStatistics[IndexPart], words: Sequence[str]) -> list[str]:
    """The first words that no chunk has."""
    return [word for word in dict.fromkeys(words) if not statistics.frequency(word)][:MAX_CORRECTED]


def corrections(statistics: IndexStatistics[IndexPart], unknown: Sequence[str]) -> set[str]:
    """The candidates for the correction of these words."""
    return {each[2] for word in unknown for each in statistics.near(word)}


def top(keyword: Floats, rows: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], float]:
    """Those of these rows with the highest BM25, and a bound that no other one of them exceeds."""
    if len(rows) <= most:
        return rows, 0.0
    scores = keyword[rows]
    order = np.argpartition(scores, len(rows) - most)[len(rows) - most :]
    return rows[order], float(scores[order].min())
