"""MCP over standard input and output: one JSON-RPC message per line, in both protocol revisions.

Each request says which revision it belongs to, as at `/mcp`: one that names a stateless revision in its `_meta` needs no handshake,
and a client may send `server/discover` first and `initialize` afterwards. Nothing but messages goes to standard output.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, cast

import msgspec

from deskbell.core.principal import Principal, Tenant
from deskbell.core.scopes import Scopes
from deskbell.core.tools.tool import CallableTool
from deskbell.foundation.db import Database
from deskbell.surfaces.mcp import jsonrpc
from deskbell.surfaces.mcp.broadcasts import Broadcasts
from deskbell.surfaces.mcp.jsonrpc import JsonRpcError, JsonRpcMessage
from deskbell.surfaces.mcp.request_context import RequestContext, ServerParts
from deskbell.surfaces.mcp.sdk.server import build
from deskbell.surfaces.mcp.sessions import ClientDetails
from deskbell.surfaces.mcp.store import McpSession
from deskbell.surfaces.mcp.streams import Outbox

log = logging.getLogger(__name__)

MAX_MESSAGE = 1024 * 1024  # bytes, as at /mcp
MAX_RUNNING = 64  # requests; while this many are running, no more are read
GRACE = 35.0  # seconds for requests to end after the end of input, which is more than one takes

ENVELOPE = "io.modelcontextprotocol/protocolVersion"
#: Remote tools do not look at their principal: the server that they call knows it by its key.
NO_PRINCIPAL = Principal("operator", Tenant("", ""), None, "", Scopes.NONE)


class NoDatabase:
    """Stands in for the database: there are no other processes to broadcast to."""

    single_process = True

    async def broadcast(self, text: str) -> None:
        pass

    def on_broadcast(self, listener: Callable[[str], None]) -> None:
        pass


class StdioServer:
    """Serves one client, for as long as it keeps standard input open."""

    def __init__(self, tools: Mapping[str, CallableTool], source: int, target: BinaryIO) -> None:
        """`source` is a file descriptor."""
        no_database = cast(Database, NoDatabase())
        self.sdk = build(ServerParts(tools, no_database, Broadcasts(no_database)))
        self.source = source
        self.target = target
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.session: McpSession | None = None
        self.client: ClientDetails | None = None
        self.by_id: dict[str, asyncio.Task[None]] = {}
        self.running: set[asyncio.Task[None]] = set()
        self.subscriptions: set[asyncio.Task[None]] = set()
        self.slots = asyncio.Semaphore(MAX_RUNNING)
        self.writing = asyncio.Lock()

    async def serve(self) -> None:
        """Answers until the client closes standard input, or no longer reads what we write."""
        loop = asyncio.get_running_loop()
        unread = threading.Semaphore(MAX_RUNNING)

        def read() -> None:
            for line in read_lines(self.source):
                unread.acquire()
                loop.call_soon_threadsafe(self.lines.put_nowait, line)
            loop.call_soon_threadsafe(self.lines.put_nowait, None)

        threading.Thread(target=read, daemon=True).start()
        while (line := await self.lines.get()) is not None:
            unread.release()
            if line.strip():
                await self.receive(line)
        await self.finish()

    async def receive(self, line: bytes) -> None:
        """One line of the client."""
        try:
            if len(line) > MAX_MESSAGE:
                raise JsonRpcError(jsonrpc.INVALID_REQUEST, "The message is longer than 1 MiB")
            message = jsonrpc.parse(line)
            jsonrpc.validate(message)
        except JsonRpcError as error:
            await self.write(error.body)
            return
        if message.kind == "notification" and message.method == "notifications/cancelled":
            if task := self.by_id.get(request_key(message.params.get("requestId"))):
                task.cancel()
        elif message.kind == "request":
            if message.method == "initialize" and not is_stateless(message):
                await self.handshake(message)
            else:
                await self.start(message)

    async def start(self, message: JsonRpcMessage) -> None:
        """Begins to answer a request, once fewer than the most are running."""
        await self.slots.acquire()
        task = asyncio.create_task(self.answer(message))
        self.by_id[request_key(message.id)] = task
        self.running.add(task)
        if message.method == "subscriptions/listen":
            self.subscriptions.add(task)
        task.add_done_callback(lambda done: self.ended(request_key(message.id), done))

    def ended(self, id: str, task: asyncio.Task[None]) -> None:
        self.slots.release()
        self.running.discard(task)
        self.subscriptions.discard(task)
        if self.by_id.get(id) is task:
            del self.by_id[id]
        if not task.cancelled() and (error := task.exception()):
            log.error("a request failed: %s", error)

    async def handshake(self, message: JsonRpcMessage) -> None:
        agreed = await self.sdk.handshake(message, RequestContext(NO_PRINCIPAL, None, None, {}, Outbox()))
        if agreed.version is not None:
            self.session = McpSession("", "", "", agreed.version, "")
            self.client = msgspec.json.decode(agreed.client, type=ClientDetails)
        await self.write(agreed.body)

    async def answer(self, message: JsonRpcMessage) -> None:
        """Writes the messages that come before a response, then the response."""
        outbox = Outbox()
        try:
            session = self.session_of(message)
        except JsonRpcError as error:
            await self.write(error.body)
            return
        context = RequestContext(NO_PRINCIPAL, session, self.client if session else None, {}, outbox)
        task = asyncio.create_task(self.sdk.answer(message, context))
        task.add_done_callback(outbox.close)
        try:
            while (before := await outbox.next()) is not None:
                if before:
                    await self.write(before)
            await self.write((await task)[1])
        finally:
            task.cancel()

    def session_of(self, message: JsonRpcMessage) -> McpSession | None:
        """The session that a request belongs to; a stateless one has none."""
        if is_stateless(message):
            self.sdk.check_meta(message)
            return None
        if self.session is None and message.method != "ping":
            raise JsonRpcError(jsonrpc.INVALID_REQUEST, "Send `initialize` first", id=message.id)
        return self.session or McpSession("", "", "", "2025-11-25", "")

    async def write(self, message: bytes) -> None:
        async with self.writing:
            try:
                await asyncio.to_thread(self.write_line, message + b"\n")
            except OSError:
                self.lines.put_nowait(None)

    def write_line(self, line: bytes) -> None:
        self.target.write(line)
        self.target.flush()

    async def finish(self) -> None:
        """Lets running requests end. Subscriptions are cancelled, since they never would."""
        for task in list(self.subscriptions):
            task.cancel()
        if self.running:
            await asyncio.wait(self.running, timeout=GRACE)


def read_lines(source: int) -> Iterator[bytes]:
    """The lines of a file descriptor. Of one that is too long only the beginning is given, which is too long as well."""
    partial, skipping = b"", False
    while chunk := os.read(source, 65536):
        *complete, partial = (partial + chunk).split(b"\n")
        if skipping and complete:
            del complete[0]
            skipping = False
        yield from complete
        if len(partial) > MAX_MESSAGE:
            if not skipping:
                yield partial
            partial, skipping = b"", True
    if partial and not skipping:
        yield partial


def is_stateless(message: JsonRpcMessage) -> bool:
    """Whether a request names a stateless revision in its `_meta`. `server/discover` exists in no other."""
    meta = message.params.get("_meta")
    return message.method == "server/discover" or (isinstance(meta, dict) and ENVELOPE in meta)


def request_key(id: Any) -> str:
    return json.dumps(id)
