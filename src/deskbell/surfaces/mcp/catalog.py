"""What one path of MCP serves, and what is remembered of the SDK's responses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from deskbell.core.tools.tool import OperationTool
from deskbell.foundation.db import Database
from deskbell.surfaces.mcp import jsonrpc
from deskbell.surfaces.mcp.broadcasts import Broadcasts
from deskbell.surfaces.mcp.jsonrpc import JsonRpcMessage
from deskbell.surfaces.mcp.request_context import ServerParts
from deskbell.surfaces.mcp.store import McpSession

if TYPE_CHECKING:
    from deskbell.surfaces.mcp.sdk.adapter import SdkAdapter

CONSTANT = frozenset({"ping", "tools/list", "prompts/list", "resources/list", "resources/templates/list"})
RESERVED = "io.modelcontextprotocol/"
MAX_METAS, MAX_META_BYTES = 1000, 4096


class Catalog:
    """What one path serves: tools that are called without the SDK, and the SDK's adapter, made when it is first needed.

    Tests serve other things: no tools here, and a `build` that makes their adapter (see `sdk/adapter.py`).
    """

    def __init__(
        self, tools: dict[str, OperationTool], build: Callable[[ServerParts], SdkAdapter] | None = None
    ) -> None:
        self.tools = tools
        self.build = build
        self.adapter: SdkAdapter | None = None
        self.building = asyncio.Lock()
        #: The `_meta` of stateless clients that the SDK has accepted.
        self.metas: set[bytes] = set()
        #: Results that are the same for everybody, by method and revision. Those of a test's adapter may change.
        self.results: dict[tuple[str, str], bytes] = {}

    async def sdk(self, database: Database, broadcasts: Broadcasts) -> SdkAdapter:
        if self.adapter is None:
            async with self.building:
                if self.adapter is None:
                    build = self.build if self.build is not None else await asyncio.to_thread(product_build)
                    self.adapter = build(ServerParts(self.tools, database, broadcasts))
        return self.adapter

    def remember(self, message: JsonRpcMessage, session: McpSession | None, body: bytes) -> None:
        """Keeps what an SDK's response shows, so that the SDK need not be asked again."""
        if session is None:
            if len(self.metas) >= MAX_METAS:
                self.metas.clear()
            meta = client_meta(message.params["_meta"]) if message.method == "tools/call" else None
            if meta and len(meta) <= MAX_META_BYTES:
                self.metas.add(meta)
        elif message.method in CONSTANT and not message.params and self.build is None:
            result = jsonrpc.result_of(body, message.id)
            if result is not None:
                self.results[message.method, session.version] = result


def product_build() -> Callable[[ServerParts], SdkAdapter]:
    """Loads the SDK, which takes a while."""
    from deskbell.surfaces.mcp.sdk.server import build

    return build


def is_plain_meta(meta: Any) -> bool:
    """Whether a request's `_meta` needs no look by the SDK."""
    if meta is None:
        return True
    if type(meta) is not dict or any(name.startswith(RESERVED) for name in meta):
        return False
    return type(meta.get("progressToken", 0)) in (int, str)


def client_meta(meta: dict[str, Any]) -> bytes | None:
    """What a stateless request says of its client, to recognize it. None where the SDK must look at it every time."""
    if type(meta.get("progressToken", 0)) not in (int, str):
        return None
    return msgspec.json.encode({name: value for name, value in meta.items() if name.startswith(RESERVED)})
