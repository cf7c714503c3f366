"""The heart: what an operation is, and the one path that every surface takes through it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from deskbell.core import idempotency
from deskbell.core.idempotency import Repeatable
from deskbell.core.tools.declaration import Tool
from deskbell.errors import Problem
from deskbell.foundation import clock, json
from deskbell.foundation.db import Database, Session
from deskbell.foundation.ids import PublicId, canonical
from deskbell.foundation.pagination import Page

T = TypeVar("T")
AGENT_API = "/v1/"


class Principal(msgspec.Struct, frozen=True):
    """Who calls: an API key, with what it may do and for whom. An empty `scopes` is full access."""

    organization_id: str
    key_id: str
    key_prefix: str
    scopes: frozenset[str]
    person_id: str | None
    country: str
    reads_per_minute: int
    writes_per_minute: int
    expires_at: str | None = None
    origins: frozenset[str] = frozenset()  # of web pages that may use the key

    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= clock.now()


class Context:
    """What a handler works with: the database, the organization whose data it sees, and who asked by which surface.

    `via` is "api", "mcp", "agent" or "user". `country` (ISO 3166) tells how to read a phone number without a prefix.
    """

    __slots__ = ("country", "db", "organization_id", "person_id", "via")

    def __init__(
        self, db: Session, organization_id: str, *, country: str = "US", person_id: str | None = None, via: str = "api"
    ) -> None:
        self.db = db
        self.organization_id = organization_id
        self.country = country
        self.person_id = person_id
        self.via = via

    @property
    def now(self) -> clock.Instant:
        return clock.now()


class RequestBody(NamedTuple):
    """A body that nobody has read yet. `receive` gives it in the parts that ASGI calls `http.request`."""

    media_type: str
    length: int
    receive: Callable[[], Awaitable[Mapping[str, Any]]]


class ExternalContext:
    """What a handler works with that talks to the outside: a model, an embedder, a child process.

    It may await anything, but nothing within `read` and `write`, which are one transaction each: `await outside.write(lambda ctx:
    save(ctx, reply))`. `incoming` is the body of a request whose operation takes no command.
    """

    __slots__ = ("caller", "database", "incoming", "organization_id", "parts", "via")

    def __init__(
        self,
        database: Database,
        caller: Principal,
        via: str,
        parts: Mapping[type, Any],
        incoming: RequestBody | None = None,
    ) -> None:
        self.database = database
        self.caller = caller
        self.organization_id = caller.organization_id
        self.via = via
        self.parts = parts
        self.incoming = incoming

    def part(self, kind: type[T]) -> T:
        """The one object of this kind that the application has put together at its start."""
        found: T = self.parts[kind]
        return found

    async def read(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.database.read(lambda session: act(self.context(session)), self.organization_id)

    async def write(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.database.write(lambda session: act(self.context(session)), self.organization_id)

    def context(self, session: Session) -> Context:
        return context(session, self.caller, self.via)


def context(session: Session, caller: Principal, via: str) -> Context:
    return Context(session, caller.organization_id, country=caller.country, person_id=caller.person_id, via=via)


class EventStream:
    """An answer that comes bit by bit, as server-sent events: each a name and a record. A Problem that is raised becomes the last."""

    def __init__(self, events: AsyncIterator[tuple[str, Any]]) -> None:
        self.events = events


class Response(NamedTuple):
    """What an operation gives its surface: status and body, whether they are an earlier run's, and events instead of a body."""

    status: int
    body: bytes
    replayed: bool = False
    events: EventStream | None = None


class Operation:
    """One thing that the platform can do, declared once: handler, route, scope, and the errors beyond the usual ones.

    The handler's signature says the rest. `(ctx, id, changes)`: a path parameter is its own argument; an argument of a struct
    type is the query of a GET and the body of a write. Its docstring is the description that every surface shows.
    A handler whose first argument is an `ExternalContext` runs in no transaction; it makes its own. `upload` is the command of one that reads
    its body itself, where that may also be a form with a file.
    """

    def __init__(
        self,
        name: str,
        handler: Callable[..., Coroutine[Any, Any, Any]],
        route: str,
        *,
        scope: str,
        errors: tuple[str, ...] = (),
        status: int | None = None,
        upload: type | None = None,
        tool: Tool | None = None,
    ) -> None:
        self.name = name
        self.handler = handler
        self.method, self.path = route.split(" ")
        self.scope = scope
        self.errors = errors
        self.tool = tool
        hints = get_type_hints(handler, include_extras=True)
        self.output = hints.pop("return")
        self.lists = get_origin(self.output) is Page
        kinds = [kind for kind in get_args(self.output) if kind is not EventStream]
        self.record = kinds[0] if kinds else self.output
        self.streams = EventStream in get_args(self.output)
        work, *arguments = inspect.signature(handler).parameters
        self.outside = hints[work] is ExternalContext
        self.path_parameters = [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]
        if arguments[: len(self.path_parameters)] != self.path_parameters:
            raise TypeError(f"{name}: {handler.__qualname__} must take {self.path_parameters} first")
        rest = arguments[len(self.path_parameters) :]
        self.path_readers = [reader_of(hints[name]) for name in self.path_parameters]
        self.input: type | None = hints[rest[0]] if rest else None
        self.is_read = self.method == "GET"
        self.status = status or (201 if self.method == "POST" else 200)
        self.upload = upload
        in_agent_api = self.path.startswith(AGENT_API)
        self.from_query = json.query_decoder(self.input) if self.input and self.is_read else None
        self.from_body = (
            json.decoder(self.input, missing_first=in_agent_api) if self.input and not self.is_read else None
        )
        self.partial = self.method == "PUT"
        self.description = inspect.getdoc(handler) or ""

    def authorize(self, caller: Principal) -> None:
        """Refuses a key that lacks the scope."""
        if caller.scopes and self.scope not in caller.scopes:
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
        caller: Principal,
        via: str,
        arguments: list[Any],
        render: Callable[[Any], bytes],
        repeatable: Repeatable | None = None,
    ) -> Response:
        """Acts, renders and commits. A write, its rendered answer and its idempotency record share one transaction."""

        async def act(session: Session) -> Any:
            return await self.handler(context(session, caller, via), *arguments)

        if self.is_read:
            return Response(self.status, render(await database.read(act, caller.organization_id)))

        async def unit(session: Session) -> Response:
            if repeatable and (earlier := await idempotency.waited_replay(session, repeatable)):
                return Response(*earlier, replayed=True)
            body = render(await act(session))
            if repeatable:
                await idempotency.remember(session, repeatable, self.status, body)
            return Response(self.status, body)

        return await database.write(unit, caller.organization_id)

    async def run_outside(
        self, outside: ExternalContext, arguments: list[Any], render: Callable[[Any], bytes]
    ) -> Response:
        """Acts in the transactions that the handler makes, and renders."""
        result = await self.handler(outside, *arguments)
        if isinstance(result, EventStream):
            return Response(self.status, b"", events=result)
        return Response(self.status, render(result))


def reader_of(kind: Any) -> Callable[[str], Any]:
    """How a part of a path becomes an argument of this type; what cannot be one becomes a value that no record has."""
    if kind is PublicId:
        return PublicId.read
    return whole_number if kind is int else canonical


def whole_number(text: str) -> int:
    """A positive number of a path, else 0."""
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else 0
