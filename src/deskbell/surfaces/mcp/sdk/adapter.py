"""Asks an SDK server about one request at a time, by the SDK's `serve_one`.

`sdk/server.py` builds the product's server. Tests serve another one: a `Catalog` (see `catalog.py`) with no tools of its own and a
`build` that returns `SdkAdapter(their_server, parts)`. Their handlers find the `RequestContext` in `ctx.request`; `ctx.session`
sends notifications, progress and, to clients with a session, requests whose reply may reach any worker. Schemas with
`x-mcp-header` need the server's `get_tool_input_schema`; changes of lists go through `BroadcastBus`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp_types as types
import msgspec
from mcp.server.connection import Connection
from mcp.server.lowlevel.server import Server
from mcp.server.runner import modern_error_data, serve_one
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    classify_inbound_request,
    find_duplicated_routing_header,
    validate_mcp_param_headers,
)
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params

from deskbell.surfaces.mcp import jsonrpc
from deskbell.surfaces.mcp.jsonrpc import STATELESS_REVISION, JsonRpcError, JsonRpcMessage
from deskbell.surfaces.mcp.request_context import Handshake, RequestContext, ServerParts
from deskbell.surfaces.mcp.sdk.dispatch import RequestDispatch, SessionOutbound
from deskbell.surfaces.mcp.sessions import ClientDetails

_encode = msgspec.json.Encoder().encode


class SdkAdapter:
    """An SDK server. It keeps nothing between two requests."""

    def __init__(self, server: Server[Any], parts: ServerParts) -> None:
        self.server = server
        self.parts = parts
        server.middleware.clear()  # traces that nobody collects
        self.outbound = SessionOutbound(parts.broadcasts)
        info = _encode({types.SERVER_INFO_META_KEY: server.server_info_stamp})
        #: What the stateless revision adds to every result.
        self.stateless_members = b',"_meta":' + info + b',"resultType":"complete"'

    async def handshake(self, message: JsonRpcMessage, context: RequestContext) -> Handshake:
        """Answers `initialize`. Where no revision could be agreed on, the answer is an error."""
        connection = Connection.for_loop(self.outbound)
        _, body = await self.respond(message, context, connection, statuses={})
        if connection.client_params is None:
            return Handshake(body, None, b"")
        details = {name: message.params.get(name) for name in ("clientInfo", "capabilities")}
        return Handshake(body, connection.protocol_version, _encode(details))

    def check_headers(self, message: JsonRpcMessage, pairs: list[tuple[str, str]]) -> None:
        """Raises what is wrong with a stateless request's `_meta` and headers, which must say the same."""
        if duplicate := find_duplicated_routing_header(pairs):
            raise JsonRpcError(types.HEADER_MISMATCH, f"{duplicate} header appears more than once", id=message.id)
        headers = dict(pairs)
        found = classify_inbound_request(message.raw, headers=headers)
        rejection = found if isinstance(found, InboundLadderRejection) else self.check_parameters(message, headers)
        if rejection is not None:
            status = ERROR_CODE_HTTP_STATUS.get(rejection.code, 400)
            raise JsonRpcError(rejection.code, rejection.message, id=message.id, status=status, data=rejection.data)

    def check_parameters(self, message: JsonRpcMessage, headers: Mapping[str, str]) -> InboundLadderRejection | None:
        """Compares a tool's arguments with the headers that its schema asks for."""
        schema_of = self.server.get_tool_input_schema
        if schema_of is None or message.method != "tools/call":
            return None
        schema, arguments = schema_of(str(message.params.get("name"))), message.params.get("arguments") or {}
        if schema is None or not isinstance(arguments, dict):
            return None
        return validate_mcp_param_headers(schema, arguments, headers)

    def check_meta(self, message: JsonRpcMessage) -> None:
        """Raises what is wrong with the `_meta` of a stateless request that came without headers."""
        found = classify_inbound_request(message.raw)
        if isinstance(found, InboundLadderRejection):
            raise JsonRpcError(found.code, found.message, id=message.id, data=found.data)

    async def answer(self, message: JsonRpcMessage, context: RequestContext) -> tuple[int, bytes]:
        """Status and body of the response to one request."""
        if message.method == "tools/call":
            jsonrpc.unpack_arguments(message)
        if context.session is None:
            meta = message.params["_meta"]
            client = (meta.get(types.CLIENT_INFO_META_KEY), meta.get(types.CLIENT_CAPABILITIES_META_KEY))
            connection = Connection.from_envelope(STATELESS_REVISION, *client)
            return await self.respond(message, context, connection, statuses=ERROR_CODE_HTTP_STATUS)
        details = context.client or ClientDetails()
        connection = Connection.from_envelope(
            context.session.version, details.client_info, details.capabilities, outbound=self.outbound
        )
        connection.session_id = context.session.id_hash
        return await self.respond(message, context, connection, statuses={})

    async def respond(
        self, message: JsonRpcMessage, context: RequestContext, connection: Connection, statuses: Mapping[int, int]
    ) -> tuple[int, bytes]:
        """Runs a request. `statuses` has an error's HTTP status by its code; only the stateless revision has any."""
        token = progress_token_from_params(message.params)
        dispatch = RequestDispatch(context, self.parts.broadcasts, message.id, token)
        params = message.raw.get("params")
        try:
            result = await serve_one(
                self.server, dispatch, message.method, params, connection=connection, lifespan_state={}
            )
        except Exception as failure:
            data = modern_error_data(failure)
            error = data.model_dump(mode="json", by_alias=True, exclude_none=True)
            return statuses.get(data.code, 200), _encode({"jsonrpc": "2.0", "id": message.id, "error": error})
        return 200, _encode({"jsonrpc": "2.0", "id": message.id, "result": result})
