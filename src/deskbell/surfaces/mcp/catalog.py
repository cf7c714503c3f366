"""What a path of MCP serves, and what is remembered of its kernel's answers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from deskbell.core.tools.tool import OperationTool
from deskbell.foundation.db import Database
from deskbell.surfaces.mcp import jsonrpc
from deskbell.surfaces.mcp.broadcasts import Events
from deskbell.surfaces.mcp.jsonrpc import Frame
from deskbell.surfaces.mcp.request_context import Parts
from deskbell.surfaces.mcp.store import Session

if TYPE_CHECKING:
    from deskbell.surfaces.mcp.sdk import Kernel

CONSTANT = frozenset({"ping", "tools/list", "prompts/list", "resources/list", "resources/templates/list"})
RESERVED = "io.modelcontextprotocol/"
MOST_METAS, LARGEST_META = 1000, 4096  # how many are remembered, and of at most how many bytes


class Offer:
    """What one path serves: tools on the fast path, and the kernel for everything else, made when it is first needed.

    Tests put other things behind the front: no tools here, and a `build` that makes their kernel (see `kernel.py`).
    """

    def __init__(self, tools: dict[str, OperationTool], build: Callable[[Parts], Kernel] | None = None) -> None:
        self.tools = tools
        self.build = build
        self.made: Kernel | None = None
        self.making = asyncio.Lock()
        #: What modern clients tell of themselves, as far as the kernel has taken it.
        self.metas: set[bytes] = set()
        #: Results that are the same for everybody, by method and revision. Those of another kernel may change.
        self.results: dict[tuple[str, str], bytes] = {}

    async def kernel(self, database: Database, events: Events) -> Kernel:
        if self.made is None:
            async with self.making:
                if self.made is None:
                    module = await asyncio.to_thread(importlib.import_module, "deskbell.surfaces.mcp.sdk")
                    self.made = (self.build or module.build)(Parts(self.tools, database, events))
        return self.made

    def learn(self, frame: Frame, session: Session | None, body: bytes) -> None:
        """Remembers of an answer of the kernel's what saves asking it again."""
        if session is None:
            if len(self.metas) >= MOST_METAS:
                self.metas.clear()
            told = known_meta(frame.params["_meta"]) if frame.method == "tools/call" else None
            if told and len(told) <= LARGEST_META:
                self.metas.add(told)
        elif frame.method in CONSTANT and not frame.params and self.build is None:
            result = jsonrpc.result_of(body, frame.id)
            if result is not None:
                self.results[frame.method, session.version] = result


def plain_meta(meta: Any) -> bool:
    """Whether a request's `_meta` is one that the kernel takes as it is."""
    if meta is None:
        return True
    if type(meta) is not dict or any(name.startswith(RESERVED) for name in meta):
        return False
    return type(meta.get("progressToken", 0)) in (int, str)


def known_meta(meta: dict[str, Any]) -> bytes | None:
    """What a modern request tells of its client, to know it again; None where the kernel must look at it every time."""
    if type(meta.get("progressToken", 0)) not in (int, str):
        return None
    return msgspec.json.encode({name: value for name, value in meta.items() if name.startswith(RESERVED)})
