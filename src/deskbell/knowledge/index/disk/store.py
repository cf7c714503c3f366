"""The tables of stored indexes, and every query on them.

A segment holds some tens of thousands of chunks and never changes; its blocks hold the postings of its terms. A graph is a table
of an embedder's vectors. All of it can be rebuilt from documents, chunks and vectors at any time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Delete,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    Update,
    and_,
    cast,
    delete,
    exists,
    func,
    literal_column,
    select,
    update,
)

from deskbell.foundation.db import BOOLEAN, ID, InList, Nearest, command, query, schema
from deskbell.knowledge.index.disk.model import ChunkVector, Graph, LargeBase, PostingBlock, StoredSegment
from deskbell.knowledge.index.store import chunk_vectors, chunks, same_chunk, with_key
from deskbell.knowledge.store import documents, knowledge_bases

knowledge_segments = Table(
    "knowledge_segments",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("knowledge_base_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("chunk_count", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("words", LargeBinary, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
    info={"copied_at_once": 8},
)

knowledge_blocks = Table(
    "knowledge_blocks",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("knowledge_base_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("segment_id", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
    info={"copied_at_once": 64},
)

knowledge_graphs = Table(
    "knowledge_graphs",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("knowledge_base_id", Text, primary_key=True),
    Column("embedder", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("ready", BOOLEAN, nullable=False),
    Column("adopted", BOOLEAN, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


def _of(table: Table, organization_id: Any, knowledge_base_id: Any) -> tuple[Any, Any]:
    return table.c.organization_id == organization_id, table.c.knowledge_base_id == knowledge_base_id


_chunk_sum: Any = cast(func.coalesce(func.sum(documents.c.chunk_count), 0), BigInteger)


@query(LargeBase)
def large_bases(most: int) -> Select[Any]:
    """Of all organizations: knowledge bases with more than `most` chunks, by their ids."""
    in_base = and_(
        documents.c.organization_id == knowledge_bases.c.organization_id,
        documents.c.knowledge_base_id == knowledge_bases.c.id,
    )
    columns = (knowledge_bases.c.organization_id, knowledge_bases.c.id, knowledge_bases.c.name)
    rows = select(*columns, _chunk_sum.label("chunk_count")).select_from(knowledge_bases.join(documents, in_base))
    return rows.where(documents.c.live_revision > 0).group_by(*columns).having(_chunk_sum > most).order_by(*columns[:2])


@query(str)
def lock_base(organization_id: str, id: str) -> Select[Any]:
    """Locked until the transaction ends, where the database has row locks."""
    base = (knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id)
    return select(knowledge_bases.c.id).where(*base).with_for_update()


@query(StoredSegment)
def segments(organization_id: str, knowledge_base_id: str) -> Select[Any]:
    base = _of(knowledge_segments, organization_id, knowledge_base_id)
    return select(knowledge_segments.c.id, knowledge_segments.c.chunk_count).where(*base)


@query(bytes)
def segment_data(organization_id: str, knowledge_base_id: str, id: str) -> Select[Any]:
    base = _of(knowledge_segments, organization_id, knowledge_base_id)
    return select(knowledge_segments.c.data).where(*base, knowledge_segments.c.id == id)


@query(bytes)
def segment_words(organization_id: str, knowledge_base_id: str, id: str) -> Select[Any]:
    base = _of(knowledge_segments, organization_id, knowledge_base_id)
    return select(knowledge_segments.c.words).where(*base, knowledge_segments.c.id == id)


@command
def delete_segment(organization_id: str, knowledge_base_id: str, id: str) -> Delete:
    base = _of(knowledge_segments, organization_id, knowledge_base_id)
    return delete(knowledge_segments).where(*base, knowledge_segments.c.id == id)


@query(PostingBlock)
def blocks(organization_id: str, knowledge_base_id: str, names: str) -> Select[Any]:
    """The blocks of these names (a JSON list) of all segments."""
    base = _of(knowledge_blocks, organization_id, knowledge_base_id)
    columns = (knowledge_blocks.c.segment_id, knowledge_blocks.c.data)
    return select(*columns).where(*base, InList(knowledge_blocks.c.name, names))


@query(str)
def stray_block(organization_id: str, knowledge_base_id: str) -> Select[Any]:
    """A segment id that has blocks, but is not, or no longer, a segment of the knowledge base."""
    segment: Select[Any] = select(literal_column("1")).where(
        knowledge_segments.c.organization_id == knowledge_blocks.c.organization_id,
        knowledge_segments.c.knowledge_base_id == knowledge_blocks.c.knowledge_base_id,
        knowledge_segments.c.id == knowledge_blocks.c.segment_id,
    )
    base = _of(knowledge_blocks, organization_id, knowledge_base_id)
    return select(knowledge_blocks.c.segment_id).where(*base, ~exists(segment.select_from(knowledge_segments))).limit(1)


@command
def delete_blocks(organization_id: str, knowledge_base_id: str, segment_id: str) -> Delete:
    base = _of(knowledge_blocks, organization_id, knowledge_base_id)
    return delete(knowledge_blocks).where(*base, knowledge_blocks.c.segment_id == segment_id)


@query(Graph)
def graphs(organization_id: str, knowledge_base_id: str) -> Select[Any]:
    columns = (knowledge_graphs.c[name] for name in Graph.__struct_fields__)
    return select(*columns).where(*_of(knowledge_graphs, organization_id, knowledge_base_id))


@command
def set_ready(organization_id: str, knowledge_base_id: str, embedder: str, ready: bool) -> Update:
    """Sets whether searches use a graph."""
    base = _of(knowledge_graphs, organization_id, knowledge_base_id)
    return update(knowledge_graphs).where(*base, knowledge_graphs.c.embedder == embedder).values(ready=ready)


@command
def set_adopted(organization_id: str, knowledge_base_id: str, embedder: str, adopted: bool) -> Update:
    """Sets whether a graph has replaced the one before it; if not, it is to do so once it is complete."""
    base = _of(knowledge_graphs, organization_id, knowledge_base_id)
    return update(knowledge_graphs).where(*base, knowledge_graphs.c.embedder == embedder).values(adopted=adopted)


@command
def delete_graph(organization_id: str, knowledge_base_id: str, embedder: str) -> Delete:
    base = _of(knowledge_graphs, organization_id, knowledge_base_id)
    return delete(knowledge_graphs).where(*base, knowledge_graphs.c.embedder == embedder)


@query(bytes)
def any_vector(organization_id: str, knowledge_base_id: str, embedder: str) -> Select[Any]:
    base = (*_of(chunk_vectors, organization_id, knowledge_base_id), chunk_vectors.c.embedder == embedder)
    return select(chunk_vectors.c.vector).where(*base).limit(1)


_vectors = chunks.join(chunk_vectors, same_chunk)


@query(ChunkVector)
def vectors_of_document(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, embedder: str
) -> Select[Any]:
    key = (organization_id, knowledge_base_id, document_id, revision)
    rows = select(chunks.c.id, chunk_vectors.c.vector).select_from(_vectors)
    return rows.where(*with_key(chunks, *key), chunk_vectors.c.embedder == embedder)


@query(ChunkVector)
def vectors_of(organization_id: str, embedder: str, ids: str) -> Select[Any]:
    """The vectors of these chunks (a JSON list of ids)."""
    rows = select(chunks.c.id, chunk_vectors.c.vector).select_from(_vectors)
    base = (chunks.c.organization_id == organization_id, chunk_vectors.c.embedder == embedder)
    return rows.where(*base, InList(chunks.c.id, ids))


@query(ChunkVector)
def nearest(organization_id: str, knowledge_base_id: str, embedder: str, question: str, most: int) -> Select[Any]:
    """The nearest chunks that searches see, approximately, in the form that `Nearest` describes."""
    rows = Nearest(organization_id, knowledge_base_id, embedder, question, most).table_valued("id", "vector")
    return select(rows.c.id, rows.c.vector)
