"""`/mcp`: from a request to a session, a tool or the kernel, and back, in both eras of the protocol.

Order of checks: 403 origin, 401, 413 and 415, 429, frame, session. What a POST holds is read once. `tools/call` of a usual form is
answered here; the SDK behind `kernel.py` answers everything else, and is not loaded before that is needed.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from deskbell.errors import Problem
from deskbell.foundation.db import Database, DatabaseFailure
from deskbell.foundation.ids import short_id
from deskbell.foundation.limits import Allowance, Bucket, Limits
from deskbell.operation import Caller
from deskbell.surfaces.access_log import AccessLog
from deskbell.surfaces.dialects import Crm
from deskbell.surfaces.http import Authenticator, Receive, Scope, Send, read_body, well_formed
from deskbell.surfaces.mcp import frames
from deskbell.surfaces.mcp.events import Change, Events, subject
from deskbell.surfaces.mcp.exchange import Exchange, Parts
from deskbell.surfaces.mcp.frames import MODERN, Frame, Refused
from deskbell.surfaces.mcp.sessions import ENDED, Sessions
from deskbell.surfaces.mcp.store import Session
from deskbell.surfaces.mcp.streams import Outbox, event
from deskbell.surfaces.mcp.tools import OfferedTool
from deskbell.surfaces.streams import Disconnected

if TYPE_CHECKING:
    from deskbell.surfaces.mcp.kernel import Kernel

log = logging.getLogger(__name__)

READ = frozenset(
    {
        b"authorization", b"content-type", b"content-length", b"x-request-id", b"origin", b"host", b"mcp-session-id",
        b"mcp-protocol-version",
    }
)  # fmt: skip
_json_type = re.compile(rb"\s*application/json\s*(;|\Z)", re.IGNORECASE).match
_session_id = re.compile(rb"[!-~]{1,128}\Z").match
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
METHODS = "GET, POST, DELETE"
KNOWN = frozenset(
    {
        "initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
        "prompts/list", "prompts/get", "server/discover", "subscriptions/listen", "completion/complete",
    }
)  # fmt: skip
CONSTANT = frozenset({"ping", "tools/list", "prompts/list", "resources/list", "resources/templates/list"})
SIMPLE = frozenset({"name", "arguments", "_meta"})
RESERVED = "io.modelcontextprotocol/"
MOST_METAS = 1000


class Reply(NamedTuple):
    """An answer that is whole."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Offer:
    """What one path serves: tools on the fast path, and the kernel for everything else, made when it is first needed."""

    def __init__(self, tools: dict[str, OfferedTool], build: Callable[[Parts], Kernel] | None = None) -> None:
        self.tools = tools
        self.build = build
        self.made: Kernel | None = None
        self.making = asyncio.Lock()
        #: What modern clients tell of themselves, as far as the kernel has taken it.
        self.metas: set[bytes] = set()
        #: Results that are the same for everybody, by method and revision. Those of another kernel may change.
        self.results: dict[tuple[str, str], bytes] = {}

    async def kernel(self, database: Database, events: Events) -> Kernel:
        if self.made is None:
            async with self.making:
                if self.made is None:
                    module = await asyncio.to_thread(importlib.import_module, "deskbell.surfaces.mcp.kernel")
                    self.made = (self.build or module.build)(Parts(self.tools, database, events))
        return self.made


class Call:
    """One request: the headers that matter, and what is found out about it on the way."""

    def __init__(self, scope: Scope) -> None:
        self.started = time.perf_counter()
        self.scope = scope
        self.method: str = scope["method"]
        self.authorization: list[bytes] = []
        self.media_type: bytes | None = None
        self.length = 0
        self.request_id = ""
        self.origin = self.host = self.session_id = self.version = None
        self.caller: Caller | None = None
        self.allowance: Allowance | None = None
        self.bucket: Bucket = "read"
        self.operation = "-"
        for name, value in scope["headers"]:
            if name not in READ:
                continue
            if name == b"authorization":
                self.authorization.append(value)
            elif name == b"mcp-session-id":
                self.session_id = value.strip(b" \t")
            elif name == b"mcp-protocol-version":
                self.version = value.strip(b" \t")
            elif name == b"content-type":
                self.media_type = value
            elif name == b"content-length":
                self.length = int(value)
            elif name == b"host":
                self.host = value
            elif name == b"origin":
                self.origin = value
            elif not self.request_id:
                self.request_id = well_formed(value)
        if not self.request_id:
            self.request_id = short_id()

    @property
    def modern(self) -> bool:
        return self.version is not None and self.version not in frames.HANDSHAKE


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
        self.streams: dict[Outbox, tuple[Session, Caller]] = {}
        self.news = asyncio.Event()
        self.events.listen(self.spread)
        sessions.follow(self.news.set)
        database.hear(self.heard)

    def heard(self, news: str) -> None:
        if news == ENDED:
            self.news.set()

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
        return [
            (b"x-request-id", call.request_id.encode()),
            (b"ratelimit-limit", b"%d" % allowance.limit),
            (b"ratelimit-remaining", b"%d" % allowance.remaining),
            (b"ratelimit-reset", b"%d" % allowance.reset),
        ]

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
            self.check_origin(call)
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
        await self.stream(call, call.caller, session, receive, send)
        return None

    def check_origin(self, call: Call) -> None:
        """A browser names the page that asks. A server on the loopback interface answers for loopback names alone, whatever name a
        page has made point to it (DNS rebinding); behind a proxy, its public origin is a setting.
        """
        origin = (call.origin or b"").decode("latin-1").lower()
        host = (call.host or b"").decode("latin-1").lower()
        parts = urlsplit(origin)
        if origin in self.origins:
            return
        server = call.scope.get("server") or ("", 0)
        local = urlsplit(f"//{host}").hostname in LOOPBACK or server[0] not in LOOPBACK
        if not (parts.scheme in ("http", "https") and parts.netloc == host and local):
            raise Problem("origin_not_allowed", "This web page's origin may not use MCP here")

    async def count(self, call: Call, caller: Caller, bucket: Bucket = "read") -> None:
        call.bucket = bucket
        limit = self.limit(call)
        call.allowance = await self.limits.take(caller.key_id, bucket, limit)
        if not call.allowance.granted:
            raise Problem("rate_limit_exceeded", f"API {bucket} rate limit exceeded ({limit}/min). Try again shortly.")

    async def post(self, call: Call, caller: Caller, receive: Receive, send: Send) -> Reply | None:
        body = await read_body(call, receive)  # type: ignore[arg-type]
        if call.media_type is not None and not _json_type(call.media_type):
            raise Problem("validation_error", "`Content-Type` must be application/json", status=415)
        offer = self.offers[call.scope["path"]]
        try:
            frame = frames.read(body)
            frames.checked(frame)
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
        await self.count(call, caller, "write" if tool and not tool.operation.reads else "read")
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
        if plain_meta(frame.params.get("_meta")):
            if tool is not None and frame.params.keys() <= SIMPLE:
                outcome = await tool.call(self.database, caller, frame.params.get("arguments"))
                return Reply(200, frames.tool_answer(frame.id, outcome))
            if (frame.method, session.version) in offer.results and frame.params.keys() <= {"_meta"}:
                return Reply(200, frames.answer(frame.id, offer.results[frame.method, session.version]))
        return await self.ask(call, caller, offer, frame, session, receive, send)

    async def modern(
        self,
        call: Call,
        caller: Caller,
        offer: Offer,
        frame: Frame,
        tool: OfferedTool | None,
        receive: Receive,
        send: Send,
    ) -> Reply | None:
        """A request of the era without sessions: everything that is needed comes with it."""
        version = (call.version or b"").decode("latin-1")
        if frame.kind == "response":
            raise Refused(frames.INVALID_REQUEST, "Replies are not expected in this revision", id=frame.id)
        if frame.kind == "notification":
            if version == MODERN:
                return Reply(202)
            data = {"supported": [MODERN], "requested": version}
            raise Refused(-32022, "Unsupported protocol version", data=data)
        kernel = await offer.kernel(self.database, self.events)
        kernel.refuse_modern(frame, pairs(call.scope))
        told = known_meta(frame.params["_meta"])
        if tool is not None and told in offer.metas and frame.params.keys() <= SIMPLE:
            outcome = await tool.call(self.database, caller, frame.params.get("arguments"))
            return Reply(200, frames.tool_answer(frame.id, outcome, kernel.stamp))
        return await self.ask(call, caller, offer, frame, None, receive, send)

    async def handshake(self, call: Call, caller: Caller, offer: Offer, frame: Frame) -> Reply:
        """Agrees on a revision, then opens a session if one more may be."""
        kernel = await offer.kernel(self.database, self.events)
        agreed = await kernel.handshake(frame, Exchange(caller, None, None, {}, Outbox()))
        if agreed.version is None:
            return Reply(200, agreed.body)
        id = await self.sessions.open(caller, agreed.version, agreed.client)
        return Reply(200, agreed.body, ((b"mcp-session-id", id.encode()),))

    async def session(self, call: Call, caller: Caller, *, dead: str) -> Session:
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

    async def delete(self, call: Call, caller: Caller) -> Reply:
        session = await self.session(call, caller, dead="not_found")
        if not await self.sessions.end(session):
            raise Problem("not_found", "This MCP session has ended already")
        return Reply(204)

    async def ask(
        self,
        call: Call,
        caller: Caller,
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
        watcher = asyncio.create_task(gone(receive, task.cancel if session is None else outbox.close))
        try:
            first = await outbox.next()
            if first is not None:
                await self.pour(call, outbox, send, first, task)
                return None
            if task.cancelled():
                return Reply(202)
            status, body = task.result()
        finally:
            watcher.cancel()
            if place:
                self.events.running.pop(place, None)
        if status == 200:
            self.learn(offer, frame, session, body)
        return Reply(status, body)

    def learn(self, offer: Offer, frame: Frame, session: Session | None, body: bytes) -> None:
        """Remembers of an answer of the kernel's what saves asking it again."""
        if session is None:
            if len(offer.metas) >= MOST_METAS:
                offer.metas.clear()
            if frame.method == "tools/call" and (told := known_meta(frame.params["_meta"])):
                offer.metas.add(told)
        elif frame.method in CONSTANT and not frame.params and offer.build is None:
            result = frames.result_of(body, frame.id)
            if result is not None:
                offer.results[frame.method, session.version] = result

    async def pour(self, call: Call, outbox: Outbox, send: Send, first: bytes | None, task: Any = None) -> None:
        """Sends an outbox as server-sent events until it is closed, and at last the answer of `task`."""
        headers = [
            *await self.head(call),
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-cache, no-transform"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        call.scope["ending"] = outbox.close
        message = first
        while message is not None:
            await send({"type": "http.response.body", "body": event(message), "more_body": True})
            message = await outbox.next()
        last = b""
        if task is not None and task.done() and not task.cancelled():
            last = event(task.result()[1])
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def stream(self, call: Call, caller: Caller, session: Session, receive: Receive, send: Send) -> None:
        """A session's standing stream, which ends with it."""
        outbox = Outbox()
        self.streams[outbox] = (session, caller)
        watcher = asyncio.create_task(gone(receive, outbox.close))
        try:
            await self.sessions.note_stream(session, open=True)
            await self.pour(call, outbox, send, b"")
        finally:
            watcher.cancel()
            del self.streams[outbox]
            if not any(other.id_hash == session.id_hash for other, _ in self.streams.values()):
                await self.sessions.note_stream(session, open=False)

    async def say_hello(self) -> None:
        """Tells clients of other processes that this one may bring other tools, as it does in the middle of an upgrade."""
        if not self.database.alone:
            await self.events.publish(Change("notifications/tools/list_changed"))

    def spread(self, change: Change) -> None:
        """A list has changed: every standing stream says so."""
        if change.uri is None:
            for outbox in self.streams:
                outbox.put(change.frame())

    async def keep(self) -> None:
        """Ends streams with their sessions, for as long as the process runs; an open stream counts as use."""
        while True:
            try:
                async with asyncio.timeout(min(1.0, self.sessions.touch)):
                    await self.news.wait()
                    await asyncio.sleep(0.1)
            except TimeoutError:
                pass
            self.news.clear()
            if self.streams:
                await self.sessions.quietly(self.look_after)

    async def look_after(self) -> None:
        alive = await self.sessions.alive({session.id_hash for session, _ in self.streams.values()})
        for outbox, (session, caller) in list(self.streams.items()):
            if session.id_hash not in alive or caller.has_expired():
                outbox.close()
            else:
                self.sessions.used.add(session.id_hash)


def not_allowed(method: str, allowed: str) -> Problem:
    problem = Problem("method_not_allowed", f"{method} is not allowed here; use {allowed}")
    problem.add_note(allowed)
    return problem


def pairs(scope: Scope) -> list[tuple[str, str]]:
    """The headers, as text without the white space that HTTP allows around a value."""
    return [(name.decode("latin-1"), value.strip(b" \t").decode("latin-1")) for name, value in scope["headers"]]


def plain_meta(meta: Any) -> bool:
    """Whether a request's `_meta` is one that the kernel takes as it is."""
    if meta is None:
        return True
    if type(meta) is not dict or any(name.startswith(RESERVED) for name in meta):
        return False
    return type(meta.get("progressToken", 0)) in (int, str)


def known_meta(meta: dict[str, Any]) -> bytes | None:
    """What a modern request tells of its client, to know it again; None where the kernel must look at it every time."""
    if type(meta.get("progressToken", 0)) not in (int, str):
        return None
    return msgspec.json.encode({name: value for name, value in meta.items() if name.startswith(RESERVED)})


async def gone(receive: Receive, told: Callable[[], Any]) -> None:
    """Calls back when the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
    told()
