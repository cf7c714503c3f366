"""The tables of chunks and their vectors, and every query on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    delete,
    exists,
    literal_column,
    select,
)

from deskbell.foundation.db import ID, JSON, InList, command, query, schema
from deskbell.knowledge.index.model import (
    ChunkHeading,
    ChunkRow,
    FoundChunk,
    NeighbourChunk,
    StaleChunk,
    UnembeddedChunk,
)
from deskbell.knowledge.store import documents

CHUNK_KEY = ("organization_id", "knowledge_base_id", "document_id", "revision", "position")

#: Passages of documents as they are shown, and the terms that the keyword index counts, separated by spaces.
chunks = Table(
    "chunks",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("knowledge_base_id", Text, primary_key=True),
    Column("document_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("headings", JSON, nullable=False),
    Column("page", Integer),
    Column("title_terms", Text, nullable=False),
    Column("text_terms", Text, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index("chunks_id", chunks.c.organization_id, chunks.c.id, unique=True)

#: A chunk's vector by an embedder: float16, little-endian, normalized. While one embedder replaces another, chunks have both vectors.
chunk_vectors = Table(
    "chunk_vectors",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("knowledge_base_id", Text, primary_key=True),
    Column("document_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("embedder", Text, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


def with_key(table: Table, *key: Any) -> list[Any]:
    """Rows by the first columns of the key: organization, knowledge base, document, revision, position."""
    return [table.c[name] == value for name, value in zip(CHUNK_KEY, key, strict=False)]


same_chunk = and_(*(chunk_vectors.c[name] == chunks.c[name] for name in CHUNK_KEY))


@query(ChunkRow)
def chunk_rows(
    organization_id: str,
    knowledge_base_id: str,
    document_id: str,
    revision: int,
    embedder: str,
    position: int,
    most: int,
) -> Select[Any]:
    """Chunks of a revision after a position, in order, with their vectors by that embedder."""
    key = (organization_id, knowledge_base_id, document_id, revision)
    vectors = chunks.outerjoin(chunk_vectors, and_(same_chunk, chunk_vectors.c.embedder == embedder))
    columns = [(chunk_vectors if name == "vector" else chunks).c[name] for name in ChunkRow.__struct_fields__]
    return (
        select(*columns)
        .select_from(vectors)
        .where(*with_key(chunks, *key), chunks.c.position > position)
        .order_by(chunks.c.position)
        .limit(most)
    )


@query(UnembeddedChunk)
def unembedded_chunks(
    organization_id: str,
    knowledge_base_id: str,
    document_id: str,
    revision: int,
    embedder: str,
    position: int,
    most: int,
) -> Select[Any]:
    """Chunks of a revision after a position that have no vector by this embedder, in order."""
    key = (organization_id, knowledge_base_id, document_id, revision)
    embedded = exists(
        select(literal_column("1"))
        .select_from(chunk_vectors)
        .where(same_chunk, chunk_vectors.c.embedder == embedder)
        .correlate(chunks)
    )
    return (
        select(*(chunks.c[name] for name in UnembeddedChunk.__struct_fields__))
        .where(*with_key(chunks, *key), chunks.c.position > position, ~embedded)
        .order_by(chunks.c.position)
        .limit(most)
    )


@query(ChunkHeading)
def chunk_heading(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, position: int
) -> Select[Any]:
    key = (organization_id, knowledge_base_id, document_id, revision, position)
    return select(chunks.c.title, chunks.c.headings).where(*with_key(chunks, *key))


@query(str)
def title_of_revision(organization_id: str, knowledge_base_id: str, document_id: str, revision: int) -> Select[Any]:
    key = (organization_id, knowledge_base_id, document_id, revision)
    return select(chunks.c.title).where(*with_key(chunks, *key)).limit(1)


@query(StaleChunk)
def last_chunk_before(organization_id: str, knowledge_base_id: str, document_id: str, before: int) -> Select[Any]:
    """The last chunk of the newest revision of a document that is older than revision `before`."""
    key = (organization_id, knowledge_base_id, document_id)
    return (
        select(chunks.c.revision, chunks.c.position)
        .where(*with_key(chunks, *key), chunks.c.revision < before)
        .order_by(chunks.c.revision.desc(), chunks.c.position.desc())
        .limit(1)
    )


@command
def delete_chunks(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, position: int
) -> Delete:
    """A revision's chunks from a position on."""
    key = (organization_id, knowledge_base_id, document_id, revision)
    return delete(chunks).where(*with_key(chunks, *key), chunks.c.position >= position)


@command
def delete_vectors(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, position: int
) -> Delete:
    """A revision's vectors from a position on."""
    key = (organization_id, knowledge_base_id, document_id, revision)
    return delete(chunk_vectors).where(*with_key(chunk_vectors, *key), chunk_vectors.c.position >= position)


@command
def delete_other_vectors(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, embedder: str
) -> Delete:
    """The vectors of a revision by every embedder but this one."""
    key = (organization_id, knowledge_base_id, document_id, revision)
    return delete(chunk_vectors).where(*with_key(chunk_vectors, *key), chunk_vectors.c.embedder != embedder)


#: The chunks that searches see, joined with their documents.
_live_chunks = chunks.join(
    documents,
    and_(
        documents.c.organization_id == chunks.c.organization_id,
        documents.c.id == chunks.c.document_id,
        documents.c.live_revision == chunks.c.revision,
    ),
)


@query(FoundChunk)
def found_chunks(organization_id: str, knowledge_base_id: str, ids: str) -> Select[Any]:
    """The chunks with these ids (a JSON list) that searches still see."""
    columns = [(documents if name in ("file_name", "url") else chunks).c[name] for name in FoundChunk.__struct_fields__]
    base = (chunks.c.organization_id == organization_id, documents.c.knowledge_base_id == knowledge_base_id)
    return select(*columns).select_from(_live_chunks).where(*base, InList(chunks.c.id, ids))


@query(NeighbourChunk)
def neighbours(organization_id: str, knowledge_base_id: str, document_id: str, position: int) -> Select[Any]:
    """The chunks right before and after one, of those that searches see."""
    key = (organization_id, knowledge_base_id, document_id)
    near = chunks.c.position.between(position - literal_column("1"), position + literal_column("1"))
    return (
        select(chunks.c.headings, chunks.c.text)
        .select_from(_live_chunks)
        .where(*with_key(chunks, *key), near, chunks.c.position != position)
        .order_by(chunks.c.position)
    )
