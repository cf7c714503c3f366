"""`/mcp`: from a request to a session, a tool or the kernel, and back, in both eras of the protocol.

Order of checks: 403 origin, 401, 413 and 415, 429, frame, session. What a POST holds is read once. `tools/call` of a usual form is
answered here; the SDK behind `kernel.py` answers everything else, and is not loaded before that is needed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from deskbell.core.operation import Principal
from deskbell.core.tools.tool import OperationTool
from deskbell.errors import Problem
from deskbell.foundation.db import Database, DatabaseFailure
from deskbell.foundation.limits import Bucket, Limits
from deskbell.surfaces.http import cors
from deskbell.surfaces.http.dialects import Crm
from deskbell.surfaces.http.dispatcher import Authenticator, Receive, Scope, Send, read_body
from deskbell.surfaces.http.sse import Disconnected
from deskbell.surfaces.mcp import catalog, jsonrpc
from deskbell.surfaces.mcp.broadcasts import Change, Events, subject
from deskbell.surfaces.mcp.calls import METHODS, Call, Reply, check_origin, not_allowed, pairs
from deskbell.surfaces.mcp.catalog import Offer
from deskbell.surfaces.mcp.jsonrpc import MODERN, Frame, Refused
from deskbell.surfaces.mcp.request_context import CHANNEL, Exchange
from deskbell.surfaces.mcp.sessions import Sessions
from deskbell.surfaces.mcp.store import Session
from deskbell.surfaces.mcp.streams import Outbox, event, gone
from deskbell.surfaces.mcp.subscriptions import Standing, StandingStreams
from deskbell.surfaces.ops.access_log import AccessLog

log = logging.getLogger(__name__)

_json_type = re.compile(rb"\s*application/json\s*(;|\Z)", re.IGNORECASE).match
_session_id = re.compile(rb"[!-~]{1,128}\Z").match
KNOWN = frozenset(
    {
        "initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
        "prompts/list", "prompts/get", "server/discover", "subscriptions/listen", "completion/complete",
    }
)  # fmt: skip
SENT, SEEN = b", Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name", b", Mcp-Session-Id, WWW-Authenticate"
SIMPLE = frozenset({"name", "arguments", "_meta"})
LARGEST_KEPT = 64 * 1024  # bytes of what a client says once and we keep: its name and abilities, its subscriptions


class Front:
    """The ASGI application of `/mcp` and `/mcp/readonly`."""

    def __init__(
        self,
        offers: Mapping[str, Offer],
        *,
        authenticator: Authenticator,
        sessions: Sessions,
        limits: Limits,
        database: Database,
        access_log: AccessLog,
        origins: frozenset[str],
    ) -> None:
        self.offers = offers
        self.authenticator = authenticator
        self.sessions = sessions
        self.limits = limits
        self.database = database
        self.access_log = access_log
        self.origins = origins
        self.events = Events(database)
        self.standing = StandingStreams(database, authenticator, sessions, self.events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope)
        try:
            reply = await self.answer(call, receive, send)
        except Refused as refused:
            reply = Reply(refused.status, refused.body)
        except Problem as problem:
            reply = self.refusal(call, problem)
        except DatabaseFailure as failure:
            log.error("%s: %s", call.request_id, failure)
            reply = self.refusal(call, Problem("query_failed"))
        except Disconnected:
            return
        except Exception:
            log.exception("request %s failed", call.request_id)
            reply = self.refusal(call, Problem("internal_error"))
        if reply is not None:
            headers = await self.head(call)
            if reply.body:
                headers.append((b"content-type", b"application/json"))
            headers.append((b"content-length", b"%d" % len(reply.body)))
            headers.extend(reply.headers)
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})
        status = reply.status if reply is not None else 200
        self.access_log.add(call.request_id, call.operation, call.caller, status, call.started)

    async def head(self, call: Call) -> list[tuple[bytes, bytes]]:
        """The headers of every answer."""
        allowance = call.allowance or await self.limits.look(
            call.caller.key_id if call.caller else "", call.bucket, self.limit(call)
        )
        headers = [
            (b"x-request-id", call.request_id.encode()),
            (b"ratelimit-limit", b"%d" % allowance.limit),
            (b"ratelimit-remaining", b"%d" % allowance.remaining),
            (b"ratelimit-reset", b"%d" % allowance.reset),
        ]
        if call.page:
            headers += cors.headers(call.page, preflight=call.method == "OPTIONS", sent=SENT, seen=SEEN)
        return headers

    def limit(self, call: Call) -> int:
        limits = call.caller or Crm
        return limits.reads_per_minute if call.bucket == "read" else limits.writes_per_minute

    def refusal(self, call: Call, problem: Problem) -> Reply:
        """A problem before or beside JSON-RPC, in the envelope of the CRM API."""
        headers: list[tuple[bytes, bytes]] = []
        if problem.status == 401:
            headers.append((b"www-authenticate", Crm.challenge))
        elif problem.status == 405:
            headers.append((b"allow", problem.__notes__[0].encode()))
        elif problem.status == 413:
            headers.append((b"connection", b"close"))
        elif problem.status == 429:
            reset = call.allowance.reset if call.allowance else 0
            headers.append((b"retry-after", b"%d" % max(1, reset - int(time.time()))))
        elif problem.status == 503:
            headers.append((b"retry-after", b"30"))
        return Reply(problem.status, Crm.envelope(problem), tuple(headers))

    async def answer(self, call: Call, receive: Receive, send: Send) -> Reply | None:
        """The way of a request through the checks. None says that it was answered by a stream."""
        if call.origin is not None:
            check_origin(call, self.origins)
            if call.method == "OPTIONS":
                return Reply(204)
        if len(call.authorization) == 1:
            call.caller = await self.authenticator.caller(call.authorization[0])
        if call.caller is None:
            raise Crm.unauthorized()
        if call.scope["path"] not in self.offers:
            raise Problem("not_found", "There is no such route; MCP is at /mcp")
        if call.method == "POST":
            return await self.post(call, call.caller, receive, send)
        if call.method not in ("GET", "DELETE") or call.modern:
            raise not_allowed(call.method, "POST" if call.modern else METHODS)
        call.operation = f"mcp {call.method}"
        await self.count(call, call.caller)
        if call.method == "DELETE":
            return await self.delete(call, call.caller)
        session = await self.session(call, call.caller, dead="no_session")
        await self.listen(call, call.caller, session, receive, send)
        return None

    async def count(self, call: Call, caller: Principal, bucket: Bucket = "read") -> None:
        call.bucket = bucket
        limit = self.limit(call)
        call.allowance = await self.limits.take(caller.key_id, bucket, limit)
        if not call.allowance.granted:
            raise Problem("rate_limit_exceeded", f"API {bucket} rate limit exceeded ({limit}/min). Try again shortly.")

    async def post(self, call: Call, caller: Principal, receive: Receive, send: Send) -> Reply | None:
        body = await read_body(call, receive)  # type: ignore[arg-type]
        if call.media_type is not None and not _json_type(call.media_type):
            raise Problem("validation_error", "`Content-Type` must be application/json", status=415)
        offer = self.offers[call.scope["path"]]
        try:
            frame = jsonrpc.read(body)
            jsonrpc.checked(frame)
            if frame.method == "subscriptions/listen" and len(body) > LARGEST_KEPT:
                raise Refused(jsonrpc.INVALID_REQUEST, "A subscription may be 64 KiB long", id=frame.id)
        except Refused:
            await self.count(call, caller)
            raise
        tool = None
        call.operation = f"mcp {frame.method}" if frame.method in KNOWN else "mcp"
        if frame.method == "tools/call" and frame.kind == "request":
            name = frame.params.get("name")
            tool = offer.tools.get(name) if type(name) is str else None
            if tool is not None:
                call.operation = f"mcp {tool.name}"
        await self.count(call, caller, "write" if tool and not tool.operation.is_read else "read")
        if call.modern:
            return await self.modern(call, caller, offer, frame, tool, receive, send)
        if frame.method == "initialize" and frame.kind == "request":
            return await self.handshake(call, caller, offer, frame)
        session = await self.session(call, caller, dead="not_found")
        if frame.kind == "response":
            await self.events.replied(session, str(frame.id), frame.raw)
            return Reply(202)
        if frame.kind == "notification":
            if frame.method == "notifications/cancelled":
                await self.events.cancel(session, frame.params.get("requestId"))
            return Reply(202)
        if catalog.plain_meta(frame.params.get("_meta")):
            if tool is not None and frame.params.keys() <= SIMPLE:
                outcome = await tool.call(self.database, caller, CHANNEL, frame.params.get("arguments"))
                return Reply(200, jsonrpc.tool_answer(frame.id, outcome))
            if (frame.method, session.version) in offer.results and frame.params.keys() <= {"_meta"}:
                return Reply(200, jsonrpc.answer(frame.id, offer.results[frame.method, session.version]))
        return await self.ask(call, caller, offer, frame, session, receive, send)

    async def modern(
        self,
        call: Call,
        caller: Principal,
        offer: Offer,
        frame: Frame,
        tool: OperationTool | None,
        receive: Receive,
        send: Send,
    ) -> Reply | None:
        """A request of the era without sessions: everything that is needed comes with it."""
        version = (call.version or b"").decode("latin-1")
        if frame.kind == "response":
            raise Refused(jsonrpc.INVALID_REQUEST, "Replies are not expected in this revision", id=frame.id)
        if frame.kind == "notification":
            if version == MODERN:
                return Reply(202)
            data = {"supported": [MODERN], "requested": version}
            raise Refused(-32022, "Unsupported protocol version", data=data)
        kernel = await offer.kernel(self.database, self.events)
        kernel.refuse_modern(frame, pairs(call.scope))
        told = catalog.known_meta(frame.params["_meta"])
        if tool is not None and told in offer.metas and frame.params.keys() <= SIMPLE:
            outcome = await tool.call(self.database, caller, CHANNEL, frame.params.get("arguments"))
            return Reply(200, jsonrpc.tool_answer(frame.id, outcome, kernel.stamp))
        return await self.ask(call, caller, offer, frame, None, receive, send)

    async def handshake(self, call: Call, caller: Principal, offer: Offer, frame: Frame) -> Reply:
        """Agrees on a revision, then opens a session if one more may be."""
        kernel = await offer.kernel(self.database, self.events)
        agreed = await kernel.handshake(frame, Exchange(caller, None, None, {}, Outbox()))
        if agreed.version is None:
            return Reply(200, agreed.body)
        if len(agreed.client) > LARGEST_KEPT:
            words = "`clientInfo` and `capabilities` may be 64 KiB together"
            raise Refused(jsonrpc.INVALID_PARAMS, words, id=frame.id)
        id = await self.sessions.open(caller, agreed.version, agreed.client)
        return Reply(200, agreed.body, ((b"mcp-session-id", id.encode()),))

    async def session(self, call: Call, caller: Principal, *, dead: str) -> Session:
        """The open session that a request names. `dead` is the code for one that is unknown or has ended."""
        if call.session_id is None:
            raise Problem("no_session", "Send `initialize` first, then the `mcp-session-id` header of its answer")
        found = None
        if _session_id(call.session_id):
            found = await self.sessions.find(call.session_id.decode("ascii"))
        if found is None and dead == "no_session":
            raise Problem("no_session", "This MCP session has ended or never was: send `initialize` by POST")
        if found is None:
            raise Problem("not_found", "This MCP session has ended or never was: send `initialize` to open a new one")
        if found.key_id != caller.key_id:
            raise Problem("session_mismatch", "This MCP session was opened with another API key")
        return found

    async def delete(self, call: Call, caller: Principal) -> Reply:
        session = await self.session(call, caller, dead="not_found")
        if not await self.sessions.end(session):
            raise Problem("not_found", "This MCP session has ended already")
        return Reply(204)

    async def ask(
        self,
        call: Call,
        caller: Principal,
        offer: Offer,
        frame: Frame,
        session: Session | None,
        receive: Receive,
        send: Send,
    ) -> Reply | None:
        """A request for the kernel: plain JSON, or a stream when it has something to say before its answer."""
        kernel = await offer.kernel(self.database, self.events)
        outbox = Outbox()
        client = await self.sessions.client(session) if session else None
        exchange = Exchange(caller, session, client, dict(pairs(call.scope)), outbox)
        task = asyncio.create_task(kernel.answer(frame, exchange))
        task.add_done_callback(outbox.close)
        place = (session.id_hash, subject(frame.id)) if session else None
        if place:
            self.events.running[place] = task.cancel
        hangs_up = asyncio.create_task(gone(receive, task.cancel)) if session is None else None
        try:
            first = await outbox.next()
            if first is not None:
                pour = self.pour(call, outbox, send, first, task)
                if frame.method == "subscriptions/listen":
                    call.scope["ending"] = task.cancel
                    standing = Standing(None, caller, call.authorization[0], task.cancel)
                    await self.standing.hold(outbox, standing, pour)
                else:
                    await pour
                return None
            if task.cancelled():
                return Reply(202)
            status, body = task.result()
        finally:
            task.cancel()
            if hangs_up:
                hangs_up.cancel()
            if place:
                self.events.running.pop(place, None)
        if status == 200:
            offer.learn(frame, session, body)
        return Reply(status, body)

    async def pour(self, call: Call, outbox: Outbox, send: Send, first: bytes | None, task: Any = None) -> None:
        """Sends an outbox as server-sent events until it is closed, and at last the answer of `task`."""
        headers = [
            *await self.head(call),
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        message = first
        while message is not None:
            await send({"type": "http.response.body", "body": event(message), "more_body": True})
            message = await outbox.next()
        last = b""
        if task is not None and task.done() and not task.cancelled():
            last = event(task.result()[1])
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def listen(self, call: Call, caller: Principal, session: Session, receive: Receive, send: Send) -> None:
        """A session's standing stream, which ends with it."""
        outbox = Outbox()
        call.scope["ending"] = outbox.close
        hangs_up = asyncio.create_task(gone(receive, outbox.close))
        standing = Standing(session, caller, call.authorization[0], outbox.close)
        try:
            await self.standing.hold(outbox, standing, self.pour(call, outbox, send, b""))
        finally:
            hangs_up.cancel()

    async def say_hello(self) -> None:
        """Tells clients of other processes that this one may bring other tools, as it does in the middle of an upgrade."""
        if not self.database.single_process:
            await self.events.publish(Change("notifications/tools/list_changed"))
