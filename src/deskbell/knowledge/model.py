"""Records and commands of knowledge bases and their documents, as `/v1` returns and takes them, and the rows behind them."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Precise
from deskbell.foundation.pagination import Pagination, Window

Status = Literal["queued", "processing", "ready", "failed"]
Kind = Literal["file", "text", "url", "feed", "entry"]

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Price sheets"])]
Address = Annotated[str, Meta(max_length=2000)]
Title = Annotated[str, Meta(max_length=500, examples=["Opening hours"])]
Text = Annotated[str, Meta(examples=["We are open from eight to five on weekdays."])]
Description = Annotated[str, Meta(max_length=2000, examples=["What we charge, by roof type"])]


class NewKnowledgeBase(msgspec.Struct, kw_only=True):
    """A knowledge base to create."""

    name: Annotated[Name, Meta(description="What people call it; shown with the sources of a chat")]
    description: Annotated[Description, Meta(description="What it is for")] | None = None


class KnowledgeBase(msgspec.Struct, rename="camel"):
    """A knowledge base and how much it holds. `readyCount` counts the documents whose newest content searches see."""

    id: str
    name: str
    description: str | None
    document_count: int
    ready_count: int
    failed_count: int
    chunk_count: int
    created_at: Precise
    updated_at: Precise


class Document(msgspec.Struct, rename="camel"):
    """A document and the state of its indexing. `progress` is a percentage; `error` says in plain words why it failed."""

    id: str
    knowledge_base_id: str
    file_name: str
    kind: Kind
    url: str | None
    title: str | None
    feed_id: str | None
    status: Status
    progress: int
    error: str | None
    bytes: int
    chunk_count: int
    created_at: Precise
    updated_at: Precise


class NewDocument(msgspec.Struct, kw_only=True):
    """A document that is not a file: a public address, a feed, or a text with its title."""

    url: Annotated[Address, Meta(description="A public web page or file")] | None = None
    feed_url: Annotated[Address, Meta(description="A feed, RSS or Atom; each entry becomes a document")] | None = None
    title: Annotated[Title, Meta(description="The name of `text`")] | None = None
    text: Annotated[Text, Meta(description="The text itself; Markdown headings are understood")] | None = None


class DocumentWindow(Window, kw_only=True):
    """Which documents to list."""

    status: Annotated[Status, Meta(description="Only documents in this state")] | UnsetType = UNSET


class KnowledgeBases(msgspec.Struct, rename="camel"):
    """One page of the list of knowledge bases."""

    knowledge_bases: list[KnowledgeBase]
    pagination: Pagination


class Documents(msgspec.Struct):
    """One page of the list of documents."""

    documents: list[Document]
    pagination: Pagination


class DocumentDraft(msgspec.Struct):
    """A document before it has an id. File names are unique within a knowledge base: the same name means new content."""

    kind: Kind
    file_name: str
    url: str | None = None
    media_type: str | None = None
    upload_id: str | None = None
    bytes: int = 0
    feed_id: str | None = None
    digest: str | None = None


class BaseState(msgspec.Struct):
    """What a search needs to know of a knowledge base. `version` grows with every change that a search could notice.

    `calibration` is a `FittedCalibration` as JSON, if there is one.
    """

    id: str
    name: str
    version: int
    embedder: str | None
    calibration: str | None = None


class RevisionKey(NamedTuple):
    """Identifies the chunks of one revision of a document."""

    knowledge_base_id: str
    document_id: str
    revision: int


class DocumentState(msgspec.Struct):
    """A document as indexing sees it."""

    id: str
    knowledge_base_id: str
    feed_id: str | None
    kind: Kind
    file_name: str
    url: str | None
    media_type: str | None
    digest: str | None
    upload_id: str | None
    status: Status
    revision: int
    stored_revision: int
    live_revision: int
    chunk_count: int

    @property
    def newest(self) -> RevisionKey:
        """The key of its newest revision."""
        return RevisionKey(self.knowledge_base_id, self.id, self.revision)


class LiveDocument(msgspec.Struct):
    """A document that searches see, and the revision that they see."""

    id: str
    live_revision: int
    chunk_count: int


class BaseRef(msgspec.Struct):
    """A knowledge base of any organization."""

    organization_id: str
    id: str
