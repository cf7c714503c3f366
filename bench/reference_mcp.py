"""`get_lead` as MCP servers made with the usual libraries offer it, doing the work of ours: key check, the same read of the same file.

`SERVER` chooses: `sdk` is the official SDK's MCPServer, `fastmcp` is FastMCP. Sessions in memory, answers plain JSON.
They get an advantage: no limits, no log, no scopes, and the organization is looked up once and for all.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from reference_asgi import caller_of, lead_of

organization_id = ""


async def get_lead(id: str) -> dict[str, Any]:
    """Read one lead with all its fields."""
    found = lead_of(organization_id, f"/api/v1/leads/{id}")
    if found is None:
        raise ValueError("there is no such lead")
    lead: dict[str, Any] = msgspec.json.decode(found)["data"]
    return lead


def sdk() -> Any:
    from mcp.server import MCPServer

    server = MCPServer("reference", log_level="ERROR")
    server.tool()(get_lead)
    return server.streamable_http_app(json_response=True)


def fastmcp() -> Any:
    from fastmcp import FastMCP

    server: Any = FastMCP("reference")
    server.tool(get_lead)
    return server.http_app(path="/mcp", json_response=True)


inner = {"sdk": sdk, "fastmcp": fastmcp}[os.environ["SERVER"]]()


async def app(scope: Any, receive: Any, send: Any) -> None:
    global organization_id
    if scope["type"] == "http":
        caller = caller_of(dict(scope["headers"]).get(b"authorization"))
        if not caller:
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        organization_id = caller[0]
    await inner(scope, receive, send)
