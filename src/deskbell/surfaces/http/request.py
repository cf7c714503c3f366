"""One HTTP request of an API: the headers that matter, its body, and what is found out about it."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from deskbell.core.context import Channel
from deskbell.core.operation import Operation
from deskbell.core.principal import Principal
from deskbell.errors import Problem, too_large
from deskbell.foundation.ids import short_id
from deskbell.foundation.json import MAX_BODY
from deskbell.foundation.limits import Allowance
from deskbell.surfaces.http import sse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_request_id = re.compile(rb"[A-Za-z0-9_-]{1,64}\Z").match
_json_type = re.compile(rb"\s*application/([a-z0-9.+-]+\+)?json\s*(;|\Z)", re.IGNORECASE).match
#: By this header `deskbell mcp` says that an AI client calls through it; what it does is recorded as done by MCP.
CHANNEL_HEADER, MCP = b"x-deskbell-via", b"mcp"
READ = frozenset(
    {
        b"authorization",
        b"content-type",
        b"content-length",
        b"idempotency-key",
        b"origin",
        b"x-request-id",
        CHANNEL_HEADER,
    }
)


def well_formed(request_id: bytes) -> str:
    """A caller's own id for a request, or nothing where it is not of the allowed form."""
    return str(request_id, "ascii") if _request_id(request_id) else ""


def request_id(scope: Scope) -> str:
    """The caller's own id for a request, or a new one."""
    given = (well_formed(value) for name, value in scope["headers"] if name == b"x-request-id")
    return next(filter(None, given), None) or short_id()


class ApiRequest:
    """One request: the headers that matter, and what is found out about it on the way."""

    __slots__ = (
        "allowance",
        "authorization",
        "channel",
        "idempotency_key",
        "length",
        "media_type",
        "method",
        "operation",
        "origin",
        "principal",
        "request_id",
        "started",
    )

    def __init__(self, scope: Scope) -> None:
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.authorization: list[bytes] = []
        self.idempotency_key: list[bytes] = []
        self.media_type: bytes | None = None
        self.length = 0
        self.origin = ""
        self.request_id = ""
        self.channel: Channel = "api"
        self.principal: Principal | None = None
        self.operation: Operation | None = None
        self.allowance: Allowance | None = None
        for name, value in scope["headers"]:
            if name not in READ:
                continue
            if name == b"authorization":
                self.authorization.append(value)
            elif name == b"content-type":
                self.media_type = value
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"idempotency-key":
                self.idempotency_key.append(value)
            elif name == b"origin":
                self.origin = value.decode("latin-1")
            elif name == CHANNEL_HEADER:
                self.channel = "mcp" if value == MCP else "api"
            elif not self.request_id:
                self.request_id = well_formed(value)
        if not self.request_id:
            self.request_id = short_id()


def check_media_type(operation: Operation, call: ApiRequest) -> None:
    if operation.from_body and call.media_type is not None and not _json_type(call.media_type):
        raise Problem("validation_error", "`Content-Type` must be application/json", status=415)


async def read_body(call: ApiRequest, receive: Receive) -> bytes:
    """The whole body; one that is too large is refused before it is read."""
    if call.length > MAX_BODY:
        raise too_large("The body", MAX_BODY)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise sse.Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise too_large("The body", MAX_BODY)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
