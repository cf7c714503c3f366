"""Which model answers: the agent's own at the endpoint, the fallback if it fails, or the extractive one without an endpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from deskbell.agents.models import prompts
from deskbell.agents.models.base import DEFAULT, OFFLINE, ModelRequest, ModelUnavailable, ModelUsage, max_tokens
from deskbell.agents.models.extractive import Extractive
from deskbell.agents.models.settings import Endpoint
from deskbell.core.slice import Service

if TYPE_CHECKING:
    from deskbell.agents.models.openai_compatible import Provider

log = logging.getLogger(__name__)

REPLY_TOKENS = 4096  # assumed of a reply that does not exist yet


class Models(Service):
    """The models of one process. The endpoint's client is imported in a thread when it is first needed, since that takes a while."""

    def __init__(self, endpoint: Endpoint, extractive: Extractive) -> None:
        self.endpoint = endpoint
        self.extractive = extractive
        self.loading: asyncio.Task[Provider] | None = None

    def preload(self) -> None:
        """Starts the import that the first turn would wait for."""
        if self.endpoint.base_url and self.loading is None:
            self.loading = asyncio.create_task(asyncio.to_thread(self.load))

    def load(self) -> Provider:
        from deskbell.agents.models.openai_compatible import Provider

        return Provider(self.endpoint)

    async def provider(self) -> Provider:
        self.preload()
        assert self.loading is not None
        return await asyncio.shield(self.loading)

    async def close(self) -> None:
        if self.loading is not None:
            await (await self.provider()).close()

    def candidates(self, name: str) -> list[str]:
        """The models to ask, in this order."""
        if name == OFFLINE or not self.endpoint.base_url:
            return [OFFLINE]
        if name == DEFAULT:
            name = self.endpoint.default_model or OFFLINE
        return list(dict.fromkeys(filter(None, [name, self.endpoint.fallback_model])))

    def max_cost(self, name: str, request: ModelRequest) -> float | None:
        """The most that a reply of ordinary length may cost, in US dollars; None if the price of a model is not known beforehand."""
        into = max_tokens(prompts.system(request)) + max_tokens(prompts.question(request))
        into += sum(max_tokens(turn.text) for turn in request.history)
        named = [each for each in self.candidates(name) if each != OFFLINE]
        if not all(each in self.endpoint.prices or "*" in self.endpoint.prices for each in named):
            return None
        return max((self.endpoint.price(each, into, REPLY_TOKENS) for each in named), default=0.0)

    async def reply(self, name: str, request: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        """The pieces of a reply, then its usage. The fallback is only asked while nothing has been shown."""
        *others, last = self.candidates(name)
        for each in others:
            begun = False
            try:
                async with aclosing(self.reply_by(each, request)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except ModelUnavailable as failure:
                if begun:
                    raise
                log.warning("model %s: %s; %s is asked instead", each, failure, last)
        async with aclosing(self.reply_by(last, request)) as pieces:
            async for piece in pieces:
                yield piece

    async def reply_by(self, name: str, request: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        model = self.extractive.reply(request) if name == OFFLINE else (await self.provider()).reply(name, request)
        async with aclosing(model) as pieces:
            async for piece in pieces:
                yield piece
