"""How connections are served: uvicorn's HTTP/1.1, with an end to what a peer can hold, and answers that reach who is still sending."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deskbell.settings import Settings

BACKLOG = 2048


class Nowhere(list[Any]):
    def append(self, item: Any) -> None:
        """What follows a chunked body are no headers of the request (RFC 9110, 6.5.1)."""


TRAILERS = Nowhere()


def configured(settings: Settings, application: Any, **more: Any) -> uvicorn.Config:
    """How uvicorn serves us. Requests get half of the drain time, jobs the other half."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds / 2),
        **more,
    )


class Connection(HttpToolsProtocol):
    """One client. Times are in seconds; none of them bounds how long an answer may take that is read, or a body that keeps coming."""

    HEAD_BYTES = 128 * 1024  # of a head, or of what stands between the parts of a body
    HEAD_TIME = 10.0
    BODY_TIME = 30.0  # without a byte of it
    UNREAD_TIME = 30.0  # without a byte of an answer taken
    LATE_BYTES = 16 * 1024 * 1024  # of a body that is read only to be thrown away
    LATE_TIME = 2.0

    moved = False  # whether what came last brought the end of a head, or a part of a body
    idle_bytes = 0
    late_bytes: int | None = None  # of a request whose answer was the last
    unsent = 0
    patience: asyncio.TimerHandle | None = None  # with what is to come
    drained: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.headers = TRAILERS
        self.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self.patience, self.drained):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    # Reading

    def data_received(self, data: bytes) -> None:
        if self.late_bytes is not None:
            self.throw_away(data)
            return
        self._unset_keepalive_if_required()
        self.moved = False
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self.read_on(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self.headers is TRAILERS and self.is_answering():
            if self.patience is not None:
                self.patience.cancel()
                self.patience = None
        elif self.moved or self.patience is None:
            self.idle_bytes = 0
            self.wait()
        else:
            self.idle_bytes += len(data)
            if self.idle_bytes > self.HEAD_BYTES:
                self.transport.abort()

    def is_answering(self) -> bool:
        """Whether the last request is whole and has no answer yet."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def read_on(self, rest: memoryview) -> None:
        """Goes on behind a head with a wish to upgrade, which the parser takes for the end of HTTP."""
        while True:
            self.read_head_again()
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            else:
                return

    def read_head_again(self) -> None:
        """Gives the last head to a new parser, without its wish to upgrade."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("this is no proxy")
        lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([b"%b %b HTTP/%b" % (method, self.url, version), *lines, b"", b""]))

    def _should_upgrade(self) -> bool:
        return True  # `data_received` sees to it

    def on_headers_complete(self) -> None:
        earlier = self.cycle
        super().on_headers_complete()
        if self.cycle is earlier:  # a wish to upgrade
            return
        self.cycle.transport = self  # type: ignore[assignment]
        self.headers = TRAILERS
        self.moved = True

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self.moved = True

    def wait(self) -> None:
        """Begins to wait for the rest of a request."""
        if self.patience is not None:
            self.patience.cancel()
        in_head = self.cycle is None or self.headers is not TRAILERS
        self.patience = self.loop.call_later(self.HEAD_TIME if in_head else self.BODY_TIME, self.give_up)

    def give_up(self) -> None:
        """The time is over; unless it is we who do not read, or have yet to answer."""
        self.patience = None
        if self.flow.read_paused or self.is_answering():
            self.wait()
        else:
            self.transport.abort()

    # The end

    def close(self) -> None:
        """Ends the connection after an answer. A client that is still sending reads it only if its bytes are taken (RFC 9112, 9.6)."""
        self.pipeline.clear()
        if not self.cycle.more_body or not self.transport.can_write_eof():
            self.transport.close()
            self.watch_drain()
            return
        self.late_bytes = 0
        self.transport.write_eof()
        self.flow.resume_reading()
        if self.patience is not None:
            self.patience.cancel()
        self.patience = self.loop.call_later(self.LATE_TIME, self.transport.abort)

    def throw_away(self, data: bytes) -> None:
        self.late_bytes = (self.late_bytes or 0) + len(data)
        if self.late_bytes > self.LATE_BYTES:
            self.transport.abort()

    def shutdown(self) -> None:
        super().shutdown()
        end: Any = (
            None if self.cycle is None else self.cycle.scope.get("ending")
        )  # of an answer that would go on for ever
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
        if self.drained is not None and not self.transport.is_closing():
            self.drained.cancel()
            self.drained = None

    def watch_drain(self) -> None:
        """Begins to wait until the client has read what was written."""
        if self.drained is None:
            self.unsent = self.transport.get_write_buffer_size()
            self.drained = self.loop.call_later(self.UNREAD_TIME, self.check_drain)

    def check_drain(self) -> None:
        self.drained = None
        if self.transport.get_write_buffer_size() >= self.unsent:
            self.transport.abort()
        else:
            self.watch_drain()
