"""One HTTP request at `/mcp`: its headers, the check of its origin, and responses that are not streams."""

from __future__ import annotations

import time
from typing import NamedTuple
from urllib.parse import urlsplit

from deskbell.core.principal import Principal
from deskbell.errors import Problem
from deskbell.foundation.ids import short_id
from deskbell.foundation.limits import Allowance, Bucket
from deskbell.surfaces.http.request import Scope, well_formed
from deskbell.surfaces.mcp import jsonrpc

READ = frozenset(
    {
        b"authorization", b"content-type", b"content-length", b"x-request-id", b"origin", b"host", b"mcp-session-id",
        b"mcp-protocol-version",
    }
)  # fmt: skip
METHODS = "GET, POST, DELETE"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class McpResponse(NamedTuple):
    """A response that is sent in one piece."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class McpRequest:
    """One request: the headers that matter, and what the checks find out about it."""

    def __init__(self, scope: Scope) -> None:
        self.started = time.perf_counter()
        self.scope = scope
        self.method: str = scope["method"]
        self.authorization: list[bytes] = []
        self.media_type: bytes | None = None
        self.length = 0
        self.request_id = ""
        self.origin = self.host = self.session_id = self.version = None
        self.allowed_origin = ""
        self.principal: Principal | None = None
        self.allowance: Allowance | None = None
        self.bucket: Bucket = "read"
        self.operation = "-"
        for name, value in scope["headers"]:
            if name not in READ:
                continue
            if name == b"authorization":
                self.authorization.append(value)
            elif name == b"mcp-session-id":
                self.session_id = value.strip(b" \t")
            elif name == b"mcp-protocol-version":
                self.version = value.strip(b" \t")
            elif name == b"content-type":
                self.media_type = value
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"host":
                self.host = value
            elif name == b"origin":
                self.origin = value
            elif not self.request_id:
                self.request_id = well_formed(value)
        if not self.request_id:
            self.request_id = short_id()

    @property
    def is_stateless(self) -> bool:
        """Whether it belongs to a protocol revision without sessions."""
        return self.version is not None and self.version not in jsonrpc.SESSION_REVISIONS


def check_origin(request: McpRequest, allowed: frozenset[str]) -> None:
    """Refuses requests that a browser sends for another site's page.

    A server on the loopback interface answers for loopback names alone, whatever name a page has made point to it (DNS
    rebinding); behind a proxy, its public origin is a setting.
    """
    origin = (request.origin or b"").decode("latin-1").lower()
    host = (request.host or b"").decode("latin-1").lower()
    if origin in allowed:
        request.allowed_origin = origin
        return
    try:
        parts, name = urlsplit(origin), urlsplit(f"//{host}").hostname
    except ValueError:  # a malformed host
        parts, name = urlsplit(""), None
    server = request.scope.get("server") or ("", 0)
    local = name in LOOPBACK or server[0] not in LOOPBACK
    if not (parts.scheme in ("http", "https") and parts.netloc == host and local):
        raise Problem("origin_not_allowed", "This web page's origin may not use MCP here")
    request.allowed_origin = origin


def method_not_allowed(method: str, allowed: str) -> Problem:
    problem = Problem("method_not_allowed", f"{method} is not allowed here; use {allowed}")
    problem.add_note(allowed)
    return problem


def header_pairs(scope: Scope) -> list[tuple[str, str]]:
    """The headers as text, without the white space that HTTP allows around a value."""
    return [(name.decode("latin-1"), value.strip(b" \t").decode("latin-1")) for name, value in scope["headers"]]
