"""Any endpoint that speaks OpenAI's Chat Completions; OpenRouter, which has rules of its own, by way of `routed.py`."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from deskbell.agents.models import prompts
from deskbell.agents.models.base import (
    FIRST_WAIT,
    LONGEST_REPLY,
    Counted,
    ModelRequest,
    ModelUnavailable,
    ModelUsage,
    tokens,
)
from deskbell.agents.models.reasoning import ReasoningFilter
from deskbell.agents.models.settings import Endpoint
from deskbell.agents.models.suggestions import SECONDS, FollowUpSplitter, questions
from deskbell.agents.models.transport import Line, Plain, Refused, text_in, thinks

log = logging.getLogger(__name__)

LONGEST_WAIT = 5.0  # seconds before another try
LONGEST_TURN = 600.0  # seconds from the first try to the last word
MOST_TOKENS, MOST_COST = 10**9, 1000.0  # that an endpoint may say a reply has taken; the cost in US dollars
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
ROUTERS = ("openrouter.ai",)


class Provider:
    """One endpoint and the connections to it, for every model that it has."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.line = Line(endpoint.base_url, endpoint.api_key)
        host = urlsplit(endpoint.base_url).hostname or ""
        routed = any(f".{host}".endswith(f".{router}") for router in ROUTERS)
        self.pieces = import_module("deskbell.agents.models.routed").Router(self.line).pieces if routed else self.direct

    async def close(self) -> None:
        self.line.connections.close()

    async def reply(self, name: str, asked: ModelRequest) -> AsyncGenerator[str | ModelUsage, None]:
        """A model's answer. Until its first piece it is asked again where that may help; afterwards never."""
        tries, end = 0, asyncio.get_running_loop().time() + LONGEST_TURN
        while True:
            begun = False
            try:
                async with aclosing(self.once(name, asked, end)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except ModelUnavailable as failure:
                if begun or failure.retry_after is None or tries >= self.endpoint.retries:
                    raise
                tries += 1
                log.warning("model %s: %s; asked again", name, failure)
                await asyncio.sleep(max(failure.retry_after, FIRST_WAIT * 2**tries * random.uniform(0.5, 1)))

    async def once(self, name: str, asked: ModelRequest, end: float) -> AsyncGenerator[str | ModelUsage, None]:
        """One try. Once the text is whole, what goes wrong with the suggestions behind it costs nothing but these."""
        clock = asyncio.get_running_loop().time
        thoughts, parted, counted = ReasoningFilter(), FollowUpSplitter(), Counted()
        written, length, said = 0, 0, False
        try:
            async with asyncio.timeout(self.endpoint.first_byte_seconds) as patience:
                async with aclosing(self.pieces(name, asked)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Counted):
                            counted = piece
                            continue
                        written, length = written + tokens(piece), length + len(piece)
                        if length > LONGEST_REPLY:
                            raise ModelUnavailable(f"the answer is longer than {LONGEST_REPLY} characters")
                        whole = parted.begun
                        text = thoughts.feed(piece)
                        if shown := parted.feed(text) if asked.suggest else text:
                            said = True
                            yield shown
                        if parted.begun and not whole:
                            end = min(end, clock() + SECONDS)
                        patience.reschedule(min(clock() + self.endpoint.idle_seconds, end))
        except (TimeoutError, ModelUnavailable, Refused) as failure:
            if not parted.begun:
                raise self.unavailable(failure) from failure
            log.warning("model %s: its suggestions are left out: %s", name, self.unavailable(failure))
            parted.rest = ""
        rest = thoughts.end()
        if shown := (parted.feed(rest) if asked.suggest else rest) + parted.end():
            said = True
            yield shown
        if not said:
            raise ModelUnavailable("it answered without a word")
        spent = self.spent(name, asked, counted, written)
        already = [asked.question, *(turn.text for turn in asked.history if turn.role == "user")]
        yield spent._replace(follow_ups=questions(parted.rest, already))

    def unavailable(self, failure: Exception) -> ModelUnavailable:
        """What went wrong, in words for the log."""
        if isinstance(failure, TimeoutError):
            return ModelUnavailable("it was silent, or wrote, for too long")
        if isinstance(failure, Refused):
            return ModelUnavailable(self.without_key(f"it answered {failure}"), wait(failure))
        return ModelUnavailable(self.without_key(str(failure)), getattr(failure, "retry_after", None))

    async def direct(self, name: str, asked: ModelRequest) -> AsyncGenerator[str | Counted, None]:
        """The text of a reply as it comes, none of it while the model thinks, and what the endpoint counted."""
        body = {
            "model": name,
            "messages": messages(asked),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        stream = await self.line.ask(body)
        try:
            async with aclosing(stream.events()) as events:
                async for event in events:
                    text = event.text if isinstance(event, Plain) else text_in(event)
                    if text or (isinstance(event, dict) and thinks(event)):
                        yield text
                    usage = event.usage if isinstance(event, Plain) else event.get("usage")
                    if isinstance(usage, dict):
                        yield counted(usage)
        finally:
            stream.close()

    def without_key(self, reason: str) -> str:
        """What may be written into a log; some endpoints repeat the key that they refuse."""
        return (reason.replace(self.endpoint.api_key, "***") if self.endpoint.api_key else reason)[:300]

    def spent(self, name: str, asked: ModelRequest, counted: Counted, written: int) -> ModelUsage:
        """What the endpoint counted; where it did not count, an estimate."""
        into, out = natural(counted.input_tokens), natural(counted.output_tokens) or written
        if not into:
            into = sum(tokens(each["content"]) for each in messages(asked))
        cost: Any = counted.cost
        if type(cost) not in (int, float) or not 0 <= cost <= MOST_COST:
            cost = self.endpoint.price(name, into, out)
        return ModelUsage(into, out, float(cost), name)


def messages(asked: ModelRequest) -> list[dict[str, str]]:
    """A question as the messages of Chat Completions."""
    made = [{"role": "system", "content": prompts.system(asked)}]
    made += [{"role": turn.role, "content": turn.text} for turn in asked.history]
    return [*made, {"role": "user", "content": prompts.question(asked)}]


def counted(usage: dict[str, Any]) -> Counted:
    """What an endpoint says that it took; OpenRouter and some proxies say the price too."""
    into, out, cost = (usage.get(name) for name in ("prompt_tokens", "completion_tokens", "cost"))
    return Counted(natural(into), natural(out), cost)


def natural(number: Any) -> int:
    """A number of tokens; 0 where it can be none, and an estimate is better."""
    return number if type(number) is int and 0 < number <= MOST_TOKENS else 0


def wait(refused: Refused) -> float | None:
    """Seconds until another try, as the endpoint wishes where that is soon; None where none would help."""
    if refused.status not in AGAIN:
        return None
    wished = refused.headers.get("retry-after", "")
    seconds = float(wished) if wished.isdecimal() else 0.0
    return None if seconds > LONGEST_WAIT else max(seconds, FIRST_WAIT)
