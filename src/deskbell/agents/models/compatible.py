"""Any endpoint that speaks OpenAI's Chat Completions, OpenRouter among them, by way of pydantic-ai's model layer.

Its agent loop is not used: for one question without tools it costs three times the rest of a turn. Import this module where it is
needed: it takes two seconds.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from pydantic_ai.exceptions import AgentRunError, ModelHTTPError, UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIStreamedResponse
from pydantic_ai.models.openrouter import OpenRouterModel, OpenRouterModelSettings
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider
from pydantic_ai.settings import ModelSettings

from deskbell.agents.models import prompts
from deskbell.agents.models.base import FIRST_WAIT, Asked, Spent, Unavailable, tokens
from deskbell.agents.models.settings import Endpoint
from deskbell.agents.models.transport import Client

log = logging.getLogger(__name__)

LONGEST_WAIT = 5.0  # seconds before another try
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

_parameters = ModelRequestParameters()


class Costed(OpenAIStreamedResponse):
    """Keeps what an endpoint says about its price, as OpenRouter and some proxies do."""

    def _map_chunk_provider_details(self, chunk: Any) -> dict[str, Any] | None:
        cost = getattr(chunk.usage, "cost", None)
        return {"cost": cost} if isinstance(cost, (int, float)) else None


class ChatModel(OpenAIChatModel):
    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return Costed


class Provider:
    """One endpoint and the connections to it, for every model that it has."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.client = Client(endpoint.base_url, endpoint.api_key)
        self.routed = (urlsplit(endpoint.base_url).hostname or "").endswith("openrouter.ai")
        self.settings: ModelSettings | None = (
            OpenRouterModelSettings(openrouter_usage={"include": True}) if self.routed else None
        )
        self.model = lru_cache(maxsize=256)(self.made)

    def made(self, name: str) -> OpenAIChatModel:
        if self.routed:
            return OpenRouterModel(name, provider=OpenRouterProvider(openai_client=self.client))
        return ChatModel(name, provider=OpenAIProvider(openai_client=self.client))

    async def close(self) -> None:
        self.client.connections.close()
        await self.client.close()

    async def reply(self, name: str, asked: Asked) -> AsyncGenerator[str | Spent, None]:
        """A model's answer. Until its first piece it is asked again where that may help; afterwards never."""
        messages = mapped(asked)
        tries = 0
        while True:
            begun = False
            try:
                async for piece in self.once(name, messages):
                    begun = True
                    yield piece
                return
            except Unavailable as failure:
                if begun or failure.again is None or tries >= self.endpoint.retries:
                    raise
                tries += 1
                log.warning("model %s: %s; asked again", name, failure)
                await asyncio.sleep(max(failure.again, FIRST_WAIT * 2**tries * random.uniform(0.5, 1)))

    async def once(self, name: str, messages: list[ModelMessage]) -> AsyncGenerator[str | Spent, None]:
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(self.endpoint.first_byte_seconds) as patience:
                async with self.model(name).request_stream(messages, self.settings, _parameters) as stream:
                    written = 0
                    async for event in stream:
                        if not (text := text_of(event)):
                            continue
                        patience.reschedule(clock() + self.endpoint.idle_seconds)
                        written += tokens(text)
                        yield text
                    if not written:
                        raise Unavailable("it answered without a word")
                    yield self.spent(name, messages, stream, written)
        except TimeoutError:
            raise Unavailable("it was silent for too long") from None
        except Unavailable:
            raise
        except ModelHTTPError as error:
            raise Unavailable(self.without_key(f"it answered {error.body or error}"), wait(error)) from error
        except (AgentRunError, UserError) as error:
            raise Unavailable(self.without_key(str(error)), FIRST_WAIT) from error

    def without_key(self, reason: str) -> str:
        """What may be written into a log; some endpoints repeat the key that they refuse."""
        return (reason.replace(self.endpoint.api_key, "***") if self.endpoint.api_key else reason)[:300]

    def spent(self, name: str, messages: list[ModelMessage], stream: StreamedResponse, written: int) -> Spent:
        """What the endpoint counted; where it did not count, an estimate."""
        usage = stream.usage
        into, out = usage.input_tokens, usage.output_tokens
        if not into:
            into = sum(tokens(str(getattr(part, "content", ""))) for each in messages for part in each.parts)
        cost = (stream.provider_details or {}).get("cost")
        if cost is None:
            cost = self.endpoint.price(name, into, out or written)
        return Spent(into, out or written, float(cost), name)


def text_of(event: object) -> str:
    """The visible text in an event of pydantic-ai's; what the model thinks to itself is none."""
    if isinstance(event, PartDeltaEvent):
        return event.delta.content_delta if isinstance(event.delta, TextPartDelta) else ""
    if isinstance(event, PartStartEvent):
        return event.part.content if isinstance(event.part, TextPart) else ""
    return ""


def mapped(asked: Asked) -> list[ModelMessage]:
    """A question as pydantic-ai's messages."""
    made: list[ModelMessage] = [ModelRequest(parts=[SystemPromptPart(prompts.system(asked))])]
    for turn in asked.history:
        if turn.role == "user":
            made.append(ModelRequest(parts=[UserPromptPart(turn.text)]))
        else:
            made.append(ModelResponse(parts=[TextPart(turn.text)]))
    return [*made, ModelRequest(parts=[UserPromptPart(prompts.question(asked))])]


def wait(error: ModelHTTPError) -> float | None:
    """Seconds until another try, as the endpoint wishes where that is soon; None where none would help."""
    if error.status_code not in AGAIN:
        return None
    wished = (error.headers or {}).get("retry-after", "")
    seconds = float(wished) if wished.isdigit() else 0.0
    return None if seconds > LONGEST_WAIT else max(seconds, FIRST_WAIT)
