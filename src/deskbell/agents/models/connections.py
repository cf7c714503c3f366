"""Connections to one endpoint, by httpcore2: kept for the next request, and dropped where that request could suffer from it.

Left to itself, httpcore2 keeps bytes that arrive behind a response and reads them as the next one.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 30.0  # that a connection is kept without use
MAX_IDLE = 200  # connections
MAX_OVERHEAD = 64 * 1024  # bytes that may arrive in a row without any of a body: heads, trailers


class CountedStream(httpcore2.AsyncNetworkStream):
    """Bytes in and out, and what has arrived since the last request: bytes, those since the last of a body, and status lines."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self.stream = stream
        self.reset()

    def reset(self) -> None:
        self.received = self.overhead = self.status_lines = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self.overhead > MAX_OVERHEAD:
            raise httpcore2.RemoteProtocolError(f"more than {MAX_OVERHEAD} bytes beside an answer")
        data = await self.stream.read(max_bytes, timeout)
        if not data and not self.received:
            raise httpcore2.ReadError("it closed the connection without an answer")
        self.received += len(data)
        self.overhead += len(data)
        self.status_lines += data.count(b"HTTP/1.")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self.stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self.stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        self.stream = await self.stream.start_tls(ssl_context, server_hostname, timeout)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class Backend(httpcore2.AnyIOBackend):
    """Opens the stream of one connection."""

    stream: CountedStream

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.stream = CountedStream(await super().connect_tcp(host, port, timeout, local_address, socket_options))
        return self.stream


class Connection(httpcore2.AsyncHTTPConnection):
    """One connection, with one request at a time."""

    def __init__(self, origin: httpcore2.Origin, context: ssl.SSLContext | None) -> None:
        self.backend = Backend()
        self.used = False
        super().__init__(origin, context, keepalive_expiry=IDLE_SECONDS, network_backend=self.backend)

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Raises ConnectionNotAvailable, upon which the pool takes another one, where this one was closed or spoiled while idle."""
        used, self.used = self.used, True
        if used:
            self.backend.stream.reset()
        try:
            response = await super().handle_async_request(request)
        except (httpcore2.ProtocolError, httpcore2.NetworkError):
            if used and not self.backend.stream.received:
                raise httpcore2.ConnectionNotAvailable from None
            raise
        if not self.backend.stream.received:  # it was there before the request, so it answers nothing that was asked
            await self.aclose()
            raise httpcore2.ConnectionNotAvailable
        return response

    def has_expired(self) -> bool:
        """A second status line belongs to no answer. Where it is but text of a reply, a new connection is all that it costs."""
        return super().has_expired() or (self.is_idle() and self.used and self.backend.stream.status_lines > 1)


class ConnectionPool(httpcore2.AsyncConnectionPool):
    """As many connections as there are requests at once."""

    def __init__(self, *, secure: bool) -> None:
        super().__init__(max_connections=None, max_keepalive_connections=MAX_IDLE)
        self.context = ssl.create_default_context() if secure else None

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        return Connection(origin, self.context)
