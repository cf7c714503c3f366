"""The handlers of the jobs by which documents become searchable."""

from __future__ import annotations

from deskbell.core.jobs import JobHandler
from deskbell.foundation.db import Database
from deskbell.knowledge.embedders.base import Embedder
from deskbell.knowledge.ingestion.clean_up import CleanUp
from deskbell.knowledge.ingestion.embedding import Embedding
from deskbell.knowledge.ingestion.indexing import Indexer
from deskbell.knowledge.ingestion.sources import SourceReader


def handlers_of(database: Database, reader: SourceReader, embedder: Embedder | None) -> dict[str, JobHandler]:
    """By kind of job. Without an embedder search uses keywords only."""
    builds_index = database.graphs is not None
    embedding = Embedding(embedder, builds_index=builds_index)
    indexer = Indexer(reader, embedding, builds_index=builds_index)
    return indexer.handlers | embedding.handlers | CleanUp(builds_index=builds_index).handlers
