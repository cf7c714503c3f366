"""What one worker has to tell others: that lists have changed, that a client answered, that it takes a request back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.db import ConstraintViolation, Database, insert
from deskbell.foundation.db import Session as Transaction
from deskbell.surfaces.mcp import store
from deskbell.surfaces.mcp.store import Session

CHANGE, REPLY, CANCEL = "mcp.change", "mcp.reply", "mcp.cancel"
LOOK = 2.0  # seconds between looks for a reply whose announcement was lost
LONGEST = 4000  # bytes of an announcement
LARGEST = 64 * 1024  # bytes of a reply that is kept for another worker

_encode = msgspec.json.Encoder().encode


class Change(NamedTuple):
    """A notification that any client may want: `notifications/tools/list_changed`, or with a `uri` that one resource changed."""

    method: str
    uri: str | None = None

    def frame(self) -> bytes:
        params = {} if self.uri is None else {"params": {"uri": self.uri}}
        return _encode({"jsonrpc": "2.0", "method": self.method, **params})


class Events:
    """The meeting place of all workers that serve the same data."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.listeners: dict[object, Callable[[Change], None]] = {}
        self.waiting: dict[tuple[str, str], asyncio.Future[bytes]] = {}
        self.running: dict[tuple[str, str], Callable[[], Any]] = {}
        database.on_broadcast(self.heard)

    def heard(self, news: str) -> None:
        topic, _, rest = news.partition(" ")
        if topic == CHANGE:
            method, _, uri = rest.partition(" ")
            for listener in list(self.listeners.values()):
                listener(Change(method, uri or None))
        elif topic == REPLY:
            id_hash, _, about = rest.partition(" ")
            if waiter := self.waiting.get((id_hash, about)):
                waiter.get_loop().call_soon(waiter.cancel)
        elif topic == CANCEL:
            id_hash, _, about = rest.partition(" ")
            if cancel := self.running.get((id_hash, about)):
                cancel()

    async def publish(self, change: Change) -> None:
        """Tells every worker."""
        news = f"{CHANGE} {change.method} {change.uri or ''}".rstrip()
        if len(news.encode()) <= LONGEST:
            await self.database.broadcast(news)

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Calls back with every change; the answer ends that."""
        token = object()
        self.listeners[token] = listener
        return lambda: self.listeners.pop(token, None) and None

    async def reply_to(self, session: Session, about: str, patience: float) -> Any:
        """The client's reply to a request of ours, whichever worker it went to. TimeoutError when it does not come."""
        place = (session.id_hash, about)
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        try:
            while (left := end - loop.time()) > 0:
                waiter = self.waiting[place] = loop.create_future()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait([waiter], timeout=min(LOOK, left))
                if waiter.done() and not waiter.cancelled():
                    return msgspec.json.decode(waiter.result())
                key = (session.organization_id, session.id_hash, about)
                if body := await self.database.read(lambda transaction: transaction.one(store.reply(*key))):  # noqa: B023
                    return msgspec.json.decode(body)
        finally:
            self.waiting.pop(place, None)
        raise TimeoutError

    async def replied(self, session: Session, about: str, raw: dict[str, Any]) -> None:
        """A client's reply: to the request that waits here, or by the database to the worker where it waits."""
        body = _encode(raw)
        waiter = self.waiting.get((session.id_hash, about))
        if waiter is not None and not waiter.done():
            waiter.set_result(body)
            return
        if self.database.single_process or len(about) > 100 or len(body) > LARGEST:
            return  # nobody asked
        row = {"organization_id": session.organization_id, "id_hash": session.id_hash, "subject": about}

        async def unit(transaction: Transaction) -> None:
            try:
                await transaction.run(insert(store.replies, {**row, "body": body.decode(), "created_at": clock.now()}))
            except ConstraintViolation:
                raise Problem("duplicate", "This request was answered already") from None

        with contextlib.suppress(Problem):
            await self.database.write(unit)
            await self.database.broadcast(f"{REPLY} {session.id_hash} {about}")

    async def cancel(self, session: Session, request_id: Any) -> None:
        """A client takes a request back, wherever it runs."""
        news = f"{CANCEL} {session.id_hash} {subject(request_id)}"
        if len(news.encode()) <= LONGEST:
            await self.database.broadcast(news)


def subject(request_id: Any) -> str:
    """A request's id as the text that workers know it by; "1" and 1 are two."""
    return _encode(request_id).decode()
