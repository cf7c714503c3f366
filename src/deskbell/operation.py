"""The heart: what an operation is, and the one path that every surface takes through it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from deskbell.errors import Problem
from deskbell.foundation import clock, idempotency, json
from deskbell.foundation.db import Database, Session
from deskbell.foundation.idempotency import Repeatable
from deskbell.foundation.pages import Page


class Caller(msgspec.Struct, frozen=True):
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


class Answer(NamedTuple):
    """What an operation gives its surface: status and body, and whether they are an earlier run's."""

    status: int
    body: bytes
    replayed: bool = False


class Operation:
    """One thing that the platform can do, declared once: handler, route, scope, and the errors beyond the usual ones.

    The handler's signature says the rest. `(ctx, id, changes)`: a path parameter is its own argument; an argument of a struct
    type is the query of a GET and the body of a write. Its docstring is the description that every surface shows.
    """

    def __init__(
        self,
        name: str,
        handler: Callable[..., Coroutine[Any, Any, Any]],
        route: str,
        *,
        scope: str,
        errors: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.handler = handler
        self.method, self.path = route.split(" ")
        self.scope = scope
        self.errors = errors
        hints = get_type_hints(handler, include_extras=True)
        self.output = hints.pop("return")
        self.lists = get_origin(self.output) is Page
        self.record = get_args(self.output)[0] if self.lists else self.output
        arguments = list(inspect.signature(handler).parameters)[1:]
        self.path_parameters = [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]
        if arguments[: len(self.path_parameters)] != self.path_parameters:
            raise TypeError(f"{name}: {handler.__qualname__} must take {self.path_parameters} first")
        rest = arguments[len(self.path_parameters) :]
        self.input: type | None = hints[rest[0]] if rest else None
        self.reads = self.method == "GET"
        self.status = 201 if self.method == "POST" else 200
        self.from_query = json.query_decoder(self.input) if self.input and self.reads else None
        self.from_body = json.decoder(self.input) if self.input and not self.reads else None
        self.partial = self.method == "PUT"
        self.description = inspect.getdoc(handler) or ""

    def authorize(self, caller: Caller) -> None:
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
        caller: Caller,
        via: str,
        arguments: list[Any],
        render: Callable[[Any], bytes],
        repeatable: Repeatable | None = None,
    ) -> Answer:
        """Acts, renders and commits. A write, its rendered answer and its idempotency record share one transaction."""

        async def act(session: Session) -> Any:
            ctx = Context(session, caller.organization_id, country=caller.country, person_id=caller.person_id, via=via)
            return await self.handler(ctx, *arguments)

        if self.reads:
            return Answer(self.status, render(await database.read(act, caller.organization_id)))

        async def unit(session: Session) -> Answer:
            if repeatable and (earlier := await idempotency.waited_replay(session, repeatable)):
                return Answer(*earlier, replayed=True)
            body = render(await act(session))
            if repeatable:
                await idempotency.remember(session, repeatable, self.status, body)
            return Answer(self.status, body)

        return await database.write(unit, caller.organization_id)
