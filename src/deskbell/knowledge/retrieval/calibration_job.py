"""The job that fits how scores are read to a knowledge base, for an embedder whose curve nobody has measured.

Its headings stand for questions that it answers, a fixed list for those that it does not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import msgspec

from deskbell.core.context import Context
from deskbell.credits import operations as credits
from deskbell.foundation.jobs import Retry
from deskbell.foundation.worker import Work
from deskbell.knowledge import jobs, store
from deskbell.knowledge.embedders.base import Embedder, EmbedderUnavailable, EmbeddingUsage
from deskbell.knowledge.index.disk.model import IndexChanged
from deskbell.knowledge.ingestion.index_transactions import within
from deskbell.knowledge.ingestion.indexing import held
from deskbell.knowledge.model import BaseState
from deskbell.knowledge.retrieval.off_topic_questions import QUESTIONS
from deskbell.knowledge.retrieval.score_calibration import FittedCalibration, between
from deskbell.knowledge.retrieval.search import SearchService, hits_in

T = TypeVar("T")

log = logging.getLogger(__name__)

DOCUMENTS, HEADINGS = 40, 60  # that are looked at, that are searched for
AMONG = 3  # best passages, of which one has the highest fused score


class CalibrateJob(msgspec.Struct):
    knowledge_base_id: str


class Calibrator:
    """Searches as everybody does."""

    def __init__(self, knowledge: SearchService) -> None:
        self.knowledge = knowledge

    async def calibrate(self, work: Work) -> None:
        """Fits a knowledge base's curve, unless it has one that fits."""
        base_id, embedder = work.payload(CalibrateJob).knowledge_base_id, self.knowledge.embedder
        seen = await work.read(within(work, partial(look, base_id=base_id)))
        if seen is None or embedder is None or embedder.measured or not missing(*seen, embedder.name):
            await work.complete(within(work, nothing))
            return
        state, chunks = seen
        headings = await work.read(within(work, partial(headings_of, base_id=base_id)))
        try:
            await self.prepare(work, embedder, [*headings, *QUESTIONS])
            scores = [await held(work, self.scores(work, state, texts)) for texts in (headings, QUESTIONS)]
        except EmbedderUnavailable as reason:
            raise Retry(str(reason)) from None
        except IndexChanged:
            raise Retry("the index was written anew meanwhile") from None
        usual = embedder.calibration("en")
        curve = between(usual.weight, *scores)
        made = FittedCalibration(embedder.name, curve or usual, len(headings) if curve else 0, chunks)
        log.info("knowledge base %s: scores are read by %s", base_id, made)
        await work.complete(within(work, partial(keep, base_id=base_id, made=made)))

    async def prepare(self, work: Work, embedder: Embedder, texts: Sequence[str]) -> None:
        """Makes the texts' vectors together, and records what their provider charges, also for those that came to nothing."""
        spent = EmbeddingUsage()
        try:
            await held(work, self.knowledge.prepare(embedder, texts, spent))
        finally:
            if spent.cost:
                await work.heartbeat(within(work, partial(charged, cost=spent.cost)))

    async def scores(self, work: Work, state: BaseState, texts: Sequence[str]) -> list[float]:
        """The fused score of the best passage for each text."""
        found: list[float] = []
        for text in texts:
            hits = await hits_in(self.knowledge, work.job.organization_id or "", state, text, AMONG)
            if any(hit.semantic_score is not None for hit in hits):
                found.append(max(hit.fused for hit in hits))
        return found


def missing(state: BaseState, chunks: int, embedder: str) -> bool:
    """Whether a knowledge base has this embedder's vectors, but no curve that fits."""
    if state.embedder != embedder or not chunks:
        return False
    present = msgspec.json.decode(state.calibration, type=FittedCalibration) if state.calibration else None
    return present is None or not present.fits(embedder, chunks)


async def nothing(ctx: Context) -> None:
    """Ends a job that has nothing to do."""


async def charged(ctx: Context, *, cost: float) -> None:
    """US dollars are part of what indexing costs."""
    await credits.record(ctx, activity="indexing", cost=cost, count=0)


async def look(ctx: Context, *, base_id: str) -> tuple[BaseState, int] | None:
    """A knowledge base and how many chunks it has."""
    state = await ctx.db.one(store.base_state(ctx.organization_id, base_id))
    base = await ctx.db.one(store.base_row(ctx.organization_id, base_id))
    return (state, base.chunk_count) if state and base else None


async def headings_of(ctx: Context, *, base_id: str) -> list[str]:
    """Headings from all over a knowledge base; a document's title where it has none. An address is no heading."""
    live = await ctx.db.all(store.live_documents(ctx.organization_id, base_id))
    found: dict[str, None] = {}
    some = evenly(sorted(live, key=lambda each: each.id), DOCUMENTS)
    for document in some:
        for position in evenly(range(document.chunk_count), max(4, HEADINGS // len(some))):
            place = (base_id, document.id, document.live_revision, position)
            above = await ctx.db.one(store.name_of_chunk(ctx.organization_id, *place))
            if above is not None:
                name = [above.title, *msgspec.json.decode(above.headings, type=list[str])][-1]
                if "://" not in name:
                    found[name] = None
    return evenly(list(found), HEADINGS)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many, spread over all."""
    return list(items[:: -(-len(items) // most)]) if items else []


async def keep(ctx: Context, *, base_id: str, made: FittedCalibration) -> None:
    """Keeps a curve; looks again if documents came meanwhile that it does not fit."""
    text = msgspec.json.encode(made).decode()
    await ctx.db.run(store.keep_calibration(ctx.organization_id, base_id, made.embedder, text))
    seen = await look(ctx, base_id=base_id)
    if seen is not None and missing(*seen, made.embedder):
        await jobs.calibrate(ctx, base_id)
