"""What passes between the front and the kernel. Knows no SDK, so that the front can name it without loading one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from deskbell.core.operation import Principal
from deskbell.core.tools.tool import CallableTool
from deskbell.foundation.db import Database
from deskbell.surfaces.mcp.broadcasts import Events
from deskbell.surfaces.mcp.sessions import Client
from deskbell.surfaces.mcp.store import Session
from deskbell.surfaces.mcp.streams import Outbox

CHANNEL = "mcp"


class Parts(NamedTuple):
    """What a kernel is made with: the tools that are offered, where the data is, and how workers hear of each other."""

    tools: Mapping[str, CallableTool]
    database: Database
    events: Events


class Exchange(NamedTuple):
    """One request on its way: who asks, in which session (none in the modern era), and where messages go meanwhile."""

    caller: Principal
    session: Session | None
    client: Client | None
    headers: Mapping[str, str]
    outbox: Outbox


class Handshake(NamedTuple):
    """An agreement with a new client: its answer, the revision, and what the client told of itself."""

    body: bytes
    version: str | None
    client: bytes
