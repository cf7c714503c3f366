"""A streamed answer as events: those that arrive together are read together, and plain pieces of text are merged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import msgspec

from deskbell.agents.models.base import FIRST_WAIT, RETRYABLE_STATUSES, ModelUnavailable
from deskbell.agents.models.transport import MAX_ERROR, HttpAnswer

MAX_EVENT = 4 * 1024 * 1024  # bytes
MAX_ANSWER = 64 * 1024 * 1024  # bytes of all its events
END_SECONDS = 0.5  # that a complete answer may take to end
MAX_TOOL_CALLS = 100  # in one reply
REASONING = ("reasoning_content", "reasoning", "reasoning_details")  # each endpoint has its own name for it

_decode = msgspec.json.Decoder().decode


class ChatEvents:
    """The events of one answer. Raises ModelUnavailable where they are not those of Chat Completions."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer
        self.tool_calls = 0
        self.finished = self.done = False

    def close(self) -> None:
        self.answer.close()

    async def events(self) -> AsyncGenerator[TextEvents | dict[str, Any], None]:
        """What arrives, checked. Consecutive events of text, finish and usage come as one."""
        kind = self.answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("text/event-stream", "application/json"):
            raise ModelUnavailable(f"it answered with {kind or 'something'} instead of a stream of events")
        if self.answer.headers.get("content-encoding", "identity") != "identity":
            raise ModelUnavailable("it compressed its answer, which it was asked not to do")
        async with aclosing(self.batches() if kind == "text/event-stream" else self.unstreamed()) as batches:
            async for batch in batches:
                for event in self.merged(batch):
                    yield event
                if self.done:
                    break
        await self.read_end()
        if not self.finished:
            raise ModelUnavailable("the answer ended in the middle")

    async def batches(self) -> AsyncGenerator[list[bytes], None]:
        """The data of server-sent events (HTML standard, 9.2), of those that arrived together in one list."""
        rest, event, size = bytearray(), bytearray(), 0
        async for data in self.answer.body:
            size += len(data)
            if len(rest) + len(event) > MAX_EVENT or size > MAX_ANSWER:
                raise ModelUnavailable("its answer, or one event of it, has no end")
            if b"\n" not in data:
                rest += data
                continue
            *lines, last = (bytes(rest) + data).split(b"\n")
            rest = bytearray(last)
            yield event_data(lines, event)
        if found := event_data([bytes(rest), b""], event):
            yield found

    async def read_end(self) -> None:
        """Waits briefly for the end of a complete answer: only then can its connection be kept."""
        with contextlib.suppress(TimeoutError, ModelUnavailable):
            async with asyncio.timeout(END_SECONDS):
                async for _ in self.answer.body:
                    pass

    async def unstreamed(self) -> AsyncGenerator[list[bytes], None]:
        """The answer of an endpoint that does not stream, as one event."""
        text = bytearray()
        async for data in self.answer.body:
            text += data
            if len(text) > MAX_EVENT:
                raise ModelUnavailable("its answer has no end")
        answer = decoded(bytes(text))
        choices = answer.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                choice["delta"] = choice.pop("message", None)
        yield [msgspec.json.encode(answer)]

    def merged(self, batch: list[bytes]) -> Iterator[TextEvents | dict[str, Any]]:
        """The events of a batch. What precedes a malformed one is still given, as if it had arrived alone."""
        merged = TextEvents()
        for data in batch:
            if data == b"[DONE]":
                self.finished = self.done = True
                break
            try:
                event = decoded(data)
            except ModelUnavailable:
                if merged:
                    yield merged
                raise
            if merged.add(event):
                continue
            if merged:
                yield merged
            merged = TextEvents()
            self.check(event)
            yield event
        self.finished = self.finished or merged.finish is not None
        if merged:
            yield merged

    def check(self, event: dict[str, Any]) -> None:
        """Looks through an event that has more than text."""
        if error := event.get("error"):
            code = error.get("code") if isinstance(error, dict) else None  # OpenRouter's are HTTP statuses
            wait = FIRST_WAIT if isinstance(code, int) and code in RETRYABLE_STATUSES else None
            raise ModelUnavailable(f"it broke off with an error: {str(error)[:MAX_ERROR]}", wait)
        if not isinstance(event.get("choices"), list | None):
            raise ModelUnavailable("it sent choices that are no list")
        for choice in event.get("choices") or []:
            if not isinstance(choice, dict):
                raise ModelUnavailable("it sent a choice that is no JSON object")
            if choice.get("finish_reason") == "error":
                raise ModelUnavailable("it broke off with an error")
            self.finished = self.finished or bool(choice.get("finish_reason"))
            delta = choice.get("delta")
            calls = delta.get("tool_calls") if isinstance(delta, dict) else None
            self.tool_calls += len(calls) if isinstance(calls, list) else 0
        if self.tool_calls > MAX_TOOL_CALLS:
            raise ModelUnavailable(f"it asked for more than {MAX_TOOL_CALLS} tool calls at once")


def event_data(lines: list[bytes], event: bytearray) -> list[bytes]:
    """The data of the events in some lines. `event` is what there is of an unfinished one, from one call to the next.

    A line that may be a whole event counts as one at once; others are joined up to the empty line.
    """
    found = []
    for line in lines:
        if line.startswith(b"data:"):
            text = line[5:].strip()
            if event or not text.endswith((b"}", b"[DONE]")):
                event += text + b"\n"
            else:
                found.append(text)
        elif event and not line.strip():
            if text := bytes(event.strip()):
                found.append(text)
            event.clear()
    return found


def text_in(event: dict[str, Any]) -> str:
    """The text in an event that has more than text."""
    found = ""
    for choice in event.get("choices") or []:
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        if not choice.get("index") and isinstance(content, str):
            found += content
    return found


def has_reasoning(event: dict[str, Any]) -> bool:
    """Whether the model lets know that it reasons."""
    deltas = (choice.get("delta") for choice in event.get("choices") or [])
    return any(isinstance(delta, dict) and any(delta.get(name) for name in REASONING) for delta in deltas)


class TextEvents:
    """Consecutive events that hold nothing but text, the reason for the end and the usage, in this order. False while there is none."""

    def __init__(self) -> None:
        self.count = 0
        self.text = ""
        self.finish: str | None = None
        self.usage: dict[str, Any] | None = None

    def __bool__(self) -> bool:
        return bool(self.count)

    def add(self, event: dict[str, Any]) -> bool:
        """Adds the event if it is such a one, and says whether it did."""
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
        self.count += 1
        return True


def decoded(data: bytes) -> dict[str, Any]:
    try:
        event = _decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise ModelUnavailable(f"it sent an event that is no JSON object: {data[:MAX_ERROR]!r}")
    return event
