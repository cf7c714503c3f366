"""The job that fits how scores are read to a knowledge base, for an embedder whose scores were never measured.

The knowledge base's headings stand for questions that it answers, a fixed list for those that it does not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import msgspec

from deskbell.core.context import Context
from deskbell.core.jobs import JobContext
from deskbell.credits import operations as credits
from deskbell.foundation.jobs import Retry
from deskbell.knowledge import jobs, store
from deskbell.knowledge.embedders import store as embedder_store
from deskbell.knowledge.embedders.base import Embedder, EmbedderUnavailable, EmbeddingUsage
from deskbell.knowledge.index import store as chunk_store
from deskbell.knowledge.index.disk.model import IndexChanged
from deskbell.knowledge.model import BaseState
from deskbell.knowledge.retrieval.off_topic_questions import QUESTIONS
from deskbell.knowledge.retrieval.score_calibration import FittedCalibration, fit_to_headings
from deskbell.knowledge.retrieval.search import hits_in
from deskbell.knowledge.retrieval.service import SearchService

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_DOCUMENTS, MAX_HEADINGS = 40, 60  # that are read, that are searched for
TOP_K = 3  # results of a search, one of which has the highest fused score


class Calibrator:
    """Searches as every search does."""

    def __init__(self, service: SearchService) -> None:
        self.service = service

    async def calibrate(self, ctx: JobContext, job: jobs.BaseJob) -> None:
        """Fits a knowledge base's calibration, unless it has one that still applies."""
        base_id, embedder = job.knowledge_base_id, self.service.embedder
        found = await ctx.read(partial(base_and_size, base_id=base_id))
        if found is None or embedder is None or embedder.measured or not needs_calibration(*found, embedder.name):
            return
        base, chunks = found
        headings = await ctx.read(partial(headings_of, base_id=base_id))
        try:
            await self.prepare(ctx, embedder, [*headings, *QUESTIONS])
            on_topic = await ctx.keeping_claim(self.scores(ctx, base, headings))
            off_topic = await ctx.keeping_claim(self.scores(ctx, base, QUESTIONS))
        except EmbedderUnavailable as failure:
            raise Retry(str(failure)) from None
        except IndexChanged:
            raise Retry("the index was rebuilt meanwhile") from None
        default = embedder.calibration("en")
        curve = fit_to_headings(default.weight, on_topic, off_topic)
        fitted = FittedCalibration(embedder.name, curve or default, len(headings) if curve else 0, chunks)
        log.info("knowledge base %s: scores are read by %s", base_id, fitted)
        await ctx.complete(partial(store_calibration, base_id=base_id, fitted=fitted))

    async def prepare(self, ctx: JobContext, embedder: Embedder, texts: Sequence[str]) -> None:
        """Embeds the texts together, and records what their provider charges, even if the last of them fails."""
        usage = EmbeddingUsage()
        try:
            await ctx.keeping_claim(self.service.prepare(embedder, texts, usage))
        finally:
            if usage.cost:
                await ctx.heartbeat(partial(record_cost, cost=usage.cost))

    async def scores(self, ctx: JobContext, base: BaseState, texts: Sequence[str]) -> list[float]:
        """For each text the fused score of its best passage."""
        best: list[float] = []
        for text in texts:
            hits = await hits_in(self.service, ctx.organization_id, base, text, TOP_K)
            if any(hit.semantic_score is not None for hit in hits):
                best.append(max(hit.fused for hit in hits))
        return best


def needs_calibration(base: BaseState, chunks: int, embedder: str) -> bool:
    """Whether a knowledge base has this embedder's vectors, but no calibration that applies."""
    if base.embedder != embedder or not chunks:
        return False
    present = msgspec.json.decode(base.calibration, type=FittedCalibration) if base.calibration else None
    return present is None or not present.fits(embedder, chunks)


async def record_cost(ctx: Context, *, cost: float) -> None:
    """US dollars, as part of what indexing costs."""
    await credits.record(ctx, activity="indexing", cost=cost, count=0)


async def base_and_size(ctx: Context, *, base_id: str) -> tuple[BaseState, int] | None:
    """A knowledge base and how many chunks it has."""
    state = await ctx.db.one(store.base_state(ctx.organization_id, base_id))
    base = await ctx.db.one(store.base_row(ctx.organization_id, base_id))
    return (state, base.chunk_count) if state and base else None


async def headings_of(ctx: Context, *, base_id: str) -> list[str]:
    """Headings from all over a knowledge base; a document's title where it has none. A web address is no heading."""
    live = await ctx.db.all(store.live_documents(ctx.organization_id, base_id))
    headings: dict[str, None] = {}
    documents = evenly(sorted(live, key=lambda each: each.id), MAX_DOCUMENTS)
    for document in documents:
        for position in evenly(range(document.chunk_count), max(4, MAX_HEADINGS // len(documents))):
            key = (base_id, document.id, document.live_revision, position)
            above = await ctx.db.one(chunk_store.chunk_heading(ctx.organization_id, *key))
            if above is not None:
                heading = [above.title, *msgspec.json.decode(above.headings, type=list[str])][-1]
                if "://" not in heading:
                    headings[heading] = None
    return evenly(list(headings), MAX_HEADINGS)


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many, spread evenly over all."""
    return list(items[:: -(-len(items) // most)]) if items else []


async def store_calibration(ctx: Context, *, base_id: str, fitted: FittedCalibration) -> None:
    """Stores a calibration; queues another if documents came meanwhile to which it does not apply."""
    text = msgspec.json.encode(fitted).decode()
    await ctx.db.run(embedder_store.set_calibration(ctx.organization_id, base_id, fitted.embedder, text))
    found = await base_and_size(ctx, base_id=base_id)
    if found is not None and needs_calibration(*found, fitted.embedder):
        await jobs.queue_calibration(ctx, base_id)
