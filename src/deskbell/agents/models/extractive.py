"""The model that needs no endpoint: its answer is the sentences of the passages that fit the question best, each cited."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from deskbell.agents.models.base import OFFLINE, ModelRequest, ModelUsage, tokens

if TYPE_CHECKING:
    from deskbell.knowledge.answers.extractive import Quote, SourcePassage
    from deskbell.knowledge.embedders.base import Embedder

log = logging.getLogger(__name__)

NO_DOCUMENTS = (
    "I have no documents to answer from. Link a knowledge base to this agent, or set a language model for it."
)

_bracketed = re.compile(r"\[(\s*\^?\d[\d\s,;]*)\]|【(\s*\d[^】]*)】")


class Extractive:
    """`embedder` finds the sentences by meaning; without one their words decide."""

    name = OFFLINE

    def __init__(self, embedder: Embedder | None = None) -> None:
        self.embedder = embedder

    async def reply(self, request: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        """One piece per cited span. Tokens are counted as for any model, and cost nothing."""
        into = tokens(request.question) + sum(tokens(turn.text) for turn in request.history)
        into += sum(tokens(each.text) for each in request.passages)
        out = 0
        async for piece in self.sentences(request):
            yield f" {piece}" if out else piece
            out += tokens(piece)
        yield ModelUsage(into, out, 0.0, OFFLINE, grounded=True)

    async def sentences(self, request: ModelRequest) -> AsyncGenerator[str, None]:
        from deskbell.knowledge.answers import extractive as answering  # its text analysis takes a while to load

        sources = [
            answering.SourcePassage(each.text, " ".join([each.title, *each.headings]), each.score)
            for each in request.passages
        ]
        cited = await self.best(request.question, sources) if sources else []
        for each in cited:
            yield f"{plain(each.text)} [{request.passages[each.source].number}]"
        if not cited:
            yield answering.NOT_FOUND if request.searched else NO_DOCUMENTS

    async def best(self, question: str, sources: list[SourcePassage]) -> list[Quote]:
        """If the embedder fails there is still an answer: then words decide."""
        from deskbell.knowledge.answers import extractive as answering
        from deskbell.knowledge.embedders.base import EmbedderUnavailable

        if self.embedder is not None:
            try:
                return await answering.answer(question, sources, self.embedder)
            except EmbedderUnavailable as reason:
                log.warning("answering by words alone: %s", reason)
        return await answering.answer(question, sources)


def plain(text: str) -> str:
    """A quote in one line. Its own numbers in square brackets would be taken for citations, so they get round ones."""
    return _bracketed.sub(lambda found: f"({(found.group(1) or found.group(2)).strip()})", " ".join(text.split()))
