"""Who acts: one noun for API keys, applications, people, agents, customers, carriers, the operator, jobs and imports."""

from __future__ import annotations

from typing import Literal

import msgspec

from deskbell.core.scopes import Role, Scopes
from deskbell.foundation import clock

PrincipalType = Literal["person", "api_key", "application", "agent", "customer", "carrier", "operator", "job", "import"]


class Tenant(msgspec.Struct, frozen=True):
    """The organization on whose behalf somebody acts.

    `country` (ISO 3166) tells how to read a phone number without a prefix; `clock_offset` is how many seconds its business time is
    ahead of the system's clock, 0 unless it is a sandbox.
    """

    id: str
    country: str
    clock_offset: int = 0


class Credential(msgspec.Struct, frozen=True):
    """The key that a principal has shown: its id and prefix, what it may ask per minute, and the web origins that may use it."""

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
    are those of the person behind it, if there is one: a key made by a person acts within that person's present role.
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
        """The key whose limits and sessions are meant; empty without one."""
        return self.credential.key_id if self.credential else ""

    @property
    def key_prefix(self) -> str | None:
        """How the key begins, for logs."""
        return self.credential.prefix if self.credential else None

    def has_expired(self) -> bool:
        return self.credential is not None and self.credential.has_expired()


def operator(tenant: Tenant) -> Principal:
    """Whoever runs the installation, by the command line. May do everything."""
    return Principal("operator", tenant, None, "operator", Scopes.ALL)


def job(tenant: Tenant, kind: str) -> Principal:
    """Background work of the product itself, named by its kind."""
    return Principal("job", tenant, None, kind, Scopes.ALL)


def customer(tenant: Tenant, lead_id: str | None, name: str = "") -> Principal:
    """Somebody who texts the business or visits one of its public pages. May do nothing by themselves."""
    return Principal("customer", tenant, lead_id, name, Scopes.NONE)


def carrier(tenant: Tenant, name: str) -> Principal:
    """The company that carries texts, when it reports on one."""
    return Principal("carrier", tenant, None, name, Scopes.NONE)
