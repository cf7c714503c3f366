"""What a search returns: passages, how each was found and ranked, and what could be asked next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from deskbell.knowledge.index.model import FoundChunk
from deskbell.knowledge.model import BaseState
from deskbell.knowledge.retrieval.model import Explanation, Metadata, Method, Result
from deskbell.knowledge.scores import THRESHOLD

if TYPE_CHECKING:
    from deskbell.knowledge.index.ranking import Hit

PASSAGES = 5  # the most that a chat answers from
DIGITS = 4  # of a score as it is shown


class FoundPassage(msgspec.Struct):
    """A passage found by a search, with all that an answer or a citation needs. `source` is its file name or address."""

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


def passage_of(base: BaseState, hit: Hit, chunk: FoundChunk, top_k: int) -> FoundPassage:
    return FoundPassage(
        id=chunk.id,
        knowledge_base_id=base.id,
        knowledge_base=base.name,
        document_id=chunk.document_id,
        source=chunk.file_name,
        title=chunk.title,
        index=chunk.position,
        text=chunk.text,
        headings=msgspec.json.decode(chunk.headings),
        page=chunk.page,
        score=hit.score,
        methods=methods(hit.semantic_rank, hit.keyword_rank, top_k),
        hit=hit,
    )


def methods(semantic_rank: int | None, keyword_rank: int | None, top_k: int) -> list[Method]:
    """Which methods have found a passage: keywords, if it has a word of the question; meaning, if it is among the `top_k` nearest,
    or if nothing else has found it."""
    found_by: list[Method] = []
    if semantic_rank is not None and (semantic_rank <= top_k or keyword_rank is None):
        found_by.append("semantic")
    if keyword_rank is not None:
        found_by.append("keyword")
    return found_by


def result_of(position: int, passage: FoundPassage, *, with_ranks: bool) -> Result:
    """A passage as a search shows it, at its position among the results."""
    hit, left_out = passage.hit, why_left_out(position, passage.score)
    explanation = Explanation(
        hit.semantic_rank,
        hit.keyword_rank,
        None if hit.semantic_score is None else round(hit.semantic_score, DIGITS),
        round(hit.keyword_score, DIGITS),
        round(hit.fused, DIGITS),
        left_out is None,
        left_out,
    )
    return Result(
        passage.id,
        round(passage.score, DIGITS),
        passage.knowledge_base_id,
        passage.methods,
        Metadata(passage.document_id, passage.text, passage.source, passage.index),
        explanation if with_ranks else msgspec.UNSET,
    )


def why_left_out(position: int, score: float) -> str | None:
    """Why a chat would not answer from the result at a position, counted from 0; None if it would."""
    if score < THRESHOLD:
        return f"Its score is below {THRESHOLD}, from which a passage counts as being about the question"
    if position >= PASSAGES:
        return f"A chat answers from the {PASSAGES} best passages"
    return None


def on_topic(passages: Sequence[FoundPassage]) -> list[FoundPassage]:
    """Those that count as being about the question."""
    return [passage for passage in passages if passage.score >= THRESHOLD]
