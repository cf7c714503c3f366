"""Who acts: one type for API keys, applications, people, agents, customers, carriers, the operator, jobs and imports."""

from __future__ import annotations

from typing import Literal

import msgspec

from deskbell.core.scopes import Role, Scopes
from deskbell.foundation import clock

PrincipalType = Literal["person", "api_key", "application", "agent", "customer", "carrier", "operator", "job", "import"]


class Tenant(msgspec.Struct, frozen=True):
    """The organization on whose behalf somebody acts.

    `country` (ISO 3166) is that of phone numbers without a country code; `clock_offset` is how many seconds its clock is ahead of
    the system clock, 0 unless it is a sandbox.
    """

    id: str
    country: str
    clock_offset: int = 0


class Credential(msgspec.Struct, frozen=True):
    """The key that a principal has presented: its id and prefix, its rate limits, and the web origins that may use it."""

    key_id: str
    prefix: str
    reads_per_minute: int
    writes_per_minute: int
    expires_at: str | None = None
    origins: frozenset[str] = frozenset()

    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= clock.now()


class Principal(msgspec.Struct, frozen=True):
    """Who acts, for which organization, and what they may do.

    `id` names the key, application, person, agent or lead; it is null for the operator, a job and a visitor. `person_id` and `role`
    are those of the person whom a key belongs to, if any: such a key is limited to the person's current role.
    """

    type: PrincipalType
    tenant: Tenant
    id: str | None
    name: str
    scopes: Scopes
    person_id: str | None = None
    role: Role | None = None
    credential: Credential | None = None

    @property
    def organization_id(self) -> str:
        return self.tenant.id

    @property
    def key_id(self) -> str:
        """The id of the key, for rate limits and sessions; empty without a key."""
        return self.credential.key_id if self.credential else ""

    @property
    def key_prefix(self) -> str | None:
        """The first characters of the key, for logs."""
        return self.credential.prefix if self.credential else None

    def has_expired(self) -> bool:
        return self.credential is not None and self.credential.has_expired()


def operator(tenant: Tenant) -> Principal:
    """The person who runs the installation, on the command line. Has all scopes."""
    return Principal("operator", tenant, None, "operator", Scopes.ALL)


def job(tenant: Tenant, kind: str) -> Principal:
    """A background job, named by its kind. Has all scopes."""
    return Principal("job", tenant, None, kind, Scopes.ALL)


def customer(tenant: Tenant, lead_id: str | None, name: str = "") -> Principal:
    """Somebody who texts the business or visits one of its public pages. Has no scopes."""
    return Principal("customer", tenant, lead_id, name, Scopes.NONE)


def carrier(tenant: Tenant, name: str) -> Principal:
    """A carrier that reports on a text. Has no scopes."""
    return Principal("carrier", tenant, None, name, Scopes.NONE)
