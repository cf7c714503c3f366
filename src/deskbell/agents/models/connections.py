"""Connections to one endpoint, by aiohttp: kept for the next request, and bounded in what they read before an answer."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 30.0  # that a connection is kept without use
MAX_OVERHEAD = 64 * 1024  # bytes that may arrive in a row without any of a body: heads, interim answers, trailers


class BoundedHandler(ResponseHandler):
    """aiohttp's side of a connection. Left to itself it reads interim answers, such as status 100, without an end."""

    body = overhead = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        body = self._payload.total_bytes if self._payload is not None else 0
        self.overhead = self.overhead + len(data) if body == self.body else 0
        self.body = body
        if self.overhead > MAX_OVERHEAD and self.transport is not None:
            fault = aiohttp.ClientPayloadError(f"more than {MAX_OVERHEAD} bytes beside an answer")
            for waiting in (self, self._payload):
                if waiting is not None:
                    waiting.set_exception(fault)
            self.transport.abort()


class BoundedConnector(aiohttp.TCPConnector):
    """As many connections as there are requests at once."""

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=IDLE_SECONDS)
        self._factory: Any = partial(BoundedHandler, loop=asyncio.get_running_loop())


def session() -> aiohttp.ClientSession:
    """A client for one endpoint, with connections of its own: without cookies, proxies, redirects or time limits other than to connect."""
    reuse = aiohttp.TraceConfig()
    reuse.on_connection_reuseconn.append(note_reuse)
    return aiohttp.ClientSession(
        connector=BoundedConnector(),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        skip_auto_headers=["User-Agent"],
        auto_decompress=False,
        max_line_size=2 * MAX_OVERHEAD,
        max_field_size=2 * MAX_OVERHEAD,
        trace_configs=[reuse],
    )


async def note_reuse(session: aiohttp.ClientSession, trace: object, params: object) -> None:
    """Tells a request that its connection is a kept one, which may have been closed meanwhile."""
    trace.trace_request_ctx["kept"] = True  # type: ignore[attr-defined]
