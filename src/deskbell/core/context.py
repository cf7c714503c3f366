"""What handlers receive: one transaction with its principal (`Context`), or the means to start transactions (`ExternalContext`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from sqlalchemy import Select, column, select, table

from deskbell.core import principal as principals
from deskbell.core.principal import Principal, Tenant
from deskbell.errors import Problem
from deskbell.foundation import clock
from deskbell.foundation.db import Database, Session, query

T = TypeVar("T")

#: Where an action came in: an API, the dashboard, a text, the website's chat, a public page, the command line, a job.
Channel = Literal["api", "mcp", "web", "sms", "widget", "page", "cli", "calendar", "import", "system"]

_organizations = table("organizations", column("id"), column("country"), column("clock_offset"))


class Context:
    """What a handler receives: the database session, the principal, the channel and the request's id.

    Business time is `now`, the organization's own clock; handlers never read the system clock.
    """

    __slots__ = ("channel", "country", "db", "organization_id", "principal", "request_id")

    def __init__(self, db: Session, principal: Principal, channel: Channel, request_id: str | None = None) -> None:
        self.db = db
        self.principal = principal
        self.channel: Channel = channel
        self.request_id = request_id
        self.organization_id = principal.tenant.id
        self.country = principal.tenant.country

    @property
    def now(self) -> clock.Instant:
        """The current time on the organization's clock."""
        return clock.now(self.principal.tenant.clock_offset)

    def seconds_from_now(self, seconds: float) -> clock.Instant:
        """That many seconds from now on the organization's clock; negative numbers are in the past."""
        return clock.seconds_from_now(seconds + self.principal.tenant.clock_offset)

    def acting(self, principal: Principal, channel: Channel | None = None) -> Context:
        """The same transaction with another principal of the same organization."""
        return Context(self.db, principal, channel or self.channel, self.request_id)


class RequestBody(NamedTuple):
    """A request body that has not been read yet. `receive` returns it in parts, as ASGI `http.request` messages."""

    media_type: str
    length: int
    receive: Callable[[], Awaitable[Mapping[str, Any]]]


class ExternalContext:
    """What a handler receives that uses external systems: a model, an embedder, a child process.

    The handler may await anything. `read` and `write` run one transaction each, which may await its session only:
    `await external.write(lambda ctx: save(ctx, reply))`. `body` is the request body of an operation that takes no command;
    `last_event_id` is the event after which a client resumes a stream.
    """

    __slots__ = (
        "body",
        "channel",
        "database",
        "last_event_id",
        "organization_id",
        "principal",
        "request_id",
        "services",
    )

    def __init__(
        self,
        database: Database,
        principal: Principal,
        channel: Channel,
        services: Mapping[type, Any],
        *,
        request_id: str | None = None,
        body: RequestBody | None = None,
        last_event_id: str | None = None,
    ) -> None:
        self.database = database
        self.principal = principal
        self.organization_id = principal.organization_id
        self.channel: Channel = channel
        self.services = services
        self.request_id = request_id
        self.body = body
        self.last_event_id = last_event_id

    def service(self, kind: type[T]) -> T:
        """The application's service of this type."""
        service: T = self.services[kind]
        return service

    async def read(self, unit: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.database.read(lambda session: unit(self.context(session)), self.organization_id)

    async def write(self, unit: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.database.write(lambda session: unit(self.context(session)), self.organization_id)

    def context(self, session: Session) -> Context:
        return Context(session, self.principal, self.channel, self.request_id)


@query(Tenant)
def tenant_row(id: str) -> Select[Any]:
    return select(_organizations.c.id, _organizations.c.country, _organizations.c.clock_offset).where(
        _organizations.c.id == id
    )


async def find_tenant(session: Session, organization_id: str) -> Tenant:
    """The organization's country and clock. Raises `not_found`."""
    tenant = await session.one(tenant_row(organization_id))
    if tenant is None:
        raise Problem("not_found", f"No organization has the id {organization_id}")
    return tenant


async def job_context(session: Session, organization_id: str, kind: str) -> Context:
    """The context of background work for one organization. `kind` names the work."""
    return Context(session, principals.job(await find_tenant(session, organization_id), kind), "system")


async def operator_context(session: Session, organization_id: str) -> Context:
    """The context of a command-line command: the operator acts for one organization."""
    return Context(session, principals.operator(await find_tenant(session, organization_id)), "cli")
