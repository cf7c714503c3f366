"""MCP over standard input and output: one JSON-RPC message per line, in both eras of the protocol.

The era is chosen for each request, as at `/mcp`: one that names a modern revision in its `_meta` needs no handshake, and a client
may send `server/discover` first and `initialize` afterwards. Nothing but messages goes to standard output.
"""

from __future__ import annotations

import asyncio
import json as plain_json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast

import msgspec

from deskbell.core.operation import Principal
from deskbell.core.tools.tool import CallableTool
from deskbell.foundation.db import Database
from deskbell.surfaces.mcp import jsonrpc, sdk
from deskbell.surfaces.mcp.broadcasts import Events
from deskbell.surfaces.mcp.jsonrpc import Frame, Refused
from deskbell.surfaces.mcp.request_context import Exchange, Parts
from deskbell.surfaces.mcp.sessions import Client
from deskbell.surfaces.mcp.store import Session
from deskbell.surfaces.mcp.streams import Outbox

log = logging.getLogger(__name__)

MOST = 1024 * 1024  # bytes of a message, as at /mcp
AT_ONCE = 64  # requests under way; while there are so many, no more is read
LINGER = 35.0  # seconds that requests have to end when nothing more comes, which is more than one takes

ENVELOPE = "io.modelcontextprotocol/protocolVersion"
#: The server behind the tools knows the caller; here is nobody to be told apart.
SOMEBODY = Principal("", "", "", frozenset(), None, "US", 0, 0)


class Nothing:
    """No database: there is no other process to hear of."""

    single_process = True

    async def broadcast(self, news: str) -> None:
        pass

    def on_broadcast(self, told: Callable[[str], None]) -> None:
        pass


class Stdio:
    """One client, for as long as it keeps standard input open."""

    def __init__(self, tools: Mapping[str, CallableTool], source: int, target: BinaryIO) -> None:
        """`source` is a file descriptor."""
        nowhere = cast(Database, Nothing())
        self.kernel = sdk.build(Parts(tools, nowhere, Events(nowhere)))
        self.source = source
        self.target = target
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.session: Session | None = None
        self.client: Client | None = None
        self.running: dict[str, asyncio.Task[None]] = {}
        self.under_way: set[asyncio.Task[None]] = set()
        self.listening: set[asyncio.Task[None]] = set()
        self.room = asyncio.Semaphore(AT_ONCE)
        self.writing = asyncio.Lock()

    async def serve(self) -> None:
        """Answers until the client closes standard input, or no longer takes what we write."""
        loop = asyncio.get_running_loop()
        ahead = threading.Semaphore(AT_ONCE)

        def read() -> None:
            for line in lines(self.source):
                ahead.acquire()
                loop.call_soon_threadsafe(self.lines.put_nowait, line)
            loop.call_soon_threadsafe(self.lines.put_nowait, None)

        threading.Thread(target=read, daemon=True).start()
        while (line := await self.lines.get()) is not None:
            ahead.release()
            if line.strip():
                await self.take(line)
        await self.finish()

    async def take(self, line: bytes) -> None:
        """One line of the client."""
        try:
            if len(line) > MOST:
                raise Refused(jsonrpc.INVALID_REQUEST, "The message is longer than 1 MiB")
            frame = jsonrpc.read(line)
            jsonrpc.checked(frame)
        except Refused as refused:
            await self.write(refused.body)
            return
        if frame.kind == "notification" and frame.method == "notifications/cancelled":
            if task := self.running.get(named(frame.params.get("requestId"))):
                task.cancel()
        elif frame.kind == "request":
            if frame.method == "initialize" and not modern(frame):
                await self.handshake(frame)
                return
            await self.room.acquire()
            task = asyncio.create_task(self.answer(frame))
            self.running[named(frame.id)] = task
            self.under_way.add(task)
            if frame.method == "subscriptions/listen":
                self.listening.add(task)
            task.add_done_callback(lambda done: self.over(named(frame.id), done))

    def over(self, id: str, task: asyncio.Task[None]) -> None:
        self.room.release()
        self.under_way.discard(task)
        self.listening.discard(task)
        if self.running.get(id) is task:
            del self.running[id]
        if not task.cancelled() and (error := task.exception()):
            log.error("a request failed: %s", error)

    async def handshake(self, frame: Frame) -> None:
        agreed = await self.kernel.handshake(frame, Exchange(SOMEBODY, None, None, {}, Outbox()))
        if agreed.version is not None:
            self.session = Session("", "", "", agreed.version, "")
            self.client = msgspec.json.decode(agreed.client, type=Client)
        await self.write(agreed.body)

    async def answer(self, frame: Frame) -> None:
        """One request: what it has to say meanwhile, then its answer."""
        outbox = Outbox()
        try:
            session = self.session_for(frame)
        except Refused as refused:
            await self.write(refused.body)
            return
        exchange = Exchange(SOMEBODY, session, self.client if session else None, {}, outbox)
        task = asyncio.create_task(self.kernel.answer(frame, exchange))
        task.add_done_callback(outbox.close)
        try:
            while (message := await outbox.next()) is not None:
                if message:
                    await self.write(message)
            await self.write((await task)[1])
        finally:
            task.cancel()

    def session_for(self, frame: Frame) -> Session | None:
        """The session that a request belongs to; a modern one has none."""
        if modern(frame):
            self.kernel.refuse_envelope(frame)
            return None
        if self.session is None and frame.method != "ping":
            raise Refused(jsonrpc.INVALID_REQUEST, "Send `initialize` first", id=frame.id)
        return self.session or Session("", "", "", "2025-11-25", "")

    async def write(self, message: bytes) -> None:
        async with self.writing:
            try:
                await asyncio.to_thread(self.put, message + b"\n")
            except OSError:
                self.lines.put_nowait(None)

    def put(self, line: bytes) -> None:
        self.target.write(line)
        self.target.flush()

    async def finish(self) -> None:
        """Lets what is under way end; what waits for news never would."""
        for task in list(self.listening):
            task.cancel()
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=LINGER)


def lines(source: int) -> Iterator[bytes]:
    """The lines that come in. Of one that is too long only the beginning is given, which is too long as well."""
    held, skipping = b"", False
    while chunk := os.read(source, 65536):
        *whole, held = (held + chunk).split(b"\n")
        if skipping and whole:
            del whole[0]
            skipping = False
        yield from whole
        if len(held) > MOST:
            if not skipping:
                yield held
            held, skipping = b"", True
    if held and not skipping:
        yield held


def modern(frame: Frame) -> bool:
    """Whether a request brings its own envelope. `server/discover` is of the modern era in any case."""
    meta = frame.params.get("_meta")
    return frame.method == "server/discover" or (isinstance(meta, dict) and ENVELOPE in meta)


def named(id: Any) -> str:
    return plain_json.dumps(id)
