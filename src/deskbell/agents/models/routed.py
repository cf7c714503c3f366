"""OpenRouter by way of pydantic-ai's model layer, which knows its settings, its prices and the odd ways of the models behind it.

Only the layer: its agent loop costs three times the rest of a turn. Import this module where it is needed: it takes two seconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx2
import openai
from openai import NotGiven, Omit
from openai.resources.chat.completions import AsyncCompletions
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta
from pydantic import ValidationError
from pydantic_ai.exceptions import AgentRunError, ModelHTTPError, UserError
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    UserPromptPart,
)
from pydantic_ai.messages import (
    ModelRequest as TheirRequest,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openrouter import OpenRouterModel, OpenRouterModelSettings
from pydantic_ai.providers.openrouter import OpenRouterProvider

from deskbell.agents.models import prompts
from deskbell.agents.models.base import FIRST_WAIT, Counted, ModelRequest, ModelUnavailable
from deskbell.agents.models.transport import Line, Plain, Refused, Stream

ABSENT = (Omit, NotGiven)

_parameters = ModelRequestParameters()
_settings = OpenRouterModelSettings(openrouter_usage={"include": True})
_delta = ChoiceDelta(content="")
_choice = Choice(index=0, delta=_delta)
_chunk = ChatCompletionChunk(id="", choices=[], created=0, model="", object="chat.completion.chunk")


class Client(openai.AsyncOpenAI):
    """The SDK's client as pydantic-ai wants one, with chats that go by our own line."""

    def __init__(self, line: Line) -> None:
        super().__init__(base_url=line.address.removesuffix("/chat/completions"), api_key=line.api_key, max_retries=0)
        self.chat.completions = Completions(self, line)  # type: ignore[misc] # made at first use: now


class Completions(AsyncCompletions):
    def __init__(self, client: Client, line: Line) -> None:
        super().__init__(client)
        self.line = line

    async def create(self, **given: Any) -> Any:
        headers = given.pop("extra_headers", None)
        more = given.pop("extra_body", None) or {}
        given.pop("timeout", None)
        body = {name: value for name, value in given.items() if type(value) not in ABSENT} | more
        try:
            return Chunks(await self.line.ask(body, headers))
        except Refused as refused:
            request = httpx2.Request("POST", self.line.address)
            response = httpx2.Response(refused.status, headers=dict(refused.headers), request=request)
            raise openai.APIStatusError(str(refused), response=response, body=str(refused)) from refused


class Chunks:
    """The events of an answer as the SDK's chunks."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.source = self.read()

    async def __aenter__(self) -> Chunks:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.source.aclose()
        self.stream.close()

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self.source

    async def read(self) -> AsyncGenerator[ChatCompletionChunk, None]:
        async for event in self.stream.events():
            yield chunk(event) if isinstance(event, Plain) else ChatCompletionChunk.construct(**event)


def chunk(plain: Plain) -> ChatCompletionChunk:
    head = plain.head or {}
    choice = _choice.model_copy(
        update={"delta": _delta.model_copy(update={"content": plain.text}), "finish_reason": plain.finish}
    )
    more = {name: head[name] for name in ("id", "created", "model") if head.get(name)}
    if plain.usage:
        more["usage"] = CompletionUsage.construct(**plain.usage)
    return _chunk.model_copy(update={**more, "choices": [choice]})


class Router:
    """The models of OpenRouter."""

    def __init__(self, line: Line) -> None:
        self.provider = OpenRouterProvider(openai_client=Client(line))

    async def pieces(self, name: str, asked: ModelRequest) -> AsyncGenerator[str | Counted, None]:
        """The text of a reply as it comes, none of it while the model thinks, then what the endpoint counted. Raises Refused and ModelUnavailable."""
        try:
            model = OpenRouterModel(name, provider=self.provider)
            async with model.request_stream(mapped(asked), _settings, _parameters) as stream:
                async for event in stream:
                    text = text_of(event)
                    if text or thinks(event):
                        yield text
                usage, cost = stream.usage, (stream.provider_details or {}).get("cost")
                yield Counted(usage.input_tokens, usage.output_tokens, cost)
        except ModelHTTPError as error:
            raise Refused(error.status_code, error.headers or {}, str(error.body or error)) from error
        except UserError as error:  # such as a name that no model of a router can have
            raise ModelUnavailable(str(error)) from error
        except ValidationError as error:
            raise ModelUnavailable(f"it sent an event that is none of Chat Completions: {error}") from error
        except AgentRunError as error:
            raise ModelUnavailable(str(error), FIRST_WAIT) from error


def text_of(event: object) -> str:
    """The visible text in an event of pydantic-ai's; what the model thinks to itself is none."""
    if isinstance(event, PartDeltaEvent):
        return event.delta.content_delta if isinstance(event.delta, TextPartDelta) else ""
    if isinstance(event, PartStartEvent):
        return event.part.content if isinstance(event.part, TextPart) else ""
    return ""


def thinks(event: object) -> bool:
    part = (
        event.delta if isinstance(event, PartDeltaEvent) else event.part if isinstance(event, PartStartEvent) else None
    )
    return isinstance(part, ThinkingPart | ThinkingPartDelta)


def mapped(asked: ModelRequest) -> list[ModelMessage]:
    """A question as pydantic-ai's messages."""
    made: list[ModelMessage] = [TheirRequest(parts=[SystemPromptPart(prompts.system(asked))])]
    for turn in asked.history:
        if turn.role == "user":
            made.append(TheirRequest(parts=[UserPromptPart(turn.text)]))
        else:
            made.append(ModelResponse(parts=[TextPart(turn.text)]))
    return [*made, TheirRequest(parts=[UserPromptPart(prompts.question(asked))])]
