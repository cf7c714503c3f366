"""Language models at an endpoint that speaks OpenAI's Chat Completions, OpenRouter included."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from deskbell.agents.models import openrouter, prompts
from deskbell.agents.models.base import FIRST_WAIT, ModelRequest, ModelUnavailable, ModelUsage, tokens
from deskbell.agents.models.events import ChatEvents, TextEvents, has_reasoning, text_in
from deskbell.agents.models.reply_text import ReplyText
from deskbell.agents.models.settings import Endpoint
from deskbell.agents.models.suggestions import SECONDS, questions
from deskbell.agents.models.transport import ChatTransport, EndpointError

log = logging.getLogger(__name__)

MAX_WAIT = 5.0  # seconds before another attempt
MAX_TURN = 600.0  # seconds from the first attempt to the last word
MAX_TOKENS, MAX_COST = 10**9, 1000.0  # beyond these an endpoint's count is wrong; the cost in US dollars


class Provider:
    """One endpoint and the connections to it, for every model that it has."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.transport = ChatTransport(endpoint.base_url, endpoint.api_key)
        self.is_openrouter = openrouter.is_openrouter(endpoint.base_url)

    async def close(self) -> None:
        await self.transport.close()

    async def reply(self, name: str, request: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        """A model's answer. Until its first piece it is asked again where that may help; afterwards never."""
        attempts, end = 0, asyncio.get_running_loop().time() + MAX_TURN
        while True:
            begun = False
            try:
                async with aclosing(self.attempt(name, request, end)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except ModelUnavailable as failure:
                if begun or failure.retry_after is None or attempts >= self.endpoint.retries:
                    raise
                attempts += 1
                log.warning("model %s: %s; asked again", name, failure)
                await asyncio.sleep(max(failure.retry_after, FIRST_WAIT * 2**attempts * random.uniform(0.5, 1)))

    async def attempt(self, name: str, request: ModelRequest, end: float) -> AsyncGenerator[str | ModelUsage, None]:
        """One attempt. Once the text is complete, a failure in the suggestions behind it only costs the suggestions."""
        clock = asyncio.get_running_loop().time
        text, reported = ReplyText(suggest=request.suggest), {}
        try:
            async with asyncio.timeout(self.endpoint.first_byte_seconds) as timeout:
                async with aclosing(self.pieces(name, request)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, dict):
                            reported = piece
                            continue
                        complete = text.complete
                        if shown := text.feed(piece):
                            yield shown
                        if text.complete and not complete:
                            end = min(end, clock() + SECONDS)
                        timeout.reschedule(min(clock() + self.endpoint.idle_seconds, end))
        except (TimeoutError, ModelUnavailable, EndpointError) as failure:
            if not text.complete:
                raise self.unavailable(failure) from failure
            log.warning("model %s: its suggestions are left out: %s", name, self.unavailable(failure))
            text.drop_suggestions()
        if shown := text.end():
            yield shown
        if not text.shown:
            raise ModelUnavailable("it answered without a word")
        already = [request.question, *(turn.text for turn in request.history if turn.role == "user")]
        usage = self.usage(name, request, reported, text.tokens)
        yield usage._replace(follow_ups=questions(text.suggestions, already))

    async def pieces(self, name: str, request: ModelRequest) -> AsyncGenerator[str | dict[str, Any], None]:
        """The text of a reply as it arrives, empty while the model reasons, and the usage that the endpoint reports."""
        stream = ChatEvents(await self.transport.post(self.body(name, request)))
        try:
            async with aclosing(stream.events()) as events:
                async for event in events:
                    if isinstance(event, TextEvents):
                        text, usage = event.text, event.usage
                    else:
                        text, usage = text_in(event), event.get("usage")
                    if text or (isinstance(event, dict) and has_reasoning(event)):
                        yield text
                    if isinstance(usage, dict):
                        yield usage
        finally:
            stream.close()

    def body(self, name: str, request: ModelRequest) -> dict[str, Any]:
        extras = openrouter.extras(name, self.endpoint.openrouter_providers) if self.is_openrouter else {}
        return {
            "model": name,
            "messages": messages(request),
            "stream": True,
            "stream_options": {"include_usage": True},
            **extras,
        }

    def unavailable(self, failure: Exception) -> ModelUnavailable:
        """A failure in words for the log."""
        if isinstance(failure, TimeoutError):
            return ModelUnavailable("it was silent, or wrote, for too long")
        if isinstance(failure, EndpointError):
            return ModelUnavailable(self.without_key(f"it answered {failure}"), failure.retry_after(MAX_WAIT))
        return ModelUnavailable(self.without_key(str(failure)), getattr(failure, "retry_after", None))

    def without_key(self, reason: str) -> str:
        """What may be written into a log; some endpoints repeat the key that they refuse."""
        return (reason.replace(self.endpoint.api_key, "***") if self.endpoint.api_key else reason)[:300]

    def usage(self, name: str, request: ModelRequest, reported: dict[str, Any], written: int) -> ModelUsage:
        """What the endpoint reports, its price included where it has one. Where it reports nothing plausible, an estimate."""
        into = plausible(reported.get("prompt_tokens"))
        into = into or sum(tokens(each["content"]) for each in messages(request))
        out = plausible(reported.get("completion_tokens")) or written
        cost: Any = reported.get("cost")
        if type(cost) not in (int, float) or not 0 <= cost <= MAX_COST:
            cost = self.endpoint.price(name, into, out)
        return ModelUsage(into, out, float(cost), name)


def messages(request: ModelRequest) -> list[dict[str, str]]:
    """A request as the messages of Chat Completions."""
    made = [{"role": "system", "content": prompts.system(request)}]
    made += [{"role": turn.role, "content": turn.text} for turn in request.history]
    return [*made, {"role": "user", "content": prompts.question(request)}]


def plausible(number: Any) -> int:
    """A number of tokens; 0 where it cannot be one."""
    return number if type(number) is int and 0 < number <= MAX_TOKENS else 0
