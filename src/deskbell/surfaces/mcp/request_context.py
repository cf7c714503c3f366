"""What passes between the HTTP endpoint and the SDK. Imports no SDK, so that the endpoint can use it without loading one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from deskbell.core.context import Channel
from deskbell.core.principal import Principal
from deskbell.core.tools.tool import CallableTool
from deskbell.foundation.db import Database
from deskbell.surfaces.mcp.broadcasts import Broadcasts
from deskbell.surfaces.mcp.sessions import ClientDetails
from deskbell.surfaces.mcp.store import McpSession
from deskbell.surfaces.mcp.streams import Outbox

CHANNEL: Channel = "mcp"


class ServerParts(NamedTuple):
    """What an SDK server is built from: the tools, the database, and the broadcasts between workers."""

    tools: Mapping[str, CallableTool]
    database: Database
    broadcasts: Broadcasts


class RequestContext(NamedTuple):
    """One request that the SDK answers. The stateless revision has no session; `outbox` takes messages sent before the response."""

    principal: Principal
    session: McpSession | None
    client: ClientDetails | None
    headers: Mapping[str, str]
    outbox: Outbox
    request_id: str | None = None


class Handshake(NamedTuple):
    """The response to `initialize`, the agreed revision (None after an error), and the client's details as JSON."""

    body: bytes
    version: str | None
    client: bytes
