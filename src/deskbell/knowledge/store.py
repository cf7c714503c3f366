"""The tables of knowledge bases, documents and their chunks, and every query on them.

A document has a newest revision, one whose chunks are wholly stored, and a live one, which alone searches see. So a new content
takes the place of the old one in the statement that moves `live_revision`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
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
    or_,
    select,
    update,
)

from deskbell.foundation.db import ID, JSON, TIMESTAMP, InList, command, query, schema
from deskbell.knowledge.model import (
    BaseRef,
    BaseState,
    ChunkHeading,
    ChunkRow,
    Document,
    DocumentState,
    FoundChunk,
    KnowledgeBase,
    LiveDocument,
    NeighbourChunk,
    StaleChunk,
    UnembeddedChunk,
)

knowledge_bases = Table(
    "knowledge_bases",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("version", Integer, nullable=False),
    Column("embedder", Text),
    Column("calibration", Text),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index("knowledge_bases_id", knowledge_bases.c.id, unique=True)

documents = Table(
    "documents",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("knowledge_base_id", Text, nullable=False),
    Column("feed_id", Text),
    Column("kind", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("url", Text),
    Column("title", Text),
    Column("media_type", Text),
    Column("digest", Text),
    Column("upload_id", ID),
    Column("bytes", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("error", Text),
    Column("revision", Integer, nullable=False),
    Column("stored_revision", Integer, nullable=False),
    Column("live_revision", Integer, nullable=False),
    Column("chunk_count", Integer, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index("documents_id", documents.c.id, unique=True)
Index(
    "documents_file_name",
    documents.c.organization_id,
    documents.c.knowledge_base_id,
    documents.c.file_name,
    unique=True,
)

#: Entries of feeds that somebody has deleted, by the names that their documents had.
dropped_entries = Table(
    "dropped_entries",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("feed_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)

#: The bytes that somebody uploaded, in parts that no transaction is long for.
upload_parts = Table(
    "upload_parts",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("upload_id", ID, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
    info={"copied_at_once": 64},
)

PLACE = ("organization_id", "knowledge_base_id", "document_id", "revision", "position")

#: Passages as they are shown, with the terms that the keyword index counts, separated by spaces.
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

#: What an embedder made of a chunk: float16, little-endian, normalized. Two embedders' vectors stand side by side while one takes over.
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


_own = and_(
    documents.c.organization_id == knowledge_bases.c.organization_id,
    documents.c.knowledge_base_id == knowledge_bases.c.id,
)


def _count(*conditions: Any) -> Any:
    """How many documents of a knowledge base meet the conditions."""
    return select(func.count()).select_from(documents).where(_own, *conditions).correlate(knowledge_bases)


_chunk_sum: Any = select(cast(func.coalesce(func.sum(documents.c.chunk_count), 0), BigInteger)).where(_own)
_base = [
    knowledge_bases.c.id,
    knowledge_bases.c.name,
    knowledge_bases.c.description,
    _count().label("document_count"),
    _count(documents.c.status == "ready").label("ready_count"),
    _count(documents.c.status == "failed").label("failed_count"),
    _chunk_sum.correlate(knowledge_bases).label("chunk_count"),
    knowledge_bases.c.created_at,
    knowledge_bases.c.updated_at,
]
_document = [documents.c[name] for name in Document.__struct_fields__]
_document_state = [documents.c[name] for name in DocumentState.__struct_fields__]
_base_stands = exists(select(literal_column("1")).select_from(knowledge_bases).where(_own).correlate(documents))


def _at(table: Table, *place: Any) -> list[Any]:
    """The rows of one revision: by organization, knowledge base, document and revision, as far as they are given."""
    return [table.c[name] == value for name, value in zip(PLACE, place, strict=False)]


_same_place = and_(*(chunk_vectors.c[name] == chunks.c[name] for name in PLACE))


@query(KnowledgeBase)
def base_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_base).where(knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id)


@query(KnowledgeBase)
def base_list(organization_id: str) -> Select[Any]:
    """Newest first."""
    found = select(*_base).where(knowledge_bases.c.organization_id == organization_id)
    return found.order_by(knowledge_bases.c.created_at.desc(), knowledge_bases.c.id.desc())


@query(BaseState)
def base_state(organization_id: str, id: str) -> Select[Any]:
    state = select(*(knowledge_bases.c[name] for name in BaseState.__struct_fields__))
    return state.where(knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id)


@query(str)
def organization_of_base(id: str) -> Select[Any]:
    """For the operator's commands, which are given a knowledge base's id alone."""
    return select(knowledge_bases.c.organization_id).where(knowledge_bases.c.id == id)


@query(BaseRef)
def bases_embedded_otherwise(embedder: str, id: str, most: int) -> Select[Any]:
    """Of all organizations, by id: knowledge bases that have another embedder's vectors, or none."""
    other = or_(knowledge_bases.c.embedder.is_(None), knowledge_bases.c.embedder != embedder)
    return (
        select(knowledge_bases.c.organization_id, knowledge_bases.c.id)
        .where(knowledge_bases.c.id > id, other)
        .order_by(knowledge_bases.c.id)
        .limit(most)
    )


@query(BaseRef)
def bases_without_curve(embedder: str, id: str, most: int) -> Select[Any]:
    """Of all organizations, by id: knowledge bases that have this embedder's vectors, and no calibration."""
    bare = (knowledge_bases.c.embedder == embedder, knowledge_bases.c.calibration.is_(None))
    return (
        select(knowledge_bases.c.organization_id, knowledge_bases.c.id)
        .where(knowledge_bases.c.id > id, *bare)
        .order_by(knowledge_bases.c.id)
        .limit(most)
    )


@command
def keep_calibration(organization_id: str, id: str, embedder: str, calibration: str) -> Update:
    """Keeps the curve of the embedder whose vectors a knowledge base is searched by."""
    own = (knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id)
    return update(knowledge_bases).where(*own, knowledge_bases.c.embedder == embedder).values(calibration=calibration)


@command
def raise_version(organization_id: str, id: str) -> Update:
    """Says that a search may find something else from now on."""
    own = (knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id)
    return update(knowledge_bases).where(*own).values(version=knowledge_bases.c.version + 1)


@command
def choose_embedder(organization_id: str, id: str, embedder: str, *, anew: bool) -> Update:
    """Says whose vectors a knowledge base is searched by: `anew`, or only where nothing says so yet."""
    own = [knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id]
    if not anew:
        own.append(knowledge_bases.c.embedder.is_(None))
    return update(knowledge_bases).where(*own).values(embedder=embedder)


@command
def delete_base(organization_id: str, id: str) -> Delete:
    return delete(knowledge_bases).where(
        knowledge_bases.c.organization_id == organization_id, knowledge_bases.c.id == id
    )


@query(Document)
def document_row(organization_id: str, id: str) -> Select[Any]:
    """A document of a knowledge base that stands: one that was deleted takes its documents along, row by row later."""
    return select(*_document).where(documents.c.organization_id == organization_id, documents.c.id == id, _base_stands)


@query(Document)
def document_list(organization_id: str, knowledge_base_id: str, status: str | None = None) -> Select[Any]:
    """Newest first."""
    own = [documents.c.organization_id == organization_id, documents.c.knowledge_base_id == knowledge_base_id]
    if status is not None:
        own.append(documents.c.status == status)
    return select(*_document).where(*own).order_by(documents.c.created_at.desc(), documents.c.id.desc())


@query(DocumentState)
def held_document(organization_id: str, id: str) -> Select[Any]:
    """Locked until the transaction ends, where the database has row locks."""
    held = select(*_document_state).where(documents.c.organization_id == organization_id, documents.c.id == id)
    return held.where(_base_stands).with_for_update(of=documents)


@query(DocumentState)
def held_document_named(organization_id: str, knowledge_base_id: str, file_name: str) -> Select[Any]:
    """Locked until the transaction ends, where the database has row locks."""
    named = (documents.c.knowledge_base_id == knowledge_base_id, documents.c.file_name == file_name)
    return select(*_document_state).where(documents.c.organization_id == organization_id, *named).with_for_update()


@query(DocumentState)
def any_document(organization_id: str, knowledge_base_id: str) -> Select[Any]:
    """Some document of a knowledge base that may be deleted already."""
    own = (documents.c.organization_id == organization_id, documents.c.knowledge_base_id == knowledge_base_id)
    return select(*_document_state).where(*own).limit(1)


@query(str)
def documents_of_feed(organization_id: str, feed_id: str) -> Select[Any]:
    return select(documents.c.id).where(documents.c.organization_id == organization_id, documents.c.feed_id == feed_id)


@query(str)
def dropped_entry(organization_id: str, feed_id: str, name: str) -> Select[Any]:
    own = (dropped_entries.c.organization_id == organization_id, dropped_entries.c.feed_id == feed_id)
    return select(dropped_entries.c.name).where(*own, dropped_entries.c.name == name)


@command
def forget_dropped_entries(organization_id: str, feed_id: str) -> Delete:
    return delete(dropped_entries).where(
        dropped_entries.c.organization_id == organization_id, dropped_entries.c.feed_id == feed_id
    )


@command
def delete_document(organization_id: str, id: str) -> Delete:
    return delete(documents).where(documents.c.organization_id == organization_id, documents.c.id == id)


@query(bytes)
def upload_part(organization_id: str, upload_id: str, part: int) -> Select[Any]:
    own = (upload_parts.c.organization_id == organization_id, upload_parts.c.upload_id == upload_id)
    return select(upload_parts.c.data).where(*own, upload_parts.c.part == part)


@command
def delete_upload(organization_id: str, upload_id: str) -> Delete:
    own = (upload_parts.c.organization_id == organization_id, upload_parts.c.upload_id == upload_id)
    return delete(upload_parts).where(*own)


@command
def delete_abandoned_uploads(before: str) -> Delete:
    """Of all organizations: parts that no document has taken up, as a server that died meanwhile leaves them."""
    taken: Select[Any] = select(literal_column("1")).where(
        documents.c.organization_id == upload_parts.c.organization_id,
        documents.c.upload_id == upload_parts.c.upload_id,
    )
    return delete(upload_parts).where(upload_parts.c.created_at < before, ~exists(taken.select_from(documents)))


@query(LiveDocument)
def live_documents(organization_id: str, knowledge_base_id: str) -> Select[Any]:
    """What searches see."""
    own = (documents.c.organization_id == organization_id, documents.c.knowledge_base_id == knowledge_base_id)
    return select(*(documents.c[name] for name in LiveDocument.__struct_fields__)).where(
        *own, documents.c.live_revision > 0
    )


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
    """Chunks of one revision behind a position, in order, with that embedder's vectors."""
    place = (organization_id, knowledge_base_id, document_id, revision)
    vectors = chunks.outerjoin(chunk_vectors, and_(_same_place, chunk_vectors.c.embedder == embedder))
    columns = [(chunk_vectors if name == "vector" else chunks).c[name] for name in ChunkRow.__struct_fields__]
    return (
        select(*columns)
        .select_from(vectors)
        .where(*_at(chunks, *place), chunks.c.position > position)
        .order_by(chunks.c.position)
        .limit(most)
    )


@query(UnembeddedChunk)
def unembedded(
    organization_id: str,
    knowledge_base_id: str,
    document_id: str,
    revision: int,
    embedder: str,
    position: int,
    most: int,
) -> Select[Any]:
    """Chunks of one revision behind a position that have no vector of this embedder."""
    place = (organization_id, knowledge_base_id, document_id, revision)
    have = exists(
        select(literal_column("1"))
        .select_from(chunk_vectors)
        .where(_same_place, chunk_vectors.c.embedder == embedder)
        .correlate(chunks)
    )
    return (
        select(*(chunks.c[name] for name in UnembeddedChunk.__struct_fields__))
        .where(*_at(chunks, *place), chunks.c.position > position, ~have)
        .order_by(chunks.c.position)
        .limit(most)
    )


@query(ChunkHeading)
def name_of_chunk(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, position: int
) -> Select[Any]:
    place = (organization_id, knowledge_base_id, document_id, revision, position)
    return select(chunks.c.title, chunks.c.headings).where(*_at(chunks, *place))


@query(str)
def title_of(organization_id: str, knowledge_base_id: str, document_id: str, revision: int) -> Select[Any]:
    place = (organization_id, knowledge_base_id, document_id, revision)
    return select(chunks.c.title).where(*_at(chunks, *place)).limit(1)


@query(StaleChunk)
def last_old_chunk(organization_id: str, knowledge_base_id: str, document_id: str, before: int) -> Select[Any]:
    """The last chunk of a document's revisions that are older than `before`."""
    place = (organization_id, knowledge_base_id, document_id)
    return (
        select(chunks.c.revision, chunks.c.position)
        .where(*_at(chunks, *place), chunks.c.revision < before)
        .order_by(chunks.c.revision.desc(), chunks.c.position.desc())
        .limit(1)
    )


@command
def delete_chunks(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, position: int
) -> Delete:
    """A revision's chunks from a position on."""
    place = (organization_id, knowledge_base_id, document_id, revision)
    return delete(chunks).where(*_at(chunks, *place), chunks.c.position >= position)


@command
def delete_vectors(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, position: int
) -> Delete:
    """A revision's vectors from a position on."""
    place = (organization_id, knowledge_base_id, document_id, revision)
    return delete(chunk_vectors).where(*_at(chunk_vectors, *place), chunk_vectors.c.position >= position)


@command
def delete_other_vectors(
    organization_id: str, knowledge_base_id: str, document_id: str, revision: int, embedder: str
) -> Delete:
    """What embedders that are no longer used have left of a revision."""
    place = (organization_id, knowledge_base_id, document_id, revision)
    return delete(chunk_vectors).where(*_at(chunk_vectors, *place), chunk_vectors.c.embedder != embedder)


#: The chunks that searches see, with their documents.
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
    """What is shown of these chunks (a JSON list of ids), as far as searches still see them."""
    columns = [(documents if name in ("file_name", "url") else chunks).c[name] for name in FoundChunk.__struct_fields__]
    own = (chunks.c.organization_id == organization_id, documents.c.knowledge_base_id == knowledge_base_id)
    return select(*columns).select_from(_live_chunks).where(*own, InList(chunks.c.id, ids))


@query(NeighbourChunk)
def beside(organization_id: str, knowledge_base_id: str, document_id: str, position: int) -> Select[Any]:
    """The chunks before and behind one, as searches see them."""
    place = (organization_id, knowledge_base_id, document_id)
    near = chunks.c.position.between(position - literal_column("1"), position + literal_column("1"))
    return (
        select(chunks.c.headings, chunks.c.text)
        .select_from(_live_chunks)
        .where(*_at(chunks, *place), near, chunks.c.position != position)
        .order_by(chunks.c.position)
    )
