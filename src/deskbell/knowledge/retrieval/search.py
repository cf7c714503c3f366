"""Search: by meaning and by keywords at once, over one or more knowledge bases, the same on both databases."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from deskbell.foundation.db import Database, Session
from deskbell.foundation.worker_threads import run_in_thread
from deskbell.knowledge import rules, store
from deskbell.knowledge.answers.follow_ups import Excerpt, follow_ups
from deskbell.knowledge.embedders import former
from deskbell.knowledge.embedders.base import Embedder, EmbedderUnavailable, EmbeddingUsage
from deskbell.knowledge.index.cache import IndexCache
from deskbell.knowledge.index.disk.model import IndexChanged
from deskbell.knowledge.model import BaseState, Explanation, FoundChunk, Metadata, Method, NeighbourChunk, Result
from deskbell.knowledge.retrieval.score_calibration import THRESHOLD, Calibration, FittedCalibration

if TYPE_CHECKING:
    from deskbell.knowledge.index.memory import Hit

log = logging.getLogger(__name__)

INLINE = 2_000  # chunks that are searched within the event loop, in less than a millisecond
REMEMBERED = 1_000  # questions whose vectors are kept
BESIDE = 2  # results whose neighbours are looked at for what to ask next
DIGITS = 4  # of a score that are shown
TRIES = 5  # of a search during which documents changed


class FoundPassage(msgspec.Struct):
    """A chunk that was found, with all that an answer or a citation needs. `source` is its file name or address."""

    id: str
    knowledge_base_id: str
    knowledge_base: str
    document_id: str
    source: str
    title: str
    index: int
    text: str
    headings: list[str]
    page: int | None
    score: float
    methods: list[Method]
    hit: Hit


class SearchService:
    """What every search of a process shares. Indexes take at most `budget` bytes of memory; `most` chunks of a base should be there."""

    def __init__(self, database: Database, embedder: Embedder | None, budget: int, most: int) -> None:
        self.database = database
        self.embedder = embedder
        self.indexes = IndexCache(database, budget, most)
        self.vectors: OrderedDict[tuple[str, str], Any] = OrderedDict()
        database.on_change("knowledge_bases", self.indexes.look)

    def embedder_of(self, state: BaseState) -> Embedder | None:
        """Who can compare questions with a knowledge base's vectors, which may be another's than the present embedder's."""
        if state.embedder is None or self.embedder is None or state.embedder == self.embedder.name:
            return self.embedder if state.embedder else None
        return former(state.embedder)

    async def vector(self, embedder: Embedder, question: str) -> Any:
        """A question's vector; None where the embedder does not answer, and keywords must do."""
        key = (embedder.name, question)
        if key not in self.vectors:
            try:
                self.vectors[key] = (await embedder.embed([question]))[0]
            except EmbedderUnavailable as reason:
                log.warning("searching by keywords alone: %s", reason)
                return None
        self.vectors.move_to_end(key)
        self.make_room()
        return self.vectors[key]

    async def prepare(self, embedder: Embedder, questions: Sequence[str], spent: EmbeddingUsage) -> None:
        """Makes the vectors of at most `REMEMBERED` questions together, before they are searched for. Raises `Unavailable`."""
        unknown = [each for each in dict.fromkeys(questions) if (embedder.name, each) not in self.vectors]
        if unknown:
            rows = await embedder.embed(unknown, spent)
            self.vectors |= {(embedder.name, each): row for each, row in zip(unknown, rows, strict=True)}
            self.make_room()

    def make_room(self) -> None:
        while len(self.vectors) > REMEMBERED:
            self.vectors.popitem(last=False)


def curve(embedder: Embedder, state: BaseState) -> Callable[[str], Calibration]:
    """How scores of a knowledge base are read, by language: its own curve, where it has one for this embedder."""
    if not embedder.measured and state.calibration is not None:
        fitted = msgspec.json.decode(state.calibration, type=FittedCalibration)
        if fitted.embedder == embedder.name:
            return lambda language: fitted.curve
    return embedder.calibration


async def search(
    knowledge: SearchService, organization_id: str, kb_ids: Sequence[str], query: str, top_k: int
) -> list[FoundPassage]:
    """The `top_k` best passages of knowledge bases, the best first, whatever their score. One that does not exist has none."""
    found: list[FoundPassage] = []
    for kb_id in dict.fromkeys(kb_ids):
        found += await search_one(knowledge, organization_id, kb_id, query, top_k) or []
    return sorted(found, key=lambda each: (-each.score, each.id))[:top_k]


async def search_one(
    knowledge: SearchService, organization_id: str, kb_id: str, query: str, top_k: int
) -> list[FoundPassage] | None:
    """The best passages of one knowledge base; None where there is no such one.

    Hits and their texts are read apart: if a document changed in between, the search is made again, so that it never shows half.
    """
    for attempt in range(TRIES):
        state = await knowledge.database.read(
            lambda session: session.one(store.base_state(organization_id, kb_id)), organization_id
        )
        if state is None:
            return None
        try:
            hits = await hits_in(knowledge, organization_id, state, query, top_k)
        except IndexChanged:
            continue
        rows = await texts_of(knowledge, organization_id, kb_id, hits)
        if len(rows) == len(hits) or attempt == TRIES - 1:
            return [passage(state, hit, rows[hit.id], top_k) for hit in hits if hit.id in rows]
    raise AssertionError("unreachable")


async def texts_of(
    knowledge: SearchService, organization_id: str, kb_id: str, hits: Sequence[Hit]
) -> dict[str, FoundChunk]:
    """What is shown of hits, by id, as far as searches still see them."""
    if not hits:
        return {}
    ids = msgspec.json.encode([hit.id for hit in hits]).decode()
    rows = await knowledge.database.read(
        lambda session: session.all(store.found_chunks(organization_id, kb_id, ids)), organization_id
    )
    return {row.id: row for row in rows}


async def hits_in(
    knowledge: SearchService, organization_id: str, state: BaseState, query: str, top_k: int
) -> list[Hit]:
    """What the index of a knowledge base finds, in memory or, of a large one, in the database."""
    embedder = knowledge.embedder_of(state)
    loaded = await knowledge.indexes.at(organization_id, state, embedder.dimensions if embedder else 0)
    if loaded.large is None and not len(loaded.index):
        return []
    vector = await knowledge.vector(embedder, query) if embedder else None
    calibration = curve(embedder, state) if embedder else None
    if loaded.large is not None:
        from deskbell.knowledge.index.disk.search import DiskSearch

        return await DiskSearch(knowledge.database, organization_id, state, loaded.large, vector, calibration).hits(
            query, top_k
        )
    if len(loaded.index) <= INLINE:
        return loaded.index.search(query, vector, calibration, top_k)
    return await run_in_thread(loaded.index.search, query, vector, calibration, top_k)


def passage(state: BaseState, hit: Hit, row: FoundChunk, top_k: int) -> FoundPassage:
    return FoundPassage(
        id=row.id,
        knowledge_base_id=state.id,
        knowledge_base=state.name,
        document_id=row.document_id,
        source=row.file_name,
        title=row.title,
        index=row.position,
        text=row.text,
        headings=msgspec.json.decode(row.headings),
        page=row.page,
        score=hit.score,
        methods=rules.methods(hit.semantic_rank, hit.keyword_rank, top_k),
        hit=hit,
    )


def explained(place: int, found: FoundPassage, *, with_ranks: bool) -> Result:
    """A passage as a search shows it, at its place among the results."""
    hit, left_out = found.hit, rules.left_out(place, found.score)
    ranks = Explanation(
        hit.semantic_rank,
        hit.keyword_rank,
        None if hit.semantic_score is None else round(hit.semantic_score, DIGITS),
        round(hit.keyword_score, DIGITS),
        round(hit.fused, DIGITS),
        left_out is None,
        left_out,
    )
    metadata = Metadata(found.document_id, found.text, found.source, found.index)
    return Result(
        found.id,
        round(found.score, DIGITS),
        found.knowledge_base_id,
        found.methods,
        metadata,
        ranks if with_ranks else msgspec.UNSET,
    )


async def next_questions(
    knowledge: SearchService, organization_id: str, question: str, found: Sequence[FoundPassage]
) -> list[str]:
    """What somebody might ask next, in the documents' own words."""
    good = [each for each in found if each.score >= THRESHOLD][: rules.PASSAGES]
    if not good:
        return []

    async def neighbours(session: Session) -> list[NeighbourChunk]:
        places = [(organization_id, each.knowledge_base_id, each.document_id, each.index) for each in good[:BESIDE]]
        return [row for place in places for row in await session.all(store.beside(*place))]

    rows = await knowledge.database.read(neighbours, organization_id)
    beside = [Excerpt(msgspec.json.decode(row.headings), row.text) for row in rows]
    return follow_ups(question, [Excerpt(each.headings, each.text) for each in good], beside)
