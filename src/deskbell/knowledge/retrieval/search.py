"""Search by meaning and by keywords at once, in one or more knowledge bases; the same on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from deskbell.foundation.db import Session
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge import store
from deskbell.knowledge.answers.follow_ups import Excerpt, follow_ups
from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.index import store as chunk_store
from deskbell.knowledge.index.disk.model import IndexChanged
from deskbell.knowledge.index.model import FoundChunk, NeighbourChunk
from deskbell.knowledge.model import BaseState
from deskbell.knowledge.retrieval.results import PASSAGES, FoundPassage, on_topic, passage_of
from deskbell.knowledge.retrieval.score_calibration import FittedCalibration
from deskbell.knowledge.retrieval.service import SearchService
from deskbell.knowledge.scores import Calibration

if TYPE_CHECKING:
    from deskbell.knowledge.index.memory import Hit

INLINE = 2_000  # chunks that are searched in the event loop itself, in less than a millisecond
WITH_NEIGHBOURS = 2  # results whose neighbours are read for what to ask next
ATTEMPTS = 5  # at a search during which documents change


async def search(
    service: SearchService, organization_id: str, kb_ids: Sequence[str], query: str, top_k: int
) -> list[FoundPassage]:
    """The `top_k` best passages of several knowledge bases, best first, whatever their score. A base that does not exist has none."""
    passages: list[FoundPassage] = []
    for kb_id in dict.fromkeys(kb_ids):
        passages += await search_one(service, organization_id, kb_id, query, top_k) or []
    return sorted(passages, key=lambda each: (-each.score, each.id))[:top_k]


async def search_one(
    service: SearchService, organization_id: str, kb_id: str, query: str, top_k: int
) -> list[FoundPassage] | None:
    """The best passages of one knowledge base; None if it does not exist.

    Hits and their texts are read one after the other. If a document changed in between, the search is repeated, so that it never shows half.
    """
    for attempt in range(ATTEMPTS):
        base = await service.database.read(
            lambda session: session.one(store.base_state(organization_id, kb_id)), organization_id
        )
        if base is None:
            return None
        try:
            hits = await hits_in(service, organization_id, base, query, top_k)
        except IndexChanged:
            continue
        chunks = await chunks_of(service, organization_id, kb_id, hits)
        if len(chunks) == len(hits) or attempt == ATTEMPTS - 1:
            return [passage_of(base, hit, chunks[hit.id], top_k) for hit in hits if hit.id in chunks]
    raise AssertionError("unreachable")


async def hits_in(service: SearchService, organization_id: str, base: BaseState, query: str, top_k: int) -> list[Hit]:
    """What the index of a knowledge base finds, in memory or on disk. Raises `IndexChanged`."""
    embedder = service.embedder_of(base)
    cached = await service.indexes.get(organization_id, base, embedder.dimensions if embedder else 0)
    if cached.on_disk is None and not len(cached.index):
        return []
    vector = await service.vector(embedder, query) if embedder else None
    calibration = calibration_of(embedder, base) if embedder else None
    if cached.on_disk is not None:
        from deskbell.knowledge.index.disk.search import DiskSearch

        disk_search = DiskSearch(service.database, organization_id, base, cached.on_disk, vector, calibration)
        return await disk_search.hits(query, top_k)
    if len(cached.index) <= INLINE:
        return cached.index.search(query, vector, calibration, top_k)
    return await run_in_thread(cached.index.search, query, vector, calibration, top_k)


def calibration_of(embedder: Embedder, base: BaseState) -> Callable[[str], Calibration]:
    """How scores of a knowledge base are read, by language: by its own calibration, if it has one for this embedder."""
    if not embedder.measured and base.calibration is not None:
        fitted = msgspec.json.decode(base.calibration, type=FittedCalibration)
        if fitted.embedder == embedder.name:
            return lambda language: fitted.curve
    return embedder.calibration


async def chunks_of(
    service: SearchService, organization_id: str, kb_id: str, hits: Sequence[Hit]
) -> dict[str, FoundChunk]:
    """The chunks of hits by id, as far as searches still see them."""
    if not hits:
        return {}
    ids = msgspec.json.encode([hit.id for hit in hits]).decode()
    chunks = await service.database.read(
        lambda session: session.all(chunk_store.found_chunks(organization_id, kb_id, ids)), organization_id
    )
    return {chunk.id: chunk for chunk in chunks}


async def next_questions(
    service: SearchService, organization_id: str, question: str, passages: Sequence[FoundPassage]
) -> list[str]:
    """What could be asked next, in the documents' own words."""
    best = on_topic(passages)[:PASSAGES]
    if not best:
        return []

    async def neighbours(session: Session) -> list[NeighbourChunk]:
        chunks: list[NeighbourChunk] = []
        for each in best[:WITH_NEIGHBOURS]:
            key = (organization_id, each.knowledge_base_id, each.document_id, each.index)
            chunks += await session.all(chunk_store.neighbours(*key))
        return chunks

    near = await service.database.read(neighbours, organization_id)
    return follow_ups(
        question,
        [Excerpt(each.headings, each.text) for each in best],
        [Excerpt(msgspec.json.decode(chunk.headings), chunk.text) for chunk in near],
    )
