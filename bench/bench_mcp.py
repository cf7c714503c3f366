"""`tools/call get_lead` over keep-alive connections, 32 of them: against the official SDK's server and FastMCP, in both protocol revisions."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import common
import msgspec
from load import Load, Request
from seed import Data, Tenant

FASTMCP = ("fastmcp>=4.1,<4.2", "uvicorn", "uvloop", "httptools", "apsw", "msgspec")
CONNECTIONS = 32
SESSIONS = 1000
CLIENT = {"name": "bench", "version": "1"}
PREFIX = "io.modelcontextprotocol/"
ENVELOPE = {f"{PREFIX}protocolVersion": "2026-07-28", f"{PREFIX}clientCapabilities": {}, f"{PREFIX}clientInfo": CLIENT}
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "get_lead"}


def headers_of(tenant: Tenant, more: dict[str, str]) -> dict[str, str]:
    accept = "application/json, text/event-stream"
    known = {"authorization": f"Bearer {tenant.key}", "accept": accept, "content-type": "application/json"}
    return known | more


def post(port: int, tenant: Tenant, frame: dict[str, Any], **more: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = msgspec.json.encode({"jsonrpc": "2.0", **frame})
    connection.request("POST", "/mcp", body, headers_of(tenant, {name.replace("_", "-"): more[name] for name in more}))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status in (200, 202), f"status {answer.status} for {frame}"
    return answer


def opened(port: int, tenant: Tenant) -> str:
    """A new session's id."""
    told = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}
    answer = post(port, tenant, {"id": 0, "method": "initialize", "params": told})
    session = str(answer.headers["mcp-session-id"])
    post(port, tenant, {"method": "notifications/initialized"}, mcp_session_id=session)
    return session


def call(number: int, id: str, meta: dict[str, Any] | None) -> bytes:
    params: dict[str, Any] = {"name": "get_lead", "arguments": {"id": id}}
    if meta:
        params["_meta"] = meta
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


def calls(tenant: Tenant, heads: Iterator[dict[str, str]], meta: dict[str, Any] | None = None) -> Iterator[Request]:
    chance = random.Random(1)
    for number, more in enumerate(heads):
        id = tenant.leads[int(chance.random() * len(tenant.leads))]
        content = call(number, id, meta)
        lines = [
            "POST /mcp HTTP/1.1",
            "host: 127.0.0.1:80",
            *(f"{n}: {v}" for n, v in headers_of(tenant, more).items()),
        ]
        head = "\r\n".join([*lines, f"content-length: {len(content)}"])
        yield Request(head.encode() + b"\r\n\r\n" + content, (number, id))


def whole(body: Any, wanted: tuple[int, str]) -> bool:
    number, id = wanted
    result = body["result"]
    lead = result["structuredContent"]
    return (
        body["id"] == number
        and not result.get("isError")
        and msgspec.json.decode(result["content"][0]["text"]) == lead
        and (lead["id"], lead["tags"]) == (id, ["roof", "estimate"])
    )


def legacy(server: common.Server, tenant: Tenant) -> tuple[common.Server, Load]:
    sessions = [{"mcp-session-id": opened(server.port, tenant)} for _ in range(CONNECTIONS)]
    return server, Load(calls(tenant, cycle(sessions)), 200, whole)


def modern(server: common.Server, tenant: Tenant) -> tuple[common.Server, Load]:
    return server, Load(calls(tenant, cycle([MODERN]), ENVELOPE), 200, whole)


def reference(name: str, kind: str, python: str | Path, data: Data) -> common.Server:
    command = [str(python), *common.UVICORN, "reference_mcp:app"]
    return common.Server(name, command, SERVER=kind, DESKBELL_FILE=str(data.deskbell))


def fastmcp_python() -> Path:
    """A Python of its own for FastMCP, so that its dependencies are nobody else's."""
    place = common.HERE.parent / "build" / "bench" / "fastmcp"
    python, done = place / "bin" / "python", place / "installed"
    if not done.exists() or done.read_text() != FASTMCP[0]:
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *FASTMCP], check=True)
        done.write_text(FASTMCP[0])
    return python


def memory(server: common.Server) -> float:
    """Resident megabytes."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def bench(figures: common.Figures, data: Data) -> None:
    tenant = data.large
    os.environ["DESKBELL_MCP_SESSIONS"] = "100000"  # those of earlier runs are in the file yet
    ours = common.deskbell(data.deskbell)
    sdk = reference("MCPServer", "sdk", sys.executable, data)
    fast = reference("FastMCP", "fastmcp", fastmcp_python(), data)
    deskbell, server, framework = common.alternate([legacy(each, tenant) for each in (ours, sdk, fast)], CONNECTIONS)
    figures.faster("MCP call in a session", deskbell, "MCPServer", server, 4.5)
    figures.faster("MCP call in a session", deskbell, "FastMCP", framework, 9)
    deskbell, server = common.alternate([modern(each, tenant) for each in (ours, sdk)], CONNECTIONS)
    figures.faster("MCP call of revision 2026-07-28", deskbell, "MCPServer", server, 2)
    before = memory(ours)
    for _ in range(SESSIONS - CONNECTIONS):
        opened(ours.port, tenant)
    figures.below("memory of 1,000 MCP sessions", memory(ours) - before, "MB", 5)


common.main(bench)
