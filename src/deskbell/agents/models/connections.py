"""Kept connections to one endpoint, for answers that are read while they come (HTTP/1.1, RFC 9112).

A general client takes a millisecond per request, which is as much as all the rest of a turn; this one takes a fifth.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

import httptools

CONNECT = 5.0  # seconds
KEPT = 200  # idle connections
IDLE = 30.0  # seconds that a connection is kept without use
UNREAD = 1024 * 1024  # bytes that wait to be read; then the sender waits
MOST_HEAD = 64 * 1024  # bytes that may come without any of the body: a head, or what stands behind a body


class Broken(Exception):
    """The endpoint cannot be reached, or its answer is no whole HTTP. `unanswered` says that nothing of one had come."""

    def __init__(self, reason: str, *, unanswered: bool = False) -> None:
        super().__init__(reason)
        self.unanswered = unanswered


class Connection(asyncio.Protocol):
    """One connection, with one request under way at most."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.alive = True
        self.idle_since = 0.0
        self.waiter: asyncio.Future[None] | None = None
        self.reset()

    def reset(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.status = 0
        self.begun = self.complete = self.reusable = False
        self.fault = ""
        self.pieces: deque[bytes] = deque()
        self.unread = self.bare = 0

    # What the loop and the parser tell

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.begun = True
        self.bare += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.give_up(f"it does not speak HTTP: {error}")
        if self.bare > MOST_HEAD and not self.complete:
            self.give_up(f"it sent more than {MOST_HEAD} bytes beside an answer")
        self.wake()

    def give_up(self, fault: str) -> None:
        self.fault, self.reusable = fault, False
        self.transport.abort()

    def on_message_begin(self) -> None:
        if self.complete:  # nobody has asked for another answer, and it must not become the next one's
            raise ValueError("an answer without a question")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status >= 200:  # those below announce another one
            self.status = status
            self.reusable = self.parser.should_keep_alive()
        else:
            self.headers = {}

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)
        self.unread += len(data)
        self.bare = 0
        if self.unread > UNREAD:
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        self.complete = self.status >= 200

    def connection_lost(self, error: Exception | None) -> None:
        self.alive = False
        framed = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "")
        if self.status and not framed and not error and not self.fault:
            self.complete = True  # the end of the connection is the end of such a body
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    # What a request does

    async def change(self) -> None:
        """Waits until something has come, or the end."""
        self.waiter = asyncio.get_running_loop().create_future()
        await self.waiter

    async def head(self) -> None:
        while not self.status:
            if not self.alive:
                raise Broken(self.fault or "it closed the connection without an answer", unanswered=not self.begun)
            await self.change()

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            if self.pieces:
                data = b"".join(self.pieces)
                self.pieces.clear()
                if self.unread > UNREAD and self.alive:
                    self.transport.resume_reading()
                self.unread = 0
                yield data
            elif self.complete:
                return
            elif not self.alive:
                raise Broken(self.fault or "it closed the connection in the middle of its answer")
            else:
                await self.change()


class Answer:
    """An answer whose head is there. It must be closed."""

    def __init__(self, connections: Connections, connection: Connection) -> None:
        self.connections = connections
        self.connection = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    def body(self) -> AsyncIterator[bytes]:
        return self.connection.body()

    def close(self) -> None:
        """Gives the connection back; one whose answer was not read to its end is ended, which tells the sender to stop."""
        self.connections.give_back(self.connection)


class Connections:
    """The pool. `post` sends; the rest of the address is the endpoint's own."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.secure = ssl.create_default_context() if parts.scheme == "https" else None
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.secure else 80)
        target = parts.path or "/"
        self.start = f"POST {target}{'?' + parts.query if parts.query else ''} HTTP/1.1\r\nhost: {parts.netloc.rpartition('@')[2]}\r\n"
        self.idle: deque[Connection] = deque()
        self.open: set[Connection] = set()

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sends a request and waits for the head of its answer. Raises Broken."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"{self.start}{lines}content-length: {len(body)}\r\n\r\n".encode() + body
        while True:
            kept = self.kept()
            connection = kept or await self.connect()
            try:
                connection.transport.write(request)
                await connection.head()
            except Broken as broken:
                self.give_back(connection)
                if kept and broken.unanswered:  # it was closed while nobody used it
                    continue
                raise
            except BaseException:
                self.give_back(connection)
                raise
            return Answer(self, connection)

    def kept(self) -> Connection | None:
        """An idle connection that is still good, the one that was used last."""
        limit = asyncio.get_running_loop().time() - IDLE
        while self.idle:
            connection = self.idle.pop()
            if connection.alive and connection.reusable and connection.idle_since > limit:
                connection.reset()
                return connection
            self.drop(connection)
        return None

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT):
                _, connection = await loop.create_connection(Connection, self.host, self.port, ssl=self.secure)
        except TimeoutError:
            raise Broken(f"no connection within {CONNECT:g} seconds") from None
        except (OSError, UnicodeError) as error:  # the latter for a host that can be none
            raise Broken(f"no connection: {error}") from error
        self.open.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        while self.idle and self.idle[0].idle_since < now - IDLE:
            self.drop(self.idle.popleft())
        read = connection.complete and not connection.pieces
        if read and connection.reusable and connection.alive and len(self.idle) < KEPT:
            connection.idle_since = now
            self.idle.append(connection)
        else:
            self.drop(connection)

    def drop(self, connection: Connection) -> None:
        self.open.discard(connection)
        connection.transport.abort()

    def close(self) -> None:
        for connection in list(self.open):
            self.drop(connection)
        self.idle.clear()
