"""HTTP by hand, for requests that a decent client refuses to send."""

from __future__ import annotations

import socket
from typing import Any

import httpx2

from tests.desk import PATIENCE, Api, Server


def exchange(server: Server, request: bytes) -> httpx2.Response:
    """Sends these very bytes and reads one answer; the answer must not need more bytes than were sent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        headers = []
        while line := stream.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        length = int(dict(headers).get("content-length", "0"))
        return httpx2.Response(status, headers=headers, content=stream.read(length))


def head(api: Api, method: str, path: str | bytes, *more: str | bytes) -> bytes:
    """The request line and headers, with the key of this client."""
    target = path if isinstance(path, bytes) else path.encode()
    lines = [
        method.encode() + b" /api/v1" + target + b" HTTP/1.1",
        b"Host: localhost",
        f"Authorization: Bearer {api.key}".encode(),
        *(line if isinstance(line, bytes) else line.encode() for line in more),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def send(api: Api, method: str, path: str | bytes, body: bytes = b"", **headers: Any) -> httpx2.Response:
    """A request with a body as it is, sent as JSON unless `content_type` says otherwise."""
    kind = headers.get("content_type", "application/json")
    lines = [f"Content-Length: {len(body)}", *([f"Content-Type: {kind}"] if kind else [])]
    return exchange(api.server, head(api, method, path, *lines) + body)
