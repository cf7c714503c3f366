"""What a POST brings: from a message to a session, a tool, or the SDK.

The usual `tools/call` is answered here. The SDK answers everything else, and is not loaded before that is needed.
"""

from __future__ import annotations

import re

from deskbell.core.principal import Principal
from deskbell.core.tools.tool import OperationTool
from deskbell.errors import Problem
from deskbell.foundation.db import Database
from deskbell.surfaces.http.request import Receive, Send, read_body
from deskbell.surfaces.mcp import jsonrpc
from deskbell.surfaces.mcp.broadcasts import Broadcasts
from deskbell.surfaces.mcp.catalog import Catalog, client_meta, is_plain_meta
from deskbell.surfaces.mcp.http_request import McpRequest, McpResponse, header_pairs
from deskbell.surfaces.mcp.jsonrpc import STATELESS_REVISION, JsonRpcError, JsonRpcMessage
from deskbell.surfaces.mcp.rate_limits import RateLimits
from deskbell.surfaces.mcp.request_context import CHANNEL, RequestContext
from deskbell.surfaces.mcp.responder import Responder
from deskbell.surfaces.mcp.sessions import McpSessions
from deskbell.surfaces.mcp.store import McpSession
from deskbell.surfaces.mcp.streams import Outbox

UNSUPPORTED_PROTOCOL_VERSION = -32022
MAX_KEPT = 64 * 1024  # bytes of what a client says once and we remember: its details, its subscriptions
SIMPLE_CALL = frozenset({"name", "arguments", "_meta"})
#: Methods that the access log may name.
METHODS = frozenset(
    {
        "initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
        "prompts/list", "prompts/get", "server/discover", "subscriptions/listen", "completion/complete",
    }
)  # fmt: skip

_json_type = re.compile(rb"\s*application/json\s*(;|\Z)", re.IGNORECASE).match
_session_id = re.compile(rb"[!-~]{1,128}\Z").match


class Messages:
    """Takes JSON-RPC messages of authenticated requests."""

    def __init__(
        self,
        database: Database,
        sessions: McpSessions,
        broadcasts: Broadcasts,
        rate_limits: RateLimits,
        responder: Responder,
    ) -> None:
        self.database = database
        self.sessions = sessions
        self.broadcasts = broadcasts
        self.rate_limits = rate_limits
        self.responder = responder

    async def post(
        self, request: McpRequest, principal: Principal, catalog: Catalog, receive: Receive, send: Send
    ) -> McpResponse | None:
        """Answers one message. None if it was answered by a stream."""
        message, tool = await self.read(request, principal, catalog, receive)
        if request.is_stateless:
            return await self.stateless(request, principal, catalog, message, tool, receive, send)
        if message.method == "initialize" and message.kind == "request":
            return await self.handshake(principal, catalog, message)
        session = await self.session(request, principal, unknown="not_found")
        if message.kind == "response":
            await self.broadcasts.deliver_reply(session, str(message.id), message.raw)
            return McpResponse(202)
        if message.kind == "notification":
            if message.method == "notifications/cancelled":
                await self.broadcasts.cancel(session, message.params.get("requestId"))
            return McpResponse(202)
        if is_plain_meta(message.params.get("_meta")):
            if tool is not None and message.params.keys() <= SIMPLE_CALL:
                outcome = await tool.call(
                    self.database, principal, CHANNEL, message.params.get("arguments"), request.request_id
                )
                return McpResponse(200, jsonrpc.tool_response(message.id, outcome))
            if (message.method, session.version) in catalog.results and message.params.keys() <= {"_meta"}:
                result = catalog.results[message.method, session.version]
                return McpResponse(200, jsonrpc.response(message.id, result))
        return await self.responder.ask_sdk(request, principal, catalog, message, session, receive, send)

    async def read(
        self, request: McpRequest, principal: Principal, catalog: Catalog, receive: Receive
    ) -> tuple[JsonRpcMessage, OperationTool | None]:
        """The message in a body, and the tool that it calls. Counts the request, a malformed one as a read."""
        body = await read_body(request, receive)  # type: ignore[arg-type]
        if request.media_type is not None and not _json_type(request.media_type):
            raise Problem("validation_error", "`Content-Type` must be application/json", status=415)
        try:
            message = jsonrpc.parse(body)
            jsonrpc.validate(message)
            if message.method == "subscriptions/listen" and len(body) > MAX_KEPT:
                raise JsonRpcError(jsonrpc.INVALID_REQUEST, "A subscription may have at most 64 KiB", id=message.id)
        except JsonRpcError:
            await self.rate_limits.count(request, principal)
            raise
        tool = None
        request.operation = f"mcp {message.method}" if message.method in METHODS else "mcp"
        if message.method == "tools/call" and message.kind == "request":
            name = message.params.get("name")
            tool = catalog.tools.get(name) if type(name) is str else None
            if tool is not None:
                request.operation = f"mcp {tool.name}"
        await self.rate_limits.count(request, principal, "write" if tool and not tool.operation.is_read else "read")
        return message, tool

    async def stateless(
        self,
        request: McpRequest,
        principal: Principal,
        catalog: Catalog,
        message: JsonRpcMessage,
        tool: OperationTool | None,
        receive: Receive,
        send: Send,
    ) -> McpResponse | None:
        """A message of the revision without sessions, which brings in its `_meta` what a handshake would have agreed on."""
        version = (request.version or b"").decode("latin-1")
        if message.kind == "response":
            raise JsonRpcError(jsonrpc.INVALID_REQUEST, "Replies are not expected in this revision", id=message.id)
        if message.kind == "notification":
            if version == STATELESS_REVISION:
                return McpResponse(202)
            data = {"supported": [STATELESS_REVISION], "requested": version}
            raise JsonRpcError(UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data=data)
        sdk = await catalog.sdk(self.database, self.broadcasts)
        sdk.check_headers(message, header_pairs(request.scope))
        known = client_meta(message.params["_meta"]) in catalog.metas
        if tool is not None and known and message.params.keys() <= SIMPLE_CALL:
            outcome = await tool.call(
                self.database, principal, CHANNEL, message.params.get("arguments"), request.request_id
            )
            return McpResponse(200, jsonrpc.tool_response(message.id, outcome, sdk.stateless_members))
        return await self.responder.ask_sdk(request, principal, catalog, message, None, receive, send)

    async def handshake(self, principal: Principal, catalog: Catalog, message: JsonRpcMessage) -> McpResponse:
        """Agrees on a revision, then opens a session if one more may be open."""
        sdk = await catalog.sdk(self.database, self.broadcasts)
        agreed = await sdk.handshake(message, RequestContext(principal, None, None, {}, Outbox()))
        if agreed.version is None:
            return McpResponse(200, agreed.body)
        if len(agreed.client) > MAX_KEPT:
            text = "`clientInfo` and `capabilities` may have at most 64 KiB together"
            raise JsonRpcError(jsonrpc.INVALID_PARAMS, text, id=message.id)
        id = await self.sessions.open(principal, agreed.version, agreed.client)
        return McpResponse(200, agreed.body, ((b"mcp-session-id", id.encode()),))

    async def session(self, request: McpRequest, principal: Principal, *, unknown: str) -> McpSession:
        """The open session that a request names. `unknown` is the code for one that does not exist or has ended."""
        if request.session_id is None:
            raise Problem("no_session", "Send `initialize` first, then the `mcp-session-id` header of its response")
        found = None
        if _session_id(request.session_id):
            found = await self.sessions.find(request.session_id.decode("ascii"))
        if found is None and unknown == "no_session":
            raise Problem("no_session", "This MCP session does not exist or has ended: send `initialize` by POST")
        if found is None:
            raise Problem("not_found", "This MCP session does not exist or has ended: send `initialize` again")
        if found.key_id != principal.key_id:
            raise Problem("session_mismatch", "This MCP session was opened with another API key")
        return found

    async def end_session(self, request: McpRequest, principal: Principal) -> McpResponse:
        session = await self.session(request, principal, unknown="not_found")
        if not await self.sessions.end(session):
            raise Problem("not_found", "This MCP session has ended already")
        return McpResponse(204)
