"""Commands and records of searches, as `/v1` takes and returns them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Method = Literal["semantic", "keyword"]


class SearchQuery(msgspec.Struct, kw_only=True):
    """What to search for, and where."""

    kb_id: Annotated[str, Meta(description="The knowledge base to search", examples=["kb_4fJx0QmTz81LbRcw"])]
    query: Annotated[
        str, Meta(max_length=10_000, description="A question, or words", examples=["What does a new roof cost?"])
    ]
    top_k: Annotated[int, Meta(ge=1, le=100, description="The most results to return")] = 5
    explain: Annotated[bool, Meta(description="Add to each result how it was ranked")] = False


class Metadata(msgspec.Struct, rename="camel"):
    """Where a result comes from: `chunkIndex` counts the document's passages from 0; the file name of a web page is its address."""

    document_id: str
    text: str
    file_name: str
    chunk_index: int


class Explanation(msgspec.Struct, rename="camel"):
    """How a result was ranked. Ranks count from 1 within the knowledge base; `keywordScore` is BM25, `semanticScore` a cosine and
    `fusedScore` their weighted sum, which calibration turns into `score`. `leftOut` says why a chat would not use the result."""

    semantic_rank: int | None
    keyword_rank: int | None
    semantic_score: float | None
    keyword_score: float
    fused_score: float
    used_in_chat: bool
    left_out: str | None


class Result(msgspec.Struct, rename="camel"):
    """A passage found by a search."""

    id: str
    score: Annotated[float, Meta(ge=0, le=1)]
    knowledge_base_id: str
    discovery_methods: list[Method]
    metadata: Metadata
    explain: Explanation | UnsetType = UNSET


class SearchAnswer(msgspec.Struct, rename="camel"):
    """The results, best first, and questions that could be asked next."""

    results: list[Result]
    suggested_follow_ups: list[str]
