"""The official Python client 1.x, which needs an environment of its own: `python older_client.py URL KEY`."""

from __future__ import annotations

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def look(url: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    async with streamablehttp_client(url, headers=headers) as (read, write, _), ClientSession(read, write) as session:
        agreed = await session.initialize()
        tools = (await session.list_tools()).tools
        answer = await session.call_tool("get_org", {})
        refused = await session.call_tool("create_lead", {})
        seen = {
            "who": "Python 1.x",
            "revision": agreed.protocolVersion,
            "tools": len(tools),
            "organization": (answer.structuredContent or {}).get("name"),
            "refused": refused.isError,
        }
        print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(look(*sys.argv[1:]))
