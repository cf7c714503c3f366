"""Our side of the SDK's interfaces: what a handler sends to its client, and subscriptions to changes across all workers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
import msgspec
from mcp.server.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext

from deskbell.surfaces.mcp.broadcasts import Broadcasts, ChangeNotification
from deskbell.surfaces.mcp.request_context import RequestContext

REPLY_TIMEOUT = 300.0  # seconds that a person may take to answer a question of ours

_events: dict[str, Callable[[], ServerEvent]] = {
    "notifications/tools/list_changed": ToolsListChanged,
    "notifications/prompts/list_changed": PromptsListChanged,
    "notifications/resources/list_changed": ResourcesListChanged,
}
_methods = {event: method for method, event in _events.items()}


@dataclass
class RequestDispatch:
    """The SDK's `DispatchContext` of one request: what its handler sends goes into the response's outbox."""

    context: RequestContext
    broadcasts: Broadcasts
    request_id: Any
    progress_token: Any = None
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)

    @property
    def can_send_request(self) -> bool:
        return self.context.session is not None

    @property
    def transport(self) -> TransportContext:
        return TransportContext(
            kind="streamable-http", can_send_request=self.can_send_request, headers=self.context.headers
        )

    @property
    def message_metadata(self) -> ServerMessageMetadata:
        return ServerMessageMetadata(request_context=self.context)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Asks the client, and waits for its reply from whichever worker that reaches."""
        session = self.context.session
        if session is None:
            raise NoBackChannelError(method)
        id = f"desk-{secrets.token_hex(12)}"
        self.context.outbox.put(encode_message(method, params, id))
        try:
            timeout = (opts or {}).get("timeout") or REPLY_TIMEOUT
            reply = await self.broadcasts.wait_for_reply(session, id, timeout)
        except TimeoutError:
            raise MCPError(types.REQUEST_TIMEOUT, f"The client did not answer {method}") from None
        if "error" in reply:
            raise MCPError.from_error_data(types.ErrorData.model_validate(reply["error"]))
        result: dict[str, Any] = reply["result"]
        return result

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        self.context.outbox.put(encode_message(method, params))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        if self.progress_token is None:
            return
        params = {"progressToken": self.progress_token, "progress": progress, "total": total, "message": message}
        await self.notify("notifications/progress", {name: params[name] for name in params if params[name] is not None})


class SessionOutbound:
    """The SDK's `Outbound` of a session outside its requests: changes of lists go to every open stream."""

    def __init__(self, broadcasts: Broadcasts) -> None:
        self.broadcasts = broadcasts

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        if method in _events:
            await self.broadcasts.publish(ChangeNotification(method))


class BroadcastBus:
    """The SDK's `SubscriptionBus` across all workers, for `subscriptions/listen`."""

    def __init__(self, broadcasts: Broadcasts) -> None:
        self.broadcasts = broadcasts

    async def publish(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated):
            await self.broadcasts.publish(ChangeNotification("notifications/resources/updated", event.uri))
        else:
            await self.broadcasts.publish(ChangeNotification(_methods[type(event)]))

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        def forward(change: ChangeNotification) -> None:
            if change.uri is not None:
                listener(ResourceUpdated(uri=change.uri))
            elif event := _events.get(change.method):
                listener(event())

        return self.broadcasts.subscribe(forward)


def encode_message(method: str, params: Mapping[str, Any] | None, id: str | None = None) -> bytes:
    """A request of ours to a client, or without an id a notification."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if id is not None:
        message["id"] = id
    if params is not None:
        message["params"] = params
    return msgspec.json.encode(message)
