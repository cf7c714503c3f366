"""Chat Completions over kept connections: plain JSON out, and server-sent events in, those that arrive together read together."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import msgspec

from deskbell.agents.models.base import FIRST_WAIT, Unavailable
from deskbell.agents.models.connections import Answer, Broken, Connections

LONGEST_LINE = 4 * 1024 * 1024  # bytes of one event
LONGEST_ERROR = 16 * 1024  # bytes of an error's body that are read
MOST_TOOL_CALLS = 100  # in one reply

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
        """Sends a request and answers with its events, once the head of the answer is there. Raises Refused and Unavailable."""
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
            raise Unavailable(str(broken), FIRST_WAIT) from broken
        if answer.status != 200:
            raise await refusal(answer)
        return Stream(answer)


async def refusal(answer: Answer) -> Exception:
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
    return Refused(answer.status, answer.headers, text[:300].decode(errors="replace"))


class Stream:
    """The events of one answer. Raises Unavailable where they are no answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.tool_calls = 0
        self.ended = False

    def close(self) -> None:
        self.answer.close()

    async def events(self) -> AsyncGenerator[Plain | dict[str, Any], None]:
        """What arrives, checked; events of nothing but text, an end and a bill in one."""
        kind = self.answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("text/event-stream", "application/json"):
            raise Unavailable(f"it answered with {kind or 'something'} instead of a stream of events")
        try:
            async for lines in self.lines() if kind == "text/event-stream" else self.at_once():
                for event in self.merged(lines):
                    yield event
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
        choices = answer.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                choice["delta"] = choice.pop("message", None)
        yield [msgspec.json.encode(answer)]

    def merged(self, lines: list[bytes]) -> list[Plain | dict[str, Any]]:
        made: list[Plain | dict[str, Any]] = []
        plain = Plain()
        for line in lines:
            if line == b"[DONE]":
                self.ended = True
                continue
            event = decoded(line)
            if plain.takes(event):
                continue
            if plain.head is not None:
                made.append(plain)
            plain = Plain()
            self.check(event)
            made.append(event)
        self.ended = self.ended or plain.finish is not None
        return [*made, plain] if plain.head is not None else made

    def check(self, event: dict[str, Any]) -> None:
        """Looks through an event that has more than text."""
        if error := event.get("error"):
            raise Unavailable(f"it broke off with an error: {str(error)[:300]}")
        if not isinstance(event.get("choices"), list | None):
            raise Unavailable("it sent choices that are no list")
        for choice in event.get("choices") or []:
            if not isinstance(choice, dict):
                raise Unavailable("it sent a choice that is no JSON object")
            self.ended = self.ended or bool(choice.get("finish_reason"))
            delta = choice.get("delta")
            calls = delta.get("tool_calls") if isinstance(delta, dict) else None
            self.tool_calls += len(calls) if isinstance(calls, list) else 0
        if self.tool_calls > MOST_TOOL_CALLS:
            raise Unavailable(f"it asked for more than {MOST_TOOL_CALLS} tool calls at once")


def text_in(event: dict[str, Any]) -> str:
    """The text in an event that has more than text."""
    found = ""
    for choice in event.get("choices") or []:
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        if not choice.get("index") and isinstance(content, str):
            found += content
    return found


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
        raise Unavailable(f"it sent an event that is no JSON object: {line[:100]!r}")
    return event
