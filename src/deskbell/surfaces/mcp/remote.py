"""The tools of `deskbell mcp`: what is called here runs on a Deskbell elsewhere, reached by the Python client."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec

from deskbell.core.operation import Principal
from deskbell.errors import Problem
from deskbell.foundation.db import Database
from deskbell.surfaces.http.dispatcher import BY_MCP, VIA
from deskbell.surfaces.mcp.tools import ADVICE, OfferedTool, Outcome, as_object, listed
from deskbell_client.client import options
from deskbell_client.errors import DeskError
from deskbell_client.operation import Operation
from deskbell_client.transport import AsyncTransport, Retry

log = logging.getLogger(__name__)

TIMEOUT = httpx2.Timeout(30, connect=5)
#: A model reads how long to wait and decides itself; only what is over soon is waited for here.
RETRY = Retry(first=0.5, longest=2.0, patience=2.0)

TELL = "Tell the person that you work for; calling again will not help."
NEXT = {
    "unauthorized": f"The API key that `deskbell mcp` was started with is wrong, inactive or expired. {TELL}",
    "payload_too_large": "Send less at once.",
    "connection_failed": "Deskbell may not be running there, or BRIGHTLY_API_URL may be wrong. Call again once; then tell the person"
    " that you work for.",
    "unreadable_answer": f"BRIGHTLY_API_URL may lead to something that is not Deskbell, or not this version. {TELL}",
}


class Sent(Operation[Any]):
    """An operation of the REST API whose answer is taken as it comes."""

    def read(self, content: bytes) -> Any:
        answer = msgspec.json.decode(content)
        if not isinstance(answer, dict) or "data" not in answer:
            raise msgspec.DecodeError("there is no `data` in it")
        return answer


class ForwardedTool:
    """One tool with the definition, the checks of arguments and the words of its twin on the server."""

    def __init__(self, offered: OfferedTool, transport: AsyncTransport) -> None:
        self.offered = offered
        self.name = offered.name
        self.definition = offered.definition
        self.operation = offered.operation
        self.transport = transport
        self.sent = Sent(offered.operation.method, offered.operation.path, dict)

    async def call(self, database: Database, caller: Principal, arguments: Any) -> Outcome:
        """Sends the call. Database and caller are the server's matter, and not looked at."""
        try:
            return Outcome(msgspec.json.encode(await self.result(as_object(arguments))))
        except Problem as problem:
            return self.offered.failure(problem)
        except DeskError as error:
            return self.failure(error)
        except Exception as error:
            log.error("tool %s failed: %s", self.name, type(error).__name__)
            return self.offered.failure(Problem("internal_error"))

    async def result(self, given: Mapping[str, Any]) -> Any:
        taken = self.offered.taken(given)  # what is wrong is told as the server tells it, without asking
        ids = taken[: len(self.offered.ids)]
        values = self.offered.values(given)
        if not self.operation.is_read:
            return compact((await self.transport.send(self.sent, *ids, body=values))["data"])
        answer = await self.transport.send(self.sent, *ids, query=values)
        if not self.operation.lists:
            return compact(answer["data"])
        rows, total = answer["data"], answer["meta"]["total"]
        if self.offered.tool.handler is not None and total > len(rows):
            rows = await self.latest(ids, values["limit"], total)
        return listed([compact(row) for row in rows], total)

    async def latest(self, ids: list[str], limit: int, total: int) -> list[Any]:
        """The last rows of a list that begins with the oldest: they may lie on two pages."""
        last = -(-total // limit)
        rows: list[Any] = []
        for page in range(max(1, last - 1), last + 1):
            rows += (await self.transport.send(self.sent, *ids, query={"limit": limit, "page": page}))["data"]
        return rows[-limit:]

    def failure(self, error: DeskError) -> Outcome:
        """What went wrong on the way or on the server, and what a model should do about it."""
        if error.code == "insufficient_scope":
            return self.offered.denied()
        wait = "" if error.retry_after is None else f" Wait {error.retry_after:.0f} seconds, then call again."
        advice = wait or " " + (NEXT.get(error.code) or ADVICE.get(error.code) or general(error))
        text = f"{self.name} failed ({error.code}): {error.message.rstrip('.')}.{advice}"
        return Outcome(text.encode(), failed=True)


def general(error: DeskError) -> str:
    return "Call again in a few seconds." if error.retryable else TELL


def compact(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without its nulls, as every tool answers."""
    return {name: value for name, value in record.items() if value is not None}


class Link:
    """The connection to a Deskbell. Key and address come from the environment, as for every use of the client."""

    def __init__(self) -> None:
        """Raises ValueError when there is no key, or when key or address cannot be right."""
        self.http = httpx2.AsyncClient(**options(None, None, TIMEOUT))
        self.http.headers[VIA.decode()] = BY_MCP.decode()
        self.transport = AsyncTransport(self.http, RETRY)

    def tools(self, offered: Mapping[str, OfferedTool]) -> dict[str, ForwardedTool]:
        return {name: ForwardedTool(tool, self.transport) for name, tool in offered.items()}

    async def close(self) -> None:
        await self.http.aclose()
