"""Chat Completions over kept connections, in the place of the OpenAI SDK's own reading and writing.

The SDK walks through every message of a request by its type hints and builds each token's event from them too: measured, 4 ms per
turn and 0.3 ms per token, which is all of what fifty streaming chats may cost. A request needs neither, and tokens that arrive
together are passed on together.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx2
import msgspec
import openai
from openai import NotGiven, Omit
from openai.resources.chat.completions import AsyncCompletions
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta

from deskbell.agents.models.base import FIRST_WAIT, LONGEST_REPLY, Unavailable
from deskbell.agents.models.connections import Answer, Broken, Connections

LONGEST_LINE = 4 * 1024 * 1024  # bytes of one event
LONGEST_ERROR = 16 * 1024  # bytes of an error's body that are read
ABSENT = (Omit, NotGiven)
MOST_TOOL_CALLS = 100  # in one reply

_delta = ChoiceDelta(content="")
_choice = Choice(index=0, delta=_delta)
_chunk = ChatCompletionChunk(id="", choices=[], created=0, model="", object="chat.completion.chunk")
_decode = msgspec.json.Decoder().decode


class Client(openai.AsyncOpenAI):
    """The SDK's client as pydantic-ai wants one, with chats that go by this module."""

    def __init__(self, base_url: str, api_key: str) -> None:
        # The SDK must be given a key; local servers often want none.
        super().__init__(base_url=base_url, api_key=api_key or "none", max_retries=0)
        self.address = base_url.rstrip("/") + "/chat/completions"
        self.connections = Connections(self.address)
        self.chat.completions = Completions(self)  # type: ignore[misc] # made at first use: now


class Completions(AsyncCompletions):
    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.client = client

    async def create(self, **given: Any) -> Any:
        """Sends a request and answers with its events, once the head of the answer is there."""
        headers = given.pop("extra_headers", None) or {}
        more = given.pop("extra_body", None) or {}
        given.pop("timeout", None)
        body = {name: value for name, value in given.items() if type(value) not in ABSENT} | more
        try:
            answer = await self.client.connections.post(
                {
                    **headers,
                    "authorization": f"Bearer {self.client.api_key}",
                    "content-type": "application/json",
                    "accept": "text/event-stream",
                    "accept-encoding": "identity",
                },
                msgspec.json.encode(body),
            )
        except Broken as broken:
            raise Unavailable(str(broken), FIRST_WAIT) from broken
        if answer.status != 200:
            raise await refusal(answer, self.client.address)
        return Stream(answer)


async def refusal(answer: Answer, address: str) -> Exception:
    """What an answer other than 200 means."""
    text = b""
    with contextlib.suppress(Broken):
        async for data in answer.body():
            text += data
            if len(text) > LONGEST_ERROR:
                break
    answer.close()
    if answer.status < 400:
        return Unavailable(f"it answered {answer.status}, which is neither an answer nor an error")
    shown = f"{answer.status}: {text[:300].decode(errors='replace')}"
    request = httpx2.Request("POST", address)
    response = httpx2.Response(answer.status, headers=dict(answer.headers), request=request)
    return openai.APIStatusError(shown, response=response, body=shown)


class Stream:
    """The events of one answer as the SDK's chunks. Raises Unavailable where they are no answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.text = 0
        self.tool_calls = 0
        self.ended = False
        self.source = self.read()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.source.aclose()
        self.answer.close()

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self.source

    async def read(self) -> AsyncGenerator[ChatCompletionChunk, None]:
        kind = self.answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("text/event-stream", "application/json"):
            raise Unavailable(f"it answered with {kind or 'something'} instead of a stream of events")
        try:
            async for lines in self.lines() if kind == "text/event-stream" else self.at_once():
                for chunk in self.merged(lines):
                    yield chunk
        except Broken as broken:
            raise Unavailable(str(broken)) from broken
        if not self.ended:
            raise Unavailable("the answer ended in the middle")

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """The data lines of events (HTML standard, 9.2), those that arrived together in one list."""
        rest = b""
        async for data in self.answer.body():
            *whole, rest = (rest + data).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise Unavailable("one event of the answer has no end")
            yield [line[5:].strip() for line in whole if line.startswith(b"data:")]
        if rest.startswith(b"data:"):
            yield [rest[5:].strip()]

    async def at_once(self) -> AsyncIterator[list[bytes]]:
        """The answer of an endpoint that does not stream, as one event."""
        text = b""
        async for data in self.answer.body():
            text += data
            if len(text) > LONGEST_LINE:
                raise Unavailable("its answer has no end")
        answer = decoded(text)
        for choice in answer.get("choices") or []:
            if isinstance(choice, dict):
                choice["delta"] = choice.pop("message", None)
        yield [msgspec.json.encode(answer)]

    def merged(self, lines: list[bytes]) -> list[ChatCompletionChunk]:
        """Chunks; events of nothing but text, an end and a bill become one."""
        made: list[ChatCompletionChunk] = []
        plain = Plain()
        for line in lines:
            if line == b"[DONE]":
                self.ended = True
                continue
            event = decoded(line)
            if plain.takes(event):
                continue
            made += plain.chunks()
            plain = Plain()
            made.append(self.whole(event))
        self.text += len(plain.text)
        self.ended = self.ended or plain.finish is not None
        if self.text > LONGEST_REPLY:
            raise Unavailable(f"the answer is longer than {LONGEST_REPLY} characters")
        return [*made, *plain.chunks()]

    def whole(self, event: dict[str, Any]) -> ChatCompletionChunk:
        """Any other event, by the SDK's lenient constructor."""
        if error := event.get("error"):
            raise Unavailable(f"it broke off with an error: {str(error)[:300]}")
        chunk: ChatCompletionChunk = ChatCompletionChunk.construct(**event)
        for choice in chunk.choices or []:
            self.ended = self.ended or bool(choice.finish_reason)
            self.tool_calls += len(choice.delta.tool_calls or []) if choice.delta else 0
        if self.tool_calls > MOST_TOOL_CALLS:
            raise Unavailable(f"it asked for more than {MOST_TOOL_CALLS} tool calls at once")
        return chunk


class Plain:
    """Events of nothing but text, the reason for the end, and what it all took, in the order in which they may come."""

    def __init__(self) -> None:
        self.head: dict[str, Any] | None = None
        self.text = ""
        self.finish: str | None = None
        self.usage: dict[str, Any] | None = None

    def takes(self, event: dict[str, Any]) -> bool:
        """Whether the event is such a one; then it is part of this now."""
        choices, usage = event.get("choices"), event.get("usage")
        if not isinstance(choices, list) or event.get("error") or self.usage or not isinstance(usage, dict | None):
            return False
        if choices:
            choice = choices[0]
            delta = choice.get("delta") if isinstance(choice, dict) and len(choices) == 1 else None
            if not isinstance(delta, dict) or choice.get("index") or self.finish:
                return False
            content, finish = delta.get("content"), choice.get("finish_reason")
            if not isinstance(content, str | None) or finish not in (None, "stop", "length"):
                return False
            if any(value and name not in ("role", "content") for name, value in delta.items()):
                return False
            self.text += content or ""
            self.finish = finish
        self.usage = usage
        self.head = event
        return True

    def chunks(self) -> list[ChatCompletionChunk]:
        if self.head is None:
            return []
        delta = _delta.model_copy(update={"content": self.text})
        choice = _choice.model_copy(update={"delta": delta, "finish_reason": self.finish})
        more = {name: self.head[name] for name in ("id", "created", "model") if self.head.get(name)}
        if self.usage:
            more["usage"] = CompletionUsage.construct(**self.usage)
        return [_chunk.model_copy(update={**more, "choices": [choice]})]


def decoded(line: bytes) -> dict[str, Any]:
    try:
        event = _decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise Unavailable(f"it sent an event that is no JSON object: {line[:100]!r}")
    return event
