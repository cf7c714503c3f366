"""What an operation is, and how every surface runs it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from deskbell.core import idempotency
from deskbell.core.api import api_of
from deskbell.core.context import Channel, Context, ExternalContext
from deskbell.core.idempotency import IdempotentRequest
from deskbell.core.principal import Principal
from deskbell.core.tools.declaration import Tool
from deskbell.errors import Problem, Refusal
from deskbell.foundation import json
from deskbell.foundation.db import Database, Session
from deskbell.foundation.ids import PublicId, canonical
from deskbell.foundation.pagination import CursorPage, Page

T = TypeVar("T")


class EventStream:
    """A response of server-sent events. A Problem that the generator raises is sent as the last event.

    Each event is a name and a record, or bytes that are already encoded. `end` ends a stream that has no end of its own.
    """

    def __init__(
        self, events: AsyncGenerator[tuple[str, Any] | bytes, None], end: Callable[[], None] | None = None
    ) -> None:
        self.events = events
        self.end = end


class Response(NamedTuple):
    """What an operation returns to its surface: status and body, whether they are replayed, and events if there is no body."""

    status: int
    body: bytes
    replayed: bool = False
    events: EventStream | None = None


class Operation:
    """One thing that clients can do, declared once: handler, route, scope, and errors besides the common ones.

    The handler's signature declares the rest. `(ctx, id, changes)`: a path parameter is its own argument; an argument of a struct
    type is the query of a GET and the body of a write. Its docstring is the description that every surface shows.
    A handler whose first argument is an `ExternalContext` starts its own transactions. `upload` is the command of an operation that reads its
    body itself, which may also be a form with a file. `own_scope` is an alternative scope: the handler then limits the principal to their
    own records. `shown_once` names a field with a secret, which is left out of the stored response. `streamed` is the record of each event,
    where the response is a stream and nothing else.
    """

    def __init__(
        self,
        name: str,
        handler: Callable[..., Coroutine[Any, Any, Any]],
        route: str,
        *,
        scope: str,
        own_scope: str | None = None,
        errors: tuple[str, ...] = (),
        status: int | None = None,
        upload: type | None = None,
        streamed: type | None = None,
        tool: Tool | None = None,
        shown_once: str | None = None,
    ) -> None:
        self.name = name
        self.handler = handler
        self.method, self.path = route.split(" ")
        self.api = api_of(self.path)
        self.scope = scope
        self.own_scope = own_scope
        self.shown_once = shown_once
        self.errors = errors
        self.tool = tool
        hints = get_type_hints(handler, include_extras=True)
        self.output = hints.pop("return")
        self.by_cursor = get_origin(self.output) is CursorPage
        self.lists = self.by_cursor or get_origin(self.output) is Page
        kinds = [kind for kind in get_args(self.output) if kind is not EventStream]
        self.record = streamed or (kinds[0] if kinds else self.output)
        self.is_stream = streamed is not None
        self.streams = self.is_stream or EventStream in get_args(self.output)
        work, *arguments = inspect.signature(handler).parameters
        self.is_external = hints[work] is ExternalContext
        self.path_parameters = [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]
        if arguments[: len(self.path_parameters)] != self.path_parameters:
            raise TypeError(f"{name}: {handler.__qualname__} must take {self.path_parameters} first")
        rest = arguments[len(self.path_parameters) :]
        self.path_readers = [path_decoder(hints[name]) for name in self.path_parameters]
        self.input: type | None = hints[rest[0]] if rest else None
        self.is_read = self.method == "GET"
        self.status = status or (201 if self.method == "POST" else 200)
        self.upload = upload
        self.from_query = json.query_decoder(self.input) if self.input and self.is_read else None
        self.from_body = self.api.decoder(self.input) if self.input and not self.is_read else None
        self.partial = self.method == "PUT"
        self.description = inspect.getdoc(handler) or ""

    def authorize(self, principal: Principal) -> None:
        """Refuses a principal that lacks the scope."""
        own = self.own_scope is not None and self.own_scope in principal.scopes
        if self.scope not in principal.scopes and not own:
            raise Problem("insufficient_scope", f"This API key lacks the scope '{self.scope}'")

    def arguments(self, path: list[str], query: bytes, body: bytes) -> list[Any]:
        """The handler's arguments after `ctx`, validated."""
        if self.from_query:
            return [*path, self.from_query(query)]
        if self.from_body:
            given = self.from_body(body)
            if self.partial and all(getattr(given, name) is msgspec.UNSET for name in given.__struct_fields__):
                raise Problem(
                    "validation_error",
                    f"The body changes nothing: give at least one of {', '.join(given.__struct_fields__)}",
                )
            return [*path, given]
        return path

    async def run(
        self,
        database: Database,
        principal: Principal,
        channel: Channel,
        arguments: list[Any],
        render: Callable[[Any], bytes],
        idempotent: IdempotentRequest | None = None,
        request_id: str | None = None,
    ) -> Response:
        """Runs the handler, renders its result and commits. A write, its response and its idempotency record share one transaction.

        A `Refusal` commits what the handler wrote before it, and is then raised. The idempotency key can be used again.
        """

        def handle(session: Session) -> Coroutine[Any, Any, Any]:
            return self.handler(Context(session, principal, channel, request_id), *arguments)

        if self.is_read:
            return Response(self.status, render(await database.read(handle, principal.tenant.id)))

        async def unit(session: Session) -> Response | Refusal:
            if idempotent and (earlier := await idempotency.replay_after_running(session, idempotent)):
                return Response(*earlier, replayed=True)
            try:
                result = await handle(session)
            except Refusal as refusal:
                return refusal
            body = render(result)
            if idempotent:
                stored = render(msgspec.structs.replace(result, **{self.shown_once: None})) if self.shown_once else body
                await idempotency.store_response(session, idempotent, self.status, stored)
            return Response(self.status, body)

        outcome = await database.write(unit, principal.tenant.id)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def run_external(
        self, external: ExternalContext, arguments: list[Any], render: Callable[[Any], bytes]
    ) -> Response:
        """Runs a handler that starts its own transactions, and renders its result."""
        result = await self.handler(external, *arguments)
        if isinstance(result, EventStream):
            return Response(self.status, b"", events=result)
        return Response(self.status, render(result))


def path_decoder(kind: Any) -> Callable[[str], Any]:
    """Converts a path segment to an argument of this type. A malformed one becomes a value that no record has."""
    if kind is PublicId:
        return PublicId.read
    return whole_number if kind is int else canonical


def whole_number(text: str) -> int:
    """A positive integer from a path, or 0 if it is not one."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else 0
