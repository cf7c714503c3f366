"""Chat Completions over kept connections: plain JSON out, and server-sent events in, those that arrive together read together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from deskbell.agents.models.base import FIRST_WAIT, ModelUnavailable
from deskbell.agents.models.connections import Answer, Broken, Connections

LONGEST_LINE = 4 * 1024 * 1024  # bytes of one event
LONGEST_ANSWER = 64 * 1024 * 1024  # bytes of all its events
LONGEST_ERROR = 16 * 1024  # bytes of an error's body that are read
AFTERWARDS = 0.5  # seconds for an answer that is done to end
MOST_TOOL_CALLS = 100  # in one reply
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")

_decode = msgspec.json.Decoder().decode


class Refused(Exception):
    """The endpoint answered with an error status, and these words."""

    def __init__(self, status: int, headers: Mapping[str, str], words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status
        self.headers = headers


class Line:
    """The way to one endpoint, and the key that it wants."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.address = base_url.rstrip("/") + "/chat/completions"
        self.api_key = api_key or "none"  # a local server often wants none, and some want a header all the same
        self.connections = Connections(self.address)

    async def ask(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Stream:
        """Sends a request and answers with its events, once the head of the answer is there. Raises Refused and ModelUnavailable."""
        try:
            answer = await self.connections.post(
                {
                    **(headers or {}),
                    "authorization": f"Bearer {self.api_key}",
                    "content-type": "application/json",
                    "accept": "text/event-stream",
                    "accept-encoding": "identity",
                },
                msgspec.json.encode(body),
            )
        except Broken as broken:
            raise ModelUnavailable(str(broken), FIRST_WAIT) from broken
        if answer.status != 200:
            raise await refusal(answer)
        return Stream(answer)


async def refusal(answer: Answer) -> Exception:
    """What an answer other than 200 means."""
    text = bytearray()
    try:
        async for data in answer.body():
            text += data
            if len(text) > LONGEST_ERROR:
                break
    except Broken:
        pass
    finally:
        answer.close()
    if answer.status < 400:
        return ModelUnavailable(f"it answered {answer.status}, which is neither an answer nor an error")
    return Refused(answer.status, answer.headers, text[:LONGEST_ERROR].decode(errors="replace"))


class Stream:
    """The events of one answer. Raises ModelUnavailable where they are no answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.tool_calls = 0
        self.ended = self.done = False

    def close(self) -> None:
        self.answer.close()

    async def events(self) -> AsyncGenerator[Plain | dict[str, Any], None]:
        """What arrives, checked; events of nothing but text, an end and a bill in one."""
        kind = self.answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("text/event-stream", "application/json"):
            raise ModelUnavailable(f"it answered with {kind or 'something'} instead of a stream of events")
        if self.answer.headers.get("content-encoding", "identity") != "identity":
            raise ModelUnavailable("it compressed its answer, which it was asked not to do")
        try:
            async with aclosing(self.lines() if kind == "text/event-stream" else self.at_once()) as arriving:
                async for lines in arriving:
                    for event in self.merged(lines):
                        yield event
                    if self.done:
                        break
            await self.end()
        except Broken as broken:
            raise ModelUnavailable(str(broken)) from broken
        if not self.ended:
            raise ModelUnavailable("the answer ended in the middle")

    async def lines(self) -> AsyncGenerator[list[bytes], None]:
        """The data of events (HTML standard, 9.2), of those that arrived together in one list.

        A line that may be a whole event is one at once; others are joined up to the empty line.
        """
        rest, event, size = bytearray(), bytearray(), 0
        async for data in self.answer.body():
            size += len(data)
            if len(rest) + len(event) > LONGEST_LINE or size > LONGEST_ANSWER:
                raise ModelUnavailable("its answer, or one event of it, has no end")
            if b"\n" not in data:
                rest += data
                continue
            *whole, last = (bytes(rest) + data).split(b"\n")
            rest = bytearray(last)
            yield joined(whole, event)
        if found := joined([bytes(rest), b""], event):
            yield found

    async def end(self) -> None:
        """Waits a moment for an answer's end, with which its connection can be kept."""
        with contextlib.suppress(TimeoutError, Broken):
            async with asyncio.timeout(AFTERWARDS):
                async for _ in self.answer.body():
                    pass

    async def at_once(self) -> AsyncGenerator[list[bytes], None]:
        """The answer of an endpoint that does not stream, as one event."""
        text = bytearray()
        async for data in self.answer.body():
            text += data
            if len(text) > LONGEST_LINE:
                raise ModelUnavailable("its answer has no end")
        answer = decoded(bytes(text))
        choices = answer.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                choice["delta"] = choice.pop("message", None)
        yield [msgspec.json.encode(answer)]

    def merged(self, lines: list[bytes]) -> Iterator[Plain | dict[str, Any]]:
        """Events that arrived together. What came before one that is none is given first, as if it had come alone."""
        plain = Plain()
        for line in lines:
            if line == b"[DONE]":
                self.ended = self.done = True
                break
            try:
                event = decoded(line)
            except ModelUnavailable:
                if plain.head is not None:
                    yield plain
                raise
            if plain.takes(event):
                continue
            if plain.head is not None:
                yield plain
            plain = Plain()
            self.check(event)
            yield event
        self.ended = self.ended or plain.finish is not None
        if plain.head is not None:
            yield plain

    def check(self, event: dict[str, Any]) -> None:
        """Looks through an event that has more than text."""
        if error := event.get("error"):
            raise ModelUnavailable(f"it broke off with an error: {str(error)[:LONGEST_ERROR]}")
        if not isinstance(event.get("choices"), list | None):
            raise ModelUnavailable("it sent choices that are no list")
        for choice in event.get("choices") or []:
            if not isinstance(choice, dict):
                raise ModelUnavailable("it sent a choice that is no JSON object")
            self.ended = self.ended or bool(choice.get("finish_reason"))
            delta = choice.get("delta")
            calls = delta.get("tool_calls") if isinstance(delta, dict) else None
            self.tool_calls += len(calls) if isinstance(calls, list) else 0
        if self.tool_calls > MOST_TOOL_CALLS:
            raise ModelUnavailable(f"it asked for more than {MOST_TOOL_CALLS} tool calls at once")


def joined(lines: list[bytes], event: bytearray) -> list[bytes]:
    """The events among lines. `event` holds what there is of one that goes on, and keeps it from call to call."""
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


def thinks(event: dict[str, Any]) -> bool:
    """Whether the model lets know that it thinks. Endpoints have names of their own for that."""
    deltas = (choice.get("delta") for choice in event.get("choices") or [])
    return any(isinstance(delta, dict) and any(delta.get(name) for name in THOUGHTS) for delta in deltas)


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


def decoded(line: bytes) -> dict[str, Any]:
    try:
        event = _decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise ModelUnavailable(f"it sent an event that is no JSON object: {line[:LONGEST_ERROR]!r}")
    return event
