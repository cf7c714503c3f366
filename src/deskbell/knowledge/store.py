"""The tables of knowledge bases, documents and uploads, and every query on them.

A document has a newest revision, one whose chunks are all stored, and a live one, which is the only one that searches see. So new
content replaces the old in the statement that sets `live_revision`.
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
    select,
    update,
)

from deskbell.foundation.db import ID, TIMESTAMP, command, query, schema
from deskbell.knowledge.model import BaseState, Document, DocumentState, KnowledgeBase, LiveDocument

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

#: Feed entries that somebody deleted, by the file names of their documents. They are not added again.
dropped_entries = Table(
    "dropped_entries",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("feed_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)

#: Uploaded bytes, in parts small enough that no transaction takes long.
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

_in_base = and_(
    documents.c.organization_id == knowledge_bases.c.organization_id,
    documents.c.knowledge_base_id == knowledge_bases.c.id,
)


def _count(*conditions: Any) -> Any:
    """How many documents of a knowledge base meet the conditions."""
    return select(func.count()).select_from(documents).where(_in_base, *conditions).correlate(knowledge_bases)


_chunk_sum: Any = select(cast(func.coalesce(func.sum(documents.c.chunk_count), 0), BigInteger)).where(_in_base)
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
_base_exists = exists(select(literal_column("1")).select_from(knowledge_bases).where(_in_base).correlate(documents))


def _with_id(table: Table, organization_id: str, id: str) -> Any:
    return and_(table.c.organization_id == organization_id, table.c.id == id)


def _of_base(organization_id: str, id: str) -> Any:
    """The documents of a knowledge base."""
    return and_(documents.c.organization_id == organization_id, documents.c.knowledge_base_id == id)


@query(KnowledgeBase)
def base_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_base).where(_with_id(knowledge_bases, organization_id, id))


@query(KnowledgeBase)
def base_list(organization_id: str) -> Select[Any]:
    """Newest first."""
    rows = select(*_base).where(knowledge_bases.c.organization_id == organization_id)
    return rows.order_by(knowledge_bases.c.created_at.desc(), knowledge_bases.c.id.desc())


@query(BaseState)
def base_state(organization_id: str, id: str) -> Select[Any]:
    state = select(*(knowledge_bases.c[name] for name in BaseState.__struct_fields__))
    return state.where(_with_id(knowledge_bases, organization_id, id))


@query(str)
def organization_of_base(id: str) -> Select[Any]:
    """For the operator's commands, which are given a knowledge base's id alone."""
    return select(knowledge_bases.c.organization_id).where(knowledge_bases.c.id == id)


@command
def increment_version(organization_id: str, id: str) -> Update:
    """Marks that a search may find something else from now on."""
    base = _with_id(knowledge_bases, organization_id, id)
    return update(knowledge_bases).where(base).values(version=knowledge_bases.c.version + 1)


@command
def delete_base(organization_id: str, id: str) -> Delete:
    return delete(knowledge_bases).where(_with_id(knowledge_bases, organization_id, id))


@query(Document)
def document_row(organization_id: str, id: str) -> Select[Any]:
    """A document whose knowledge base still exists: after its deletion, a job deletes its documents one by one."""
    return select(*_document).where(_with_id(documents, organization_id, id), _base_exists)


@query(Document)
def document_list(organization_id: str, knowledge_base_id: str, status: str | None = None) -> Select[Any]:
    """Newest first."""
    rows = select(*_document).where(_of_base(organization_id, knowledge_base_id))
    if status is not None:
        rows = rows.where(documents.c.status == status)
    return rows.order_by(documents.c.created_at.desc(), documents.c.id.desc())


@query(DocumentState)
def lock_document(organization_id: str, id: str) -> Select[Any]:
    """Locked until the transaction ends, where the database has row locks."""
    state = select(*_document_state).where(_with_id(documents, organization_id, id), _base_exists)
    return state.with_for_update(of=documents)


@query(DocumentState)
def lock_document_named(organization_id: str, knowledge_base_id: str, file_name: str) -> Select[Any]:
    """Locked until the transaction ends, where the database has row locks."""
    named = (_of_base(organization_id, knowledge_base_id), documents.c.file_name == file_name)
    return select(*_document_state).where(*named).with_for_update()


@query(DocumentState)
def any_document(organization_id: str, knowledge_base_id: str) -> Select[Any]:
    """Some document of a knowledge base, which may have been deleted itself."""
    return select(*_document_state).where(_of_base(organization_id, knowledge_base_id)).limit(1)


@query(LiveDocument)
def live_documents(organization_id: str, knowledge_base_id: str) -> Select[Any]:
    """The documents that searches see."""
    columns = [documents.c[name] for name in LiveDocument.__struct_fields__]
    return select(*columns).where(_of_base(organization_id, knowledge_base_id), documents.c.live_revision > 0)


@query(str)
def documents_of_feed(organization_id: str, feed_id: str) -> Select[Any]:
    return select(documents.c.id).where(documents.c.organization_id == organization_id, documents.c.feed_id == feed_id)


@command
def delete_document(organization_id: str, id: str) -> Delete:
    return delete(documents).where(_with_id(documents, organization_id, id))


@query(str)
def deleted_entry(organization_id: str, feed_id: str, name: str) -> Select[Any]:
    feed = (dropped_entries.c.organization_id == organization_id, dropped_entries.c.feed_id == feed_id)
    return select(dropped_entries.c.name).where(*feed, dropped_entries.c.name == name)


@command
def forget_deleted_entries(organization_id: str, feed_id: str) -> Delete:
    feed = (dropped_entries.c.organization_id == organization_id, dropped_entries.c.feed_id == feed_id)
    return delete(dropped_entries).where(*feed)


@query(bytes)
def upload_part(organization_id: str, upload_id: str, part: int) -> Select[Any]:
    upload = (upload_parts.c.organization_id == organization_id, upload_parts.c.upload_id == upload_id)
    return select(upload_parts.c.data).where(*upload, upload_parts.c.part == part)


@command
def delete_upload(organization_id: str, upload_id: str) -> Delete:
    upload = (upload_parts.c.organization_id == organization_id, upload_parts.c.upload_id == upload_id)
    return delete(upload_parts).where(*upload)


@command
def delete_abandoned_uploads(before: str) -> Delete:
    """Of all organizations: parts that belong to no document, such as a server leaves that dies during an upload."""
    owner: Select[Any] = select(literal_column("1")).where(
        documents.c.organization_id == upload_parts.c.organization_id,
        documents.c.upload_id == upload_parts.c.upload_id,
    )
    return delete(upload_parts).where(upload_parts.c.created_at < before, ~exists(owner.select_from(documents)))
