"""A bare MCP client for tests: it sends what it is told to, right or wrong, and shows what comes back."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import httpx2

from tests.desk import PATIENCE, Api

T = TypeVar("T")
MODERN = "2026-07-28"
LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
TEST_CLIENT = {"name": "tests", "version": "1"}


def request(method: str, params: Any = None, id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method} | ({} if params is None else {"params": params})


def initialize(version: str = LEGACY[-1]) -> dict[str, Any]:
    return request("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": TEST_CLIENT})


def enveloped(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters as the stateless revision wants them."""
    about = {"protocolVersion": MODERN, "clientCapabilities": {}, "clientInfo": TEST_CLIENT}
    return params | {"_meta": {f"io.modelcontextprotocol/{name}": value for name, value in about.items()}}


def ending(parts: Iterable[T]) -> Iterator[T]:
    """The rest of a stream, which must have an end."""
    patience = time.monotonic() + PATIENCE
    for part in parts:
        assert time.monotonic() < patience, "the stream goes on"
        yield part


class Mcp:
    """One client with one key. `open` begins a session, whose id then goes with every request."""

    def __init__(self, api: Api, path: str = "/mcp", url: str = "") -> None:
        self.api = api
        self.url = (url or api.server.url) + path
        self.session = ""

    def send(self, body: Any, method: str = "POST", **headers: str) -> httpx2.Response:
        """One request; `mcp_session_id="..."` and the like are headers."""
        given = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if self.session:
            given["mcp-session-id"] = self.session
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.api.http.request(method, self.url, content=content, headers=given)

    def open(self, version: str = LEGACY[-1]) -> Mcp:
        answer = self.send(initialize(version))
        assert answer.status_code == 200, answer.text
        self.session = answer.headers["mcp-session-id"]
        return self

    def ask(self, method: str, params: Any = None, id: Any = 1) -> Any:
        """The result of a request, which must not be an error."""
        answer = self.send(request(method, params, id))
        assert answer.status_code == 200, answer.text
        assert "error" not in answer.json(), answer.text
        return answer.json()["result"]

    def call(self, tool: str, arguments: Any = None) -> Any:
        return self.ask("tools/call", {"name": tool, "arguments": {} if arguments is None else arguments})

    @contextlib.contextmanager
    def listen(self) -> Iterator[httpx2.Response]:
        """The session's standing stream, on a connection of its own."""
        with self.stream(None, "GET") as response:
            yield response

    @contextlib.contextmanager
    def stream(self, body: Any, method: str = "POST", **more: str) -> Iterator[httpx2.Response]:
        """A request whose answer is read as it comes, on a connection of its own."""
        headers = {**self.api.http.headers, "mcp-session-id": self.session, "accept": "text/event-stream"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        with (
            httpx2.Client(trust_env=False, verify=False, timeout=PATIENCE) as http,
            http.stream(method, self.url, headers=headers, json=body) as response,
        ):
            yield response

    def modern(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> httpx2.Response:
        """A request of the revision without sessions."""
        given = enveloped(params or {})
        named = {"mcp_name": str(given.get("name") or given.get("uri") or "")}
        routed = {"mcp_protocol_version": MODERN, "mcp_method": method} | (named if named["mcp_name"] else {})
        return self.send(request(method, given), **(routed | headers))
