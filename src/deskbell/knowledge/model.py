"""Records and commands of knowledge bases, their documents and searches, as `/v1` shows and takes them."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Precise
from deskbell.foundation.pagination import Pagination, Window

Status = Literal["queued", "processing", "ready", "failed"]
Kind = Literal["file", "text", "url", "feed", "entry"]
Method = Literal["semantic", "keyword"]

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", examples=["Price sheets"])]
Address = Annotated[str, Meta(max_length=2000)]
Title = Annotated[str, Meta(max_length=500, examples=["Opening hours"])]
Text = Annotated[str, Meta(examples=["We are open from eight to five on weekdays."])]
Description = Annotated[str, Meta(max_length=2000, examples=["What we charge, by roof type"])]


class NewKnowledgeBase(msgspec.Struct, kw_only=True):
    """A knowledge base that is to be made."""

    name: Annotated[Name, Meta(description="What people call it; sources of a chat show it")]
    description: Annotated[Description, Meta(description="What it is for")] | None = None


class KnowledgeBase(msgspec.Struct, rename="camel"):
    """A knowledge base with what it holds. `ready` are documents that searches see in their newest form."""

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
    """A document and how far its indexing is. `progress` is a percentage; `error` says in plain words why it failed."""

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
    """What a document is made of, if it is no file: a public address, a feed, or a text with its title."""

    url: Annotated[Address, Meta(description="A public web page or file")] | None = None
    feed_url: Annotated[Address, Meta(description="A feed, RSS or Atom; each entry becomes a document")] | None = None
    title: Annotated[Title, Meta(description="The name of `text`")] | None = None
    text: Annotated[Text, Meta(description="The text itself; Markdown headings are understood")] | None = None


class DocumentWindow(Window, kw_only=True):
    """Which documents are listed."""

    status: Annotated[Status, Meta(description="Only documents in this state")] | UnsetType = UNSET


class KnowledgeBases(msgspec.Struct, rename="camel"):
    """A part of the list of knowledge bases."""

    knowledge_bases: list[KnowledgeBase]
    pagination: Pagination


class Documents(msgspec.Struct):
    """A part of the list of documents."""

    documents: list[Document]
    pagination: Pagination


class DocumentDraft(msgspec.Struct):
    """A document that is to be, before it has an id. A name is unique within its knowledge base: the same name is new content."""

    kind: Kind
    file_name: str
    url: str | None = None
    media_type: str | None = None
    upload_id: str | None = None
    bytes: int = 0
    feed_id: str | None = None
    digest: str | None = None


class SearchQuery(msgspec.Struct, kw_only=True):
    """What is searched for, and where."""

    kb_id: Annotated[str, Meta(description="The knowledge base that is searched", examples=["kb_4fJx0QmTz81LbRcw"])]
    query: Annotated[
        str, Meta(max_length=10_000, description="A question, or words", examples=["What does a new roof cost?"])
    ]
    top_k: Annotated[int, Meta(ge=1, le=100, description="At most so many results")] = 5
    explain: Annotated[bool, Meta(description="Add to each result how it was ranked")] = False


class Metadata(msgspec.Struct, rename="camel"):
    """Where a result stands: `chunk_index` counts the document's passages from 0; the file name of a web page is its address."""

    document_id: str
    text: str
    file_name: str
    chunk_index: int


class Explanation(msgspec.Struct, rename="camel"):
    """How a result was ranked. Ranks count from 1 within the knowledge base; `keyword_score` is BM25, `semantic_score` a cosine,
    `fused_score` their weighted sum, of which `score` is the calibrated reading. `left_out` says why a chat would not use it."""

    semantic_rank: int | None
    keyword_rank: int | None
    semantic_score: float | None
    keyword_score: float
    fused_score: float
    used_in_chat: bool
    left_out: str | None


class Result(msgspec.Struct, rename="camel"):
    """A passage that was found."""

    id: str
    score: Annotated[float, Meta(ge=0, le=1)]
    knowledge_base_id: str
    discovery_methods: list[Method]
    metadata: Metadata
    explain: Explanation | UnsetType = UNSET


class SearchAnswer(msgspec.Struct, rename="camel"):
    """What was found, the best first, and what could be asked next."""

    results: list[Result]
    suggested_follow_ups: list[str]


class BaseState(msgspec.Struct):
    """What a search must know of a knowledge base: `version` moves with everything that a search may find.

    `calibration` is a `FittedCalibration` as JSON, where one was made.
    """

    id: str
    name: str
    version: int
    embedder: str | None
    calibration: str | None = None


class RevisionKey(NamedTuple):
    """Where the chunks of one content of a document stand."""

    knowledge_base_id: str
    document_id: str
    revision: int


class DocumentState(msgspec.Struct):
    """A document as its indexing sees it."""

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
    def place(self) -> RevisionKey:
        """Of its newest content."""
        return RevisionKey(self.knowledge_base_id, self.id, self.revision)


class LiveDocument(msgspec.Struct):
    """A document that searches see, and which of its revisions."""

    id: str
    live_revision: int
    chunk_count: int


class ChunkRow(msgspec.Struct):
    """A chunk as an index takes it in. Terms are separated by spaces; the vector is float16."""

    position: int
    id: str
    language: str
    title_terms: str
    text_terms: str
    vector: bytes | None


class UnembeddedChunk(msgspec.Struct):
    """A chunk that has no vector of some embedder yet."""

    position: int
    title: str
    headings: msgspec.Raw
    text: str


class ChunkHeading(msgspec.Struct):
    """What stands above a chunk."""

    title: str
    headings: msgspec.Raw


class StaleChunk(msgspec.Struct):
    """Where a chunk stands that nobody sees any more."""

    revision: int
    position: int


class NeighbourChunk(msgspec.Struct):
    """What stands before or behind a chunk."""

    headings: msgspec.Raw
    text: str


class BaseRef(msgspec.Struct):
    """A knowledge base of any organization."""

    organization_id: str
    id: str


class FoundChunk(msgspec.Struct):
    """What is shown of a chunk."""

    id: str
    document_id: str
    file_name: str
    url: str | None
    title: str
    position: int
    text: str
    headings: msgspec.Raw
    page: int | None
