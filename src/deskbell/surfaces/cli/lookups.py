"""Queries that only the operator may run: across organizations, and for records by id alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from deskbell.core.context import Context, operator_context
from deskbell.errors import Problem
from deskbell.foundation.db import Session
from deskbell.foundation.ids import NO_ID, canonical
from deskbell.foundation.pagination import Page
from deskbell.identity import store as identity_store
from deskbell.identity.access.groups import list_groups
from deskbell.identity.access.model import Group, GroupFilter
from deskbell.identity.model import ApiKey, Person
from deskbell.knowledge import store as knowledge_store
from deskbell.leads import store as leads_store
from deskbell.organizations import store
from deskbell.organizations.model import Organization

T = TypeVar("T")


async def list_organizations(session: Session) -> list[Organization]:
    """Every organization, oldest first."""
    return await session.all(store.all_organizations())


async def find_organization(session: Session, given: str) -> Organization:
    """The organization with this id, or the only one with exactly this name."""
    found = await session.one(store.organization_row(canonical(given)))
    if found is not None:
        return found
    named = await session.all(store.organization_named(given))
    if not named:
        raise Problem("not_found", f"No organization has the id or the name {given!r}; `deskbell org list` shows all")
    if len(named) > 1:
        raise Problem("not_found", f"{len(named)} organizations are named {given!r}; give the id of one")
    return named[0]


async def context(session: Session, given: str) -> Context:
    """A context of the organization with this id or name."""
    return await operator_context(session, (await find_organization(session, given)).id)


async def context_of_lead(session: Session, lead_id: str) -> Context:
    """A context of the organization that has this lead, archived or not."""
    organization_id = await session.one(leads_store.organization_of_lead(lead_id))
    if organization_id is None:
        raise Problem("not_found", f"No lead has the id {lead_id}")
    return await operator_context(session, organization_id)


async def context_of_key(session: Session, key_id: str) -> Context:
    """A context of the organization that has this API key."""
    organization_id = await session.one(identity_store.organization_of_key(key_id))
    if organization_id is None:
        raise Problem("not_found", f"No API key has the id {key_id}")
    return await operator_context(session, organization_id)


async def context_of_application(session: Session, id: str) -> Context:
    """A context of the organization that has this application."""
    organization_id = await session.one(identity_store.organization_of_application(id))
    if organization_id is None:
        raise Problem("not_found", f"No application has the id {id}")
    return await operator_context(session, organization_id)


async def context_of_application_key(session: Session, id: str) -> Context:
    """A context of the organization whose application has this key."""
    organization_id = await session.one(identity_store.organization_of_application_key(id))
    if organization_id is None:
        raise Problem("not_found", f"No application's key has the id {id}")
    return await operator_context(session, organization_id)


async def organization_of_base(session: Session, *, id: str) -> str:
    """The organization that a knowledge base belongs to."""
    organization_id = await session.one(knowledge_store.organization_of_base(id))
    if organization_id is None:
        raise Problem("not_found", f"No knowledge base has the id {id}")
    return organization_id


async def list_people(ctx: Context) -> list[Person]:
    return await ctx.db.all(identity_store.person_list(ctx.organization_id))


async def find_person(ctx: Context, who: str) -> Person:
    """The member with this id or e-mail address."""
    wanted = (canonical(who), who.lower())
    for member in await list_people(ctx):
        if member.id == wanted[0] or member.email == wanted[1]:
            return member
    raise Problem("not_found", f"No member of this organization has the id or e-mail address {who!r}")


async def find_group(ctx: Context, given: str) -> Group:
    """The group with this id, or the only one with exactly this name."""
    found = await every_page(lambda page: list_groups(ctx, GroupFilter(page=page, limit=100)))
    named = [group for group in found if group.id == canonical(given)] or [each for each in found if each.name == given]
    if len(named) != 1:
        raise Problem(
            "not_found", f"{len(named) or 'No'} groups of this organization have the id or the name {given!r}"
        )
    return named[0]


async def every_page(read: Callable[[int], Awaitable[Page[T]]]) -> list[T]:
    """All rows of a list, from a function that reads one of its pages."""
    rows: list[T] = []
    while True:
        page = await read(page_number := len(rows) // 100 + 1)
        rows += page.rows
        if page_number >= page.meta.total_pages:
            return rows


async def list_keys(session: Session, organization_id: str) -> list[ApiKey]:
    """Every key of the organization, revoked ones too."""
    return await session.all(identity_store.keys_of(organization_id))


def id_of(kind: str, given: str) -> str:
    """The id of a "lead" or an "API key" that somebody typed."""
    if canonical(given) == NO_ID:
        raise Problem("not_found", f"No {kind} has the id {given}")
    return canonical(given)
