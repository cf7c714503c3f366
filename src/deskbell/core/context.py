"""What handlers work with: a transaction and who acts in it (`Context`), or the means to make transactions (`ExternalContext`)."""

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

#: By what way somebody acts: the APIs, the dashboard, texts, the website's chat, public pages, the command line, jobs.
Channel = Literal["api", "mcp", "web", "sms", "widget", "page", "cli", "calendar", "import", "system"]

_organizations = table("organizations", column("id"), column("country"), column("clock_offset"))


class Context:
    """What a handler works with: the database, who acts for which organization, by what channel, and in which request.

    Business time is `now`, the organization's own clock; nobody asks the process for it.
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
        """The organization's present moment."""
        return clock.now(self.principal.tenant.clock_offset)

    def seconds_from_now(self, seconds: float) -> clock.Instant:
        """The moment that many seconds ahead on the organization's clock; negative ones are past."""
        return clock.seconds_from_now(seconds + self.principal.tenant.clock_offset)

    def acting(self, principal: Principal, channel: Channel | None = None) -> Context:
        """The same transaction, in which somebody else of the same organization acts."""
        return Context(self.db, principal, channel or self.channel, self.request_id)


class RequestBody(NamedTuple):
    """A body that nobody has read yet. `receive` gives it in the parts that ASGI calls `http.request`."""

    media_type: str
    length: int
    receive: Callable[[], Awaitable[Mapping[str, Any]]]


class ExternalContext:
    """What a handler works with that talks to the outside: a model, an embedder, a child process.

    It may await anything, but nothing else within `read` and `write`, which are one transaction each:
    `await external.write(lambda ctx: save(ctx, reply))`. `body` is that of a request whose operation takes no command, and
    `last_event_id` says after which event a client resumes a stream.
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
        """The one object of this type that the application has made at its start."""
        found: T = self.services[kind]
        return found

    async def read(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.database.read(lambda session: act(self.context(session)), self.organization_id)

    async def write(self, act: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        return await self.database.write(lambda session: act(self.context(session)), self.organization_id)

    def context(self, session: Session) -> Context:
        return Context(session, self.principal, self.channel, self.request_id)


@query(Tenant)
def tenant_row(id: str) -> Select[Any]:
    return select(_organizations.c.id, _organizations.c.country, _organizations.c.clock_offset).where(
        _organizations.c.id == id
    )


async def find_tenant(session: Session, organization_id: str) -> Tenant:
    """What every context needs to know of an organization."""
    found = await session.one(tenant_row(organization_id))
    if found is None:
        raise Problem("not_found", f"No organization has the id {organization_id}")
    return found


async def job_context(session: Session, organization_id: str, kind: str) -> Context:
    """The context of background work for one organization. `kind` names the work."""
    return Context(session, principals.job(await find_tenant(session, organization_id), kind), "system")


async def operator_context(session: Session, organization_id: str) -> Context:
    """The context of a command: the operator acts for one organization."""
    return Context(session, principals.operator(await find_tenant(session, organization_id)), "cli")
