"""The tools of `deskbell mcp`: they run on a Deskbell elsewhere, which is called with the Python client."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec

from deskbell.core.context import Channel
from deskbell.core.principal import Principal
from deskbell.core.tools.arguments import as_object
from deskbell.core.tools.outcome import (
    Outcome,
    advice,
    failure,
    list_result,
    permission_denied,
    without_nulls,
    worded_failure,
)
from deskbell.core.tools.tool import OperationTool
from deskbell.errors import Problem
from deskbell.foundation.db import Database
from deskbell.surfaces.http.request import CHANNEL_HEADER, MCP
from deskbell_client.client import options
from deskbell_client.errors import DeskError
from deskbell_client.operation import Operation
from deskbell_client.transport import AsyncTransport, Retry

log = logging.getLogger(__name__)

TIMEOUT = httpx2.Timeout(30, connect=5)
#: Only short waits happen here. A model reads how long a longer one takes, and decides itself.
RETRY = Retry(first=0.5, longest=2.0, patience=2.0)

ASK_FOR_HELP = "Tell the person that you work for; calling again will not help."
#: What a model should do about an error on the way, or one that only the person who configured `deskbell mcp` can fix.
CONNECTION_ADVICE = {
    "unauthorized": f"The API key that `deskbell mcp` was started with is wrong, inactive or expired. {ASK_FOR_HELP}",
    "payload_too_large": "Send less at once.",
    "connection_failed": "Deskbell may not be running there, or BRIGHTLY_API_URL may be wrong. Call again once; then tell the person"
    " that you work for.",
    "unreadable_answer": f"BRIGHTLY_API_URL may lead to something that is not Deskbell, or not this version. {ASK_FOR_HELP}",
}


class UntypedOperation(Operation[Any]):
    """An operation of the REST API whose response is not converted into a record."""

    def read(self, content: bytes) -> Any:
        response = msgspec.json.decode(content)
        if not isinstance(response, dict) or "data" not in response:
            raise msgspec.DecodeError("there is no `data` in it")
        return response


class RemoteTool:
    """A tool with the definition, the validation and the error texts of the server's own."""

    def __init__(self, local: OperationTool, transport: AsyncTransport) -> None:
        self.local = local
        self.name = local.name
        self.definition = local.definition
        self.operation = local.operation
        self.transport = transport
        self.request = UntypedOperation(local.operation.method, local.operation.path, dict)

    async def call(
        self, database: Database, principal: Principal, channel: Channel, arguments: Any, request_id: str | None = None
    ) -> Outcome:
        """Sends the call. Database, principal and channel are the server's business."""
        try:
            return Outcome(msgspec.json.encode(await self.result(as_object(arguments))))
        except Problem as problem:
            return failure(self.name, problem)
        except DeskError as error:
            return self.remote_failure(error)
        except Exception as error:
            log.error("tool %s failed: %s", self.name, type(error).__name__)
            return failure(self.name, Problem("internal_error"))

    async def result(self, given: Mapping[str, Any]) -> Any:
        ids = self.local.validate(given)[: len(self.local.ids)]  # what is invalid is not sent
        values = self.local.values(given)
        if not self.operation.is_read:
            return without_nulls((await self.transport.send(self.request, *ids, body=values))["data"])
        response = await self.transport.send(self.request, *ids, query=values)
        if not self.operation.lists:
            return without_nulls(response["data"])
        rows, total = response["data"], response["meta"]["total"]
        if self.local.tool.handler is not None and total > len(rows):
            rows = await self.latest(ids, values["limit"], total)
        return list_result([without_nulls(row) for row in rows], total)

    async def latest(self, ids: list[str], limit: int, total: int) -> list[Any]:
        """The last rows of a list that begins with the oldest. They may be spread over two pages."""
        last = -(-total // limit)
        rows: list[Any] = []
        for page in range(max(1, last - 1), last + 1):
            rows += (await self.transport.send(self.request, *ids, query={"limit": limit, "page": page}))["data"]
        return rows[-limit:]

    def remote_failure(self, error: DeskError) -> Outcome:
        """What failed on the way or on the server, and what a model should do about it."""
        if error.code == "insufficient_scope":
            return permission_denied(self.operation.scope)
        return worded_failure(self.name, error.code, error.message, remote_advice(error))


def remote_advice(error: DeskError) -> str:
    if error.retry_after is not None:
        return f"Wait {error.retry_after:.0f} seconds, then call again."
    known = CONNECTION_ADVICE.get(error.code) or advice(error.code)
    return known or ("Call again in a few seconds." if error.retryable else ASK_FOR_HELP)


class RemoteConnection:
    """The connection to a Deskbell. Key and address come from the environment, as for every use of the client."""

    def __init__(self) -> None:
        """Raises ValueError when there is no key, or when key or address cannot be right."""
        self.http = httpx2.AsyncClient(**options(None, None, TIMEOUT))
        self.http.headers[CHANNEL_HEADER.decode()] = MCP.decode()
        self.transport = AsyncTransport(self.http, RETRY)

    def tools(self, local: Mapping[str, OperationTool]) -> dict[str, RemoteTool]:
        return {name: RemoteTool(tool, self.transport) for name, tool in local.items()}

    async def close(self) -> None:
        await self.http.aclose()
