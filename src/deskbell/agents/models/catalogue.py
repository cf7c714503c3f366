"""Which model answers: the agent's own at the endpoint, the fallback where it fails, or the one that needs no endpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from deskbell.agents.models import prompts
from deskbell.agents.models.base import DEFAULT, OFFLINE, ModelRequest, ModelUnavailable, ModelUsage, at_most
from deskbell.agents.models.extractive import Extractive
from deskbell.agents.models.settings import Endpoint

if TYPE_CHECKING:
    from deskbell.agents.models.openai_compatible import Provider

log = logging.getLogger(__name__)

REPLY_TOKENS = 4096  # that a reply is taken to have at most, before it is there


class Models:
    """The models of one process. The endpoint's client is loaded when it is first needed, beside the event loop: it takes seconds."""

    def __init__(self, endpoint: Endpoint, extractive: Extractive) -> None:
        self.endpoint = endpoint
        self.extractive = extractive
        self.loading: asyncio.Task[Provider] | None = None

    def warm(self) -> None:
        """Begins to load what the first turn would wait for."""
        if self.endpoint.base_url and self.loading is None:
            self.loading = asyncio.create_task(asyncio.to_thread(self.load))

    def load(self) -> Provider:
        from deskbell.agents.models.openai_compatible import Provider

        return Provider(self.endpoint)

    async def provider(self) -> Provider:
        self.warm()
        assert self.loading is not None
        return await asyncio.shield(self.loading)

    async def close(self) -> None:
        if self.loading is not None:
            await (await self.provider()).close()

    def chosen(self, name: str) -> list[str]:
        """The models to ask, in their order."""
        if name == OFFLINE or not self.endpoint.base_url:
            return [OFFLINE]
        if name == DEFAULT:
            name = self.endpoint.default_model or OFFLINE
        return list(dict.fromkeys(filter(None, [name, self.endpoint.fallback_model])))

    def most(self, name: str, asked: ModelRequest) -> float | None:
        """What a reply may cost, in US dollars, if it is not very long; None where a model has no price that is known beforehand."""
        into = at_most(prompts.system(asked)) + at_most(prompts.question(asked))
        into += sum(at_most(turn.text) for turn in asked.history)
        named = [each for each in self.chosen(name) if each != OFFLINE]
        if not all(each in self.endpoint.prices or "*" in self.endpoint.prices for each in named):
            return None
        return max((self.endpoint.price(each, into, REPLY_TOKENS) for each in named), default=0.0)

    async def reply(self, name: str, asked: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        """The pieces of a reply, then what it took. The fallback is asked only while nothing has been said."""
        *others, last = self.chosen(name)
        for each in others:
            begun = False
            try:
                async with aclosing(self.one(each, asked)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except ModelUnavailable as failure:
                if begun:
                    raise
                log.warning("model %s: %s; %s is asked instead", each, failure, last)
        async with aclosing(self.one(last, asked)) as pieces:
            async for piece in pieces:
                yield piece

    async def one(self, name: str, asked: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        model = self.extractive.reply(asked) if name == OFFLINE else (await self.provider()).reply(name, asked)
        async with aclosing(model) as pieces:
            async for piece in pieces:
                yield piece
