"""A model provider that does as it is told: a process of its own that speaks the OpenAI protocol over a socket, streaming included.

The script is the end of the model's name: `scripted/stall` begins and never ends. GET /seen tells what was asked since it was
last looked at, and how many answers were given up by their reader.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

Send = Callable[[dict[str, Any]], Awaitable[None]]

ANSWER = "Shingle roofs carry a ten-year warranty [1]. Call us on Monday."
SUGGESTED = """
**<Follow-Ups>**
1. How long is the paint covered? [1]
- How do I claim?
How do I claim?
Read [this](https://evil.example/x)?
Is it evil.example/x?
<b>Why</b>?
Here they are
* What does a repair cost?
And who pays?
"""
USAGE = {"prompt_tokens": 42, "completion_tokens": 28, "total_tokens": 70}
COST = 0.00125  # US dollars, of the script `cost`
FOREVER = 3600.0
UNKNOWN = ("gpt-4o", "gpt-4o-mini", "y")  # that tests of other things name
STATUSES = {"429": "slow down", "500": "the model fell over", "401": "bad key sk-provider-secret"}


#: How a server under test asks these models: patiently, and once more.
SCRIPTED: dict[str, Any] = {
    "llm_api_key": "sk-provider-secret",
    "llm_first_byte_seconds": 60.0,
    "llm_idle_seconds": 60.0,
    "llm_retries": 1,
}


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


class Script(NamedTuple):
    """An answer's pieces, and what is odd about it."""

    pieces: list[str]
    usage: dict[str, Any] | None = USAGE
    first_byte: float = 0.0
    stall_after: int | None = None
    cut_after: int | None = None
    broken_after: int | None = None
    done: bool = True
    tool_calls: int = 0
    pace: float = 0.0
    whole: bool = False
    held: bool = False
    beside: dict[str, Any] = {}
    choices: Any = None


def cut(text: str, size: int) -> list[str]:
    return [text[place : place + size] for place in range(0, len(text), size)]


def script(name: str, asked: dict[str, Any]) -> Script:
    """What a name means; `typed` answers with what stands behind SAY: in a prompt, up to the line's end, three characters at a time."""
    words = re.findall(r"\S+\s*", ANSWER)
    asking = [*words, "\n", *cut(SUGGESTED, 5)]
    messages = asked["messages"]
    said = next((str(each["content"]) for each in reversed(messages) if "SAY:" in str(each["content"])), ANSWER)
    scripts = {
        "answer": Script(words),
        "once": Script([ANSWER]),
        "typed": Script(cut(said.rpartition("SAY:")[2].partition("\n")[0], 3), pace=0.004),
        "paced": Script(words * 2, first_byte=0.3, pace=0.02),
        "late": Script(words, broken_after=3, pace=0.02),
        "endless": Script(["a" * 1000] * 300, beside={"reasoning": "hm"}),
        "unlisted": Script(words, choices=5),
        "brackets": Script(["[" * 5000]),
        "echo": Script([json.dumps(messages)]),
        "slow": Script(words, first_byte=FOREVER),
        "pause": Script(words, first_byte=0.3),
        "held": Script(words, held=True),
        "stall": Script(words, stall_after=3),
        "broken": Script(words, broken_after=3),
        "cut": Script(words, cut_after=3),
        "undone": Script(words, done=False),
        "tools": Script([], tool_calls=1000),
        "silent": Script([], usage=None),
        "asking": Script(asking),
        "rambling": Script([*words, "\n<follow-ups>\nI can tell more of that.\nSee www.evil.example\n"]),
        "babbling": Script([*words, "\n<follow-ups>\n", *["blah? " * 50] * 1000]),
        "lingering": Script(asking, stall_after=len(asking) - 5),
        "breaking": Script(asking, broken_after=len(asking) - 5),
        "thinking": Script([*cut("<think>\nIt is in [2].\n<follow-ups>\n</think>\n\n", 4), *asking]),
        "terse": Script(["[1]"]),
        "musing": Script(["<think>", "Well, ", "who knows?"]),
        "wordless": Script(["<follow-ups>\nHow do I claim?"]),
        "nousage": Script(words, usage=None),
        "whole": Script(words, whole=True),
        "cost": Script(words, usage=USAGE | {"cost": COST}),
        "dear": Script(words, first_byte=0.2, usage=USAGE | {"cost": COST}),
        "steady": Script(words * 1000, pace=0.05),
        "refund": Script(words, usage=USAGE | {"cost": -5.0}),
        "fortune": Script(words, usage=USAGE | {"cost": 1e300}),
        "flag": Script(words, usage=USAGE | {"cost": True}),
        "below": Script(words, usage={"prompt_tokens": -42, "completion_tokens": -28, "total_tokens": -70}),
        "beyond": Script(words, usage={"prompt_tokens": 10**25, "completion_tokens": 10**25, "total_tokens": 0}),
        "spelled": Script(words, usage={"prompt_tokens": "many", "completion_tokens": None, "total_tokens": []}),
    }
    return scripts[name]


class Provider:
    """The ASGI application."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.given_up = self.summaries = 0
        self.failures: dict[str, int] = {}
        self.freed = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/let-go":
            freed, self.freed = self.freed, asyncio.Event()
            freed.set()
            await answer(send, 200, {})
            return
        if scope["path"] == "/seen":
            await answer(send, 200, {"requests": self.seen, "given_up": self.given_up, "summaries": self.summaries})
            if scope["query_string"] != b"keep":
                self.seen, self.given_up, self.summaries = [], 0, 0
            return
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        asked = json.loads((body + message.get("body", b"")) or b"{}")
        name = str(asked.get("model", "")).rpartition("/")[2]
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        if name in UNKNOWN:
            await answer(send, 404, {"error": {"message": "there is no such model"}})
            return
        if str(asked["messages"][0]["content"]).startswith(
            "Two versions"
        ):  # in the background, whenever it comes to it
            self.summaries += 1
        elif name not in ("once", "paced"):  # what benchmarks ask is not kept
            self.seen.append({"path": scope["path"], "headers": headers, "body": asked})
        if name.startswith("flaky"):
            if self.failures.setdefault(name, 0) == 0:
                self.failures[name] = 1
                await answer(send, 500, {"error": {"message": "try again"}})
                return
            name = "answer"
        if name in STATUSES:
            await answer(send, int(name), {"error": {"message": STATUSES[name], "type": "error", "code": None}})
        elif name == "html":
            await respond(send, 200, b"text/html", b"<html><body>Welcome to the hotel network</body></html>")
        else:
            await self.play(script(name, asked), asked, receive, send)

    async def play(self, told: Script, asked: dict[str, Any], receive: Any, send: Send) -> None:
        reading = asyncio.create_task(receive())  # ends when the reader hangs up
        writing = asyncio.create_task(self.write(told, asked, send))
        await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            self.given_up += 1
        reading.cancel()
        writing.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)

    async def write(self, told: Script, asked: dict[str, Any], send: Send) -> None:
        if told.held:
            await self.freed.wait()
        await asyncio.sleep(told.first_byte)
        if not asked.get("stream") or told.whole:
            await answer(send, 200, whole(told, asked))
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        async for event in events(told, asked):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        if told.cut_after is None:
            await send({"type": "http.response.body", "body": b""})


async def events(told: Script, asked: dict[str, Any]) -> AsyncIterator[bytes]:
    """The server-sent events of an answer, as the protocol has them."""
    for number, piece in enumerate(told.pieces):
        if number == told.stall_after:
            await asyncio.sleep(FOREVER)
        if number == told.cut_after:
            return
        if number == told.broken_after:
            yield b'data: {"choices": [{"delta": \n\ndata: ]]]\n\n'
        if told.choices:
            yield b"data: " + json.dumps(chunk(asked, told.choices)).encode() + b"\n\n"
        yield event(asked, {"content": piece, **told.beside})
        await asyncio.sleep(told.pace)
    calls = [
        {"index": number, "id": f"call_{number}", "type": "function", "function": {"name": "wipe", "arguments": "{}"}}
        for number in range(told.tool_calls)
    ]
    for call in calls:
        yield event(asked, {"tool_calls": [call]})
    yield event(asked, {}, finish="tool_calls" if calls else "stop")
    if told.usage and (asked.get("stream_options") or {}).get("include_usage"):
        yield b"data: " + json.dumps(chunk(asked, []) | {"usage": told.usage}).encode() + b"\n\n"
    if told.done:
        yield b"data: [DONE]\n\n"


def event(asked: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return b"data: " + json.dumps(chunk(asked, [choice])).encode() + b"\n\n"


def chunk(asked: dict[str, Any], choices: Any, kind: str = "chat.completion.chunk") -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": asked["model"], "choices": choices}


def whole(told: Script, asked: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(told.pieces)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return chunk(asked, [choice], "chat.completion") | ({"usage": told.usage} if told.usage else {})


async def answer(send: Send, status: int, body: Any) -> None:
    await respond(send, status, b"application/json", json.dumps(body).encode())


async def respond(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


application = Provider()


class Models:
    """The provider as a test sees it."""

    def __init__(self, port: int) -> None:
        self.url = address(port)

    def look(self) -> dict[str, Any]:
        """What was asked, and how many answers were given up, since the last look."""
        return self.seen("")

    def peek(self) -> dict[str, Any]:
        """The same, for another look."""
        return self.seen("?keep")

    def let_go(self) -> None:
        """Answers what was asked of `scripted/held` until now."""
        self.told("/let-go")

    def seen(self, how: str) -> dict[str, Any]:
        return self.told("/seen" + how)

    def told(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + path, timeout=60) as found:
            told: dict[str, Any] = json.load(found)
        return told


@contextmanager
def provider(port: int) -> Iterator[Models]:
    """The process, for the length of a block."""
    options = ["--log-level", "warning", "--no-access-log", "--loop", "uvloop", "--lifespan", "off"]
    command = [sys.executable, "-m", "uvicorn", "tests.models:application", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=subprocess.DEVNULL)
    models = Models(port)
    try:
        for _ in range(3000):
            try:
                models.look()
                break
            except OSError:
                assert process.poll() is None, "the provider did not start"
                time.sleep(0.02)
        yield models
    finally:
        process.terminate()
        process.wait(60)
