"""The official Python client of the version that we depend on, in each of its modes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

MODES = ("legacy", "auto", "2026-07-28")


@asynccontextmanager
async def connected(url: str, key: str, mode: Any) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, verify=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


async def look(url: str, key: str, mode: str) -> dict[str, Any]:
    """What a client sees that lists the tools and calls two of them, one of them wrongly."""
    async with connected(url, key, mode) as client:
        tools = (await client.list_tools()).tools
        answer = await client.call_tool("get_org", {})
        refused = await client.call_tool("create_lead", {})
        return {
            "who": f"Python 2.x, {mode}",
            "revision": client.protocol_version,
            "tools": len(tools),
            "organization": (answer.structured_content or {}).get("name"),
            "refused": refused.is_error,
        }
