"""How much somebody may do with one agent or knowledge base: the highest of their role, their grants and their groups' grants."""

from __future__ import annotations

from collections.abc import Iterable

from deskbell.core.context import Context
from deskbell.core.principal import Principal
from deskbell.core.scopes import MANAGE, USE, Role
from deskbell.foundation.ids import PublicId, canonical
from deskbell.foundation.pagination import Page
from deskbell.identity.access import store
from deskbell.identity.access.model import Access, AccessFilter, Granted, Level, Origin, ResourceType
from deskbell.identity.lookups import get_person

#: Each level includes those before it.
LEVELS: tuple[Level, ...] = ("view", "use", "edit", "manage")

#: What a role gives on every agent and knowledge base.
ROLE_LEVELS: dict[Role, Level] = {"owner": "manage", "admin": "manage", "member": "use", "viewer": "view"}


async def level_of(ctx: Context, resource_type: ResourceType, resource_id: str) -> Level:
    """What the one who acts may do with an agent or knowledge base of their organization, which the caller has found to exist.

    For somebody without a person behind them (an operator's key, an application, the operator) their scopes decide.
    """
    principal = ctx.principal
    if principal.person_id is None or principal.role is None:
        return level_of_scopes(principal)
    found = await ctx.db.all(store.grants_reaching(ctx.organization_id, principal.person_id, resource_id))
    return highest(principal.role, found)[0]


def level_of_scopes(principal: Principal) -> Level:
    if MANAGE in principal.scopes:
        return "manage"
    return "use" if USE in principal.scopes else "view"


def highest(role: Role, granted: Iterable[Granted]) -> tuple[Level, Origin]:
    """The highest level and where it comes from; of equal ones the role comes first, then the person's own grant."""
    level: Level = ROLE_LEVELS[role]
    origin: Origin = "role"
    for grant in sorted(granted, key=lambda grant: grant.subject_type == "group"):
        if LEVELS.index(grant.level) > LEVELS.index(level):
            level, origin = grant.level, grant.subject_type
    return level, origin


async def is_resource(ctx: Context, resource_type: ResourceType, id: str) -> bool:
    """Whether the organization has this agent or knowledge base."""
    if resource_type == "agent":
        return await ctx.db.one(store.agent_ids(ctx.organization_id, canonical(id))) is not None
    return await ctx.db.one(store.base_ids(ctx.organization_id, PublicId.read(id))) is not None


async def list_access(ctx: Context, id: str, filter: AccessFilter) -> Page[Access]:
    """List somebody's rights on each agent and knowledge base, and where they come from: their role, a grant to them or to a group."""
    person = await get_person(ctx, id)
    granted: dict[str, list[Granted]] = {}
    for grant in await ctx.db.all(store.grants_reaching(ctx.organization_id, id)):
        granted.setdefault(grant.resource_id, []).append(grant)
    resources: list[tuple[ResourceType, str]] = [
        *(("agent", agent) for agent in await ctx.db.all(store.agent_ids(ctx.organization_id))),
        *(("knowledge_base", base) for base in await ctx.db.all(store.base_ids(ctx.organization_id))),
    ]
    first = (filter.page - 1) * filter.limit
    rows = [
        Access(kind, resource, *highest(person.role, granted.get(resource, [])))
        for kind, resource in resources[first : first + filter.limit]
    ]
    return Page(rows, len(resources), filter)
