"""`/mcp` over HTTP: the checks that every request passes, for both protocol revisions.

Order of checks: 403 origin, 401, 404, 405, 413 and 415, 429, JSON-RPC, session. `messages.py` takes over from there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from deskbell.core.api import CRM
from deskbell.errors import Problem
from deskbell.foundation.db import Database, DatabaseFailure
from deskbell.foundation.limits import Limits
from deskbell.identity.authentication import Authenticator
from deskbell.surfaces.http.request import Receive, Scope, Send
from deskbell.surfaces.http.sse import Disconnected
from deskbell.surfaces.mcp.broadcasts import Broadcasts, ChangeNotification
from deskbell.surfaces.mcp.catalog import Catalog
from deskbell.surfaces.mcp.http_request import METHODS, McpRequest, McpResponse, check_origin, method_not_allowed
from deskbell.surfaces.mcp.jsonrpc import JsonRpcError
from deskbell.surfaces.mcp.messages import Messages
from deskbell.surfaces.mcp.rate_limits import RateLimits
from deskbell.surfaces.mcp.responder import Responder
from deskbell.surfaces.mcp.sessions import McpSessions
from deskbell.surfaces.mcp.subscriptions import OpenStreams
from deskbell.surfaces.ops.access_log import AccessLog

log = logging.getLogger(__name__)


class McpEndpoint:
    """The ASGI application of `/mcp` and `/mcp/readonly`."""

    def __init__(
        self,
        catalogs: Mapping[str, Catalog],
        *,
        authenticator: Authenticator,
        sessions: McpSessions,
        limits: Limits,
        database: Database,
        access_log: AccessLog,
        origins: frozenset[str],
    ) -> None:
        """`catalogs` has what is served, by path; `origins` are those whose web pages may ask."""
        self.catalogs = catalogs
        self.authenticator = authenticator
        self.sessions = sessions
        self.database = database
        self.access_log = access_log
        self.origins = origins
        self.rate_limits = RateLimits(limits)
        self.broadcasts = Broadcasts(database)
        self.streams = OpenStreams(database, authenticator, sessions, self.broadcasts)
        responder = Responder(database, sessions, self.broadcasts, self.streams, self.rate_limits)
        self.messages = Messages(database, sessions, self.broadcasts, self.rate_limits, responder)
        self.responder = responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = McpRequest(scope)
        try:
            response = await self.answer(request, receive, send)
        except JsonRpcError as error:
            response = McpResponse(error.status, error.body)
        except Problem as problem:
            response = refusal(request, problem)
        except DatabaseFailure as failure:
            log.error("%s: %s", request.request_id, failure)
            response = refusal(request, Problem("query_failed"))
        except Disconnected:
            return
        except Exception:
            log.exception("request %s failed", request.request_id)
            response = refusal(request, Problem("internal_error"))
        if response is not None:
            await self.send(request, response, send)
        status = response.status if response is not None else 200
        self.access_log.add(request.request_id, request.operation, request.principal, status, request.started)

    async def send(self, request: McpRequest, response: McpResponse, send: Send) -> None:
        headers = await self.rate_limits.headers(request)
        if response.body:
            headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(response.body)))
        headers.extend(response.headers)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def answer(self, request: McpRequest, receive: Receive, send: Send) -> McpResponse | None:
        """Passes a request through the checks. None if it was answered by a stream."""
        if request.origin is not None:
            check_origin(request, self.origins)
            if request.method == "OPTIONS":
                return McpResponse(204)
        if len(request.authorization) == 1:
            request.principal = await self.authenticator.authenticate(request.authorization[0])
        principal = request.principal
        if principal is None:
            raise CRM.dialect.unauthorized()
        catalog = self.catalogs.get(request.scope["path"])
        if catalog is None:
            raise Problem("not_found", "There is no such route; MCP is at /mcp")
        if request.method == "POST":
            return await self.messages.post(request, principal, catalog, receive, send)
        if request.method not in ("GET", "DELETE") or request.is_stateless:
            raise method_not_allowed(request.method, "POST" if request.is_stateless else METHODS)
        request.operation = f"mcp {request.method}"
        await self.rate_limits.count(request, principal)
        if request.method == "DELETE":
            return await self.messages.end_session(request, principal)
        session = await self.messages.session(request, principal, unknown="no_session")
        await self.responder.listen(request, principal, session, receive, send)
        return None

    async def announce_tools(self) -> None:
        """Tells clients of other processes that tools may have changed: this process may run another release."""
        if not self.database.single_process:
            await self.broadcasts.publish(ChangeNotification("notifications/tools/list_changed"))


def refusal(request: McpRequest, problem: Problem) -> McpResponse:
    """A problem outside JSON-RPC, in the envelope of the CRM API."""
    headers: list[tuple[bytes, bytes]] = []
    if problem.status == 401:
        headers.append((b"www-authenticate", CRM.dialect.challenge))
    elif problem.status == 405:
        headers.append((b"allow", problem.__notes__[0].encode()))
    elif problem.status == 413:
        headers.append((b"connection", b"close"))
    elif problem.status == 429:
        reset = request.allowance.reset if request.allowance else 0
        headers.append((b"retry-after", b"%d" % max(1, reset - int(time.time()))))
    elif problem.status == 503:
        headers.append((b"retry-after", b"30"))
    return McpResponse(problem.status, CRM.dialect.envelope(problem), tuple(headers))
