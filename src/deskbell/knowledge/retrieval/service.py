"""What all searches of a process share: the indexes in memory, the embedder, and the vectors of recent questions."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from deskbell.foundation.db import Database
from deskbell.knowledge.embedders import embedder_named
from deskbell.knowledge.embedders.base import Embedder, EmbedderUnavailable, EmbeddingUsage
from deskbell.knowledge.index.cache import IndexCache
from deskbell.knowledge.model import BaseState

log = logging.getLogger(__name__)

MAX_VECTORS = 1_000  # of questions that are kept


class SearchService:
    """Indexes take at most `budget` bytes of memory; bases of more than `most` chunks should be searched on disk."""

    def __init__(self, database: Database, embedder: Embedder | None, budget: int, most: int) -> None:
        self.database = database
        self.embedder = embedder
        self.indexes = IndexCache(database, budget, most)
        self.vectors: OrderedDict[tuple[str, str], Any] = OrderedDict()
        database.on_change("knowledge_bases", self.indexes.on_bases_changed)

    def embedder_of(self, base: BaseState) -> Embedder | None:
        """The embedder that made a knowledge base's vectors, which may be an earlier one than the present; None for keywords only."""
        if base.embedder is None or self.embedder is None or base.embedder == self.embedder.name:
            return self.embedder if base.embedder else None
        return embedder_named(base.embedder)

    async def vector(self, embedder: Embedder, question: str) -> Any:
        """A question's vector; None if the embedder is unavailable, so that the search uses keywords only."""
        key = (embedder.name, question)
        if key not in self.vectors:
            try:
                self.vectors[key] = (await embedder.embed([question]))[0]
            except EmbedderUnavailable as reason:
                log.warning("searching by keywords only: %s", reason)
                return None
        self.vectors.move_to_end(key)
        self.evict()
        return self.vectors[key]

    async def prepare(self, embedder: Embedder, questions: Sequence[str], usage: EmbeddingUsage) -> None:
        """Embeds at most `MAX_VECTORS` questions together before they are searched for. Raises `EmbedderUnavailable`."""
        missing = [each for each in dict.fromkeys(questions) if (embedder.name, each) not in self.vectors]
        if missing:
            rows = await embedder.embed(missing, usage)
            self.vectors |= {(embedder.name, each): row for each, row in zip(missing, rows, strict=True)}
            self.evict()

    def evict(self) -> None:
        while len(self.vectors) > MAX_VECTORS:
            self.vectors.popitem(last=False)
