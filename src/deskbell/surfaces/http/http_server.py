"""HTTP/1.1 by uvicorn, with bounds on what a slow or hostile client can hold, and responses that reach clients still sending."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deskbell.settings import Settings

BACKLOG = 2048


class DiscardedTrailers(list[Any]):
    def append(self, item: Any) -> None:
        """Trailers after a chunked body are not headers of the request (RFC 9110, 6.5.1)."""


TRAILERS = DiscardedTrailers()


def uvicorn_config(settings: Settings, application: Any, **more: Any) -> uvicorn.Config:
    """uvicorn's configuration. While stopping, requests get half of the drain time and jobs the other half."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=ClientConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds / 2),
        **more,
    )


class ClientConnection(HttpToolsProtocol):
    """One connection. Times are in seconds. None limits a response that the client keeps reading, or a body that keeps coming."""

    HEAD_BYTES = 128 * 1024  # of a request's head, or of the framing between chunks of a body
    HEAD_TIME = 10.0
    BODY_TIME = 30.0  # without a byte of the body
    UNREAD_TIME = 30.0  # without the client reading a byte of the response
    LATE_BYTES = 16 * 1024 * 1024  # of a body that is read after the response, and discarded
    LATE_TIME = 2.0

    progressed = False  # whether the last bytes completed a head, or were part of a body
    idle_bytes = 0
    late_bytes: int | None = None  # received after the last response
    unsent = 0
    read_timer: asyncio.TimerHandle | None = None
    drain_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.headers = TRAILERS
        self.start_read_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self.read_timer, self.drain_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    # Reading

    def data_received(self, data: bytes) -> None:
        if self.late_bytes is not None:
            self.discard(data)
            return
        self._unset_keepalive_if_required()
        self.progressed = False
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self.continue_after_upgrade(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self.headers is TRAILERS and self.is_answering():
            if self.read_timer is not None:
                self.read_timer.cancel()
                self.read_timer = None
        elif self.progressed or self.read_timer is None:
            self.idle_bytes = 0
            self.start_read_timer()
        else:
            self.idle_bytes += len(data)
            if self.idle_bytes > self.HEAD_BYTES:
                self.transport.abort()

    def is_answering(self) -> bool:
        """Whether the last request is complete and has no response yet."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def continue_after_upgrade(self, rest: memoryview) -> None:
        """Continues after a head that asks for an upgrade, where the parser stops."""
        while True:
            self.read_head_again()
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            else:
                return

    def read_head_again(self) -> None:
        """Gives the last head to a new parser, without the request to upgrade."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("this is not a proxy")
        lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([b"%b %b HTTP/%b" % (method, self.url, version), *lines, b"", b""]))

    def _should_upgrade(self) -> bool:
        return True  # `data_received` handles it

    def on_headers_complete(self) -> None:
        earlier = self.cycle
        super().on_headers_complete()
        if self.cycle is earlier:  # it asks for an upgrade
            return
        self.cycle.transport = self  # type: ignore[assignment]
        self.headers = TRAILERS
        self.progressed = True

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self.progressed = True

    def start_read_timer(self) -> None:
        """Limits the wait for the rest of a request."""
        if self.read_timer is not None:
            self.read_timer.cancel()
        in_head = self.cycle is None or self.headers is not TRAILERS
        self.read_timer = self.loop.call_later(self.HEAD_TIME if in_head else self.BODY_TIME, self.read_timed_out)

    def read_timed_out(self) -> None:
        """Disconnects, unless it is we who have paused reading, or have yet to respond."""
        self.read_timer = None
        if self.flow.read_paused or self.is_answering():
            self.start_read_timer()
        else:
            self.transport.abort()

    # The end

    def close(self) -> None:
        """Ends the connection after a response. A client that is still sending sees it only if its bytes are read (RFC 9112, 9.6)."""
        self.pipeline.clear()
        if not self.cycle.more_body or not self.transport.can_write_eof():
            self.transport.close()
            self.watch_drain()
            return
        self.late_bytes = 0
        self.transport.write_eof()
        self.flow.resume_reading()
        if self.read_timer is not None:
            self.read_timer.cancel()
        self.read_timer = self.loop.call_later(self.LATE_TIME, self.transport.abort)

    def discard(self, data: bytes) -> None:
        self.late_bytes = (self.late_bytes or 0) + len(data)
        if self.late_bytes > self.LATE_BYTES:
            self.transport.abort()

    def shutdown(self) -> None:
        super().shutdown()
        end: Any = (
            None if self.cycle is None else self.cycle.scope.get("ending")
        )  # of a stream, which would never end by itself
        if end is not None:
            end()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.watch_drain()

    # Writing

    def pause_writing(self) -> None:
        super().pause_writing()
        self.watch_drain()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.drain_timer is not None and not self.transport.is_closing():
            self.drain_timer.cancel()
            self.drain_timer = None

    def watch_drain(self) -> None:
        """Limits the wait for the client to read what was written."""
        if self.drain_timer is None:
            self.unsent = self.transport.get_write_buffer_size()
            self.drain_timer = self.loop.call_later(self.UNREAD_TIME, self.check_drain)

    def check_drain(self) -> None:
        self.drain_timer = None
        if self.transport.get_write_buffer_size() >= self.unsent:
            self.transport.abort()
        else:
            self.watch_drain()
