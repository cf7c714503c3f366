"""Messages between the workers that serve the same data: a list has changed, a client has replied, a request is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.db import ConstraintViolation, Database, Session, insert
from deskbell.surfaces.mcp import store
from deskbell.surfaces.mcp.store import McpSession

CHANGE, REPLY, CANCEL = "mcp.change", "mcp.reply", "mcp.cancel"
POLL = 2.0  # seconds between looks for a reply whose broadcast was lost
MAX_BROADCAST = 4000  # bytes
MAX_REPLY = 64 * 1024  # bytes of a reply that is stored for another worker

_encode = msgspec.json.Encoder().encode


class ChangeNotification(NamedTuple):
    """What any client may want to know: `notifications/tools/list_changed`, or with a `uri` that one resource has changed."""

    method: str
    uri: str | None = None

    def encode(self) -> bytes:
        params = {} if self.uri is None else {"params": {"uri": self.uri}}
        return _encode({"jsonrpc": "2.0", "method": self.method, **params})


class Broadcasts:
    """Sends to all workers, and passes on what they send. `running` holds how each request of a session is cancelled here."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.listeners: dict[object, Callable[[ChangeNotification], None]] = {}
        self.waiting: dict[tuple[str, str], asyncio.Future[bytes]] = {}
        self.running: dict[tuple[str, str], Callable[[], Any]] = {}
        database.on_broadcast(self.receive)

    def receive(self, text: str) -> None:
        topic, _, rest = text.partition(" ")
        if topic == CHANGE:
            method, _, uri = rest.partition(" ")
            for listener in list(self.listeners.values()):
                listener(ChangeNotification(method, uri or None))
        elif topic == REPLY:
            id_hash, _, request = rest.partition(" ")
            if waiter := self.waiting.get((id_hash, request)):
                waiter.get_loop().call_soon(waiter.cancel)
        elif topic == CANCEL:
            id_hash, _, request = rest.partition(" ")
            if cancel := self.running.get((id_hash, request)):
                cancel()

    async def publish(self, change: ChangeNotification) -> None:
        """Notifies the clients of every worker."""
        text = f"{CHANGE} {change.method} {change.uri or ''}".rstrip()
        if len(text.encode()) <= MAX_BROADCAST:
            await self.database.broadcast(text)

    def subscribe(self, listener: Callable[[ChangeNotification], None]) -> Callable[[], None]:
        """Calls back with every change, until the returned function is called."""
        token = object()
        self.listeners[token] = listener
        return lambda: self.listeners.pop(token, None) and None

    async def wait_for_reply(self, session: McpSession, request: str, timeout: float) -> Any:
        """The client's reply to a request of ours, whichever worker it went to. Raises TimeoutError."""
        place = (session.id_hash, request)
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        try:
            while (left := end - loop.time()) > 0:
                waiter = self.waiting[place] = loop.create_future()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait([waiter], timeout=min(POLL, left))
                if waiter.done() and not waiter.cancelled():
                    return msgspec.json.decode(waiter.result())
                if body := await self.stored_reply(session, request):
                    return msgspec.json.decode(body)
        finally:
            self.waiting.pop(place, None)
        raise TimeoutError

    async def stored_reply(self, session: McpSession, request: str) -> str | None:
        query = store.reply(session.organization_id, session.id_hash, request)
        return await self.database.read(lambda transaction: transaction.one(query))

    async def deliver_reply(self, session: McpSession, request: str, raw: dict[str, Any]) -> None:
        """Delivers a client's reply to the request that waits for it: here, or through the database in another worker."""
        body = _encode(raw)
        waiter = self.waiting.get((session.id_hash, request))
        if waiter is not None and not waiter.done():
            waiter.set_result(body)
            return
        if self.database.single_process or len(request) > 100 or len(body) > MAX_REPLY:
            return  # nobody has asked
        row = {"organization_id": session.organization_id, "id_hash": session.id_hash, "subject": request}

        async def store_reply(transaction: Session) -> None:
            try:
                await transaction.run(insert(store.replies, {**row, "body": body.decode(), "created_at": clock.now()}))
            except ConstraintViolation:
                raise Problem("duplicate", "This request was answered already") from None

        with contextlib.suppress(Problem):
            await self.database.write(store_reply)
            await self.database.broadcast(f"{REPLY} {session.id_hash} {request}")

    async def cancel(self, session: McpSession, request_id: Any) -> None:
        """Cancels a request at the client's wish, in whichever worker it runs."""
        text = f"{CANCEL} {session.id_hash} {request_key(request_id)}"
        if len(text.encode()) <= MAX_BROADCAST:
            await self.database.broadcast(text)


def request_key(request_id: Any) -> str:
    """A request's id as the text that workers use: "1" and 1 differ."""
    return _encode(request_id).decode()
