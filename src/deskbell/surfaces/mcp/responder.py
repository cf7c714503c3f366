"""Responses of the SDK, plain or streamed, and the streams of sessions."""

from __future__ import annotations

import asyncio
from typing import Any

from deskbell.core.principal import Principal
from deskbell.foundation.db import Database
from deskbell.surfaces.http.request import Receive, Send
from deskbell.surfaces.mcp.broadcasts import Broadcasts, request_key
from deskbell.surfaces.mcp.catalog import Catalog
from deskbell.surfaces.mcp.http_request import McpRequest, McpResponse, header_pairs
from deskbell.surfaces.mcp.jsonrpc import JsonRpcMessage
from deskbell.surfaces.mcp.rate_limits import RateLimits
from deskbell.surfaces.mcp.request_context import RequestContext
from deskbell.surfaces.mcp.sessions import McpSessions
from deskbell.surfaces.mcp.store import McpSession
from deskbell.surfaces.mcp.streams import Outbox, on_disconnect, sse_event
from deskbell.surfaces.mcp.subscriptions import OpenStream, OpenStreams


class Responder:
    """Runs what may take its time, and sends what comes before its end."""

    def __init__(
        self,
        database: Database,
        sessions: McpSessions,
        broadcasts: Broadcasts,
        streams: OpenStreams,
        rate_limits: RateLimits,
    ) -> None:
        self.database = database
        self.sessions = sessions
        self.broadcasts = broadcasts
        self.streams = streams
        self.rate_limits = rate_limits

    async def ask_sdk(
        self,
        request: McpRequest,
        principal: Principal,
        catalog: Catalog,
        message: JsonRpcMessage,
        session: McpSession | None,
        receive: Receive,
        send: Send,
    ) -> McpResponse | None:
        """Plain JSON, or a stream (None) when there are messages before the response."""
        sdk = await catalog.sdk(self.database, self.broadcasts)
        outbox = Outbox()
        client = await self.sessions.client(session) if session else None
        context = RequestContext(
            principal, session, client, dict(header_pairs(request.scope)), outbox, request.request_id
        )
        task = asyncio.create_task(sdk.answer(message, context))
        task.add_done_callback(outbox.close)
        place = (session.id_hash, request_key(message.id)) if session else None
        if place:
            self.broadcasts.running[place] = task.cancel
        # A client with a session cancels by a notification; without one, by disconnecting.
        disconnect = asyncio.create_task(on_disconnect(receive, task.cancel)) if session is None else None
        try:
            first = await outbox.next()
            if first is not None:
                await self.stream(request, principal, message, outbox, send, first, task)
                return None
            if task.cancelled():
                return McpResponse(202)
            status, body = task.result()
        finally:
            task.cancel()
            if disconnect:
                disconnect.cancel()
            if place:
                self.broadcasts.running.pop(place, None)
        if status == 200:
            catalog.remember(message, session, body)
        return McpResponse(status, body)

    async def stream(
        self,
        request: McpRequest,
        principal: Principal,
        message: JsonRpcMessage,
        outbox: Outbox,
        send: Send,
        first: bytes,
        task: asyncio.Task[tuple[int, bytes]],
    ) -> None:
        """The messages before a response and the response; a subscription counts among the open streams."""
        sending = self.send_events(request, outbox, send, first, task)
        if message.method == "subscriptions/listen":
            request.scope["ending"] = task.cancel
            subscription = OpenStream(None, principal, request.authorization[0], task.cancel)
            await self.streams.serve(outbox, subscription, sending)
        else:
            await sending

    async def listen(
        self, request: McpRequest, principal: Principal, session: McpSession, receive: Receive, send: Send
    ) -> None:
        """A session's own stream, which ends with it."""
        outbox = Outbox()
        request.scope["ending"] = outbox.close
        disconnect = asyncio.create_task(on_disconnect(receive, outbox.close))
        stream = OpenStream(session, principal, request.authorization[0], outbox.close)
        try:
            await self.streams.serve(outbox, stream, self.send_events(request, outbox, send, b""))
        finally:
            disconnect.cancel()

    async def send_events(
        self,
        request: McpRequest,
        outbox: Outbox,
        send: Send,
        first: bytes | None,
        task: asyncio.Task[Any] | None = None,
    ) -> None:
        """Sends an outbox as server-sent events until it is closed, and at the end the result of `task`."""
        headers = [
            *await self.rate_limits.headers(request),
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        message = first
        while message is not None:
            await send({"type": "http.response.body", "body": sse_event(message), "more_body": True})
            message = await outbox.next()
        last = b""
        if task is not None and task.done() and not task.cancelled():
            last = sse_event(task.result()[1])
        await send({"type": "http.response.body", "body": last, "more_body": False})
