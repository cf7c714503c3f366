"""What can be done with organizations. The API reads them; the operator creates and changes them on the command line."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from deskbell.core.context import Context, operator_context
from deskbell.core.events import record
from deskbell.core.operation import Operation
from deskbell.core.tools.declaration import Tool
from deskbell.errors import Problem
from deskbell.foundation import clock, jobs
from deskbell.foundation.contact import Email, e164, parsed
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import new_id
from deskbell.organizations import rules, store
from deskbell.organizations.model import AgentApproval, ClockOffset, Organization, OrganizationChanges

DEFAULT_HOURS = {
    day: {"start": "08:00", "end": "17:00"} for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
}


async def get_organization(ctx: Context) -> Organization:
    """Your organization: identity, opening hours, plan and AI persona."""
    organization = await ctx.db.one(store.organization_row(ctx.organization_id))
    if organization is None:
        raise Problem("not_found", "No such organization")
    return organization


async def exists(session: Session, organization_id: str) -> bool:
    """Whether an organization with this id exists."""
    return await session.one(store.organization_country(organization_id)) is not None


async def set_clock(ctx: Context, offset: int) -> None:
    """Sets how many seconds an organization's clock is ahead of the system clock, and moves the due times of its jobs with it."""
    ahead = offset - ctx.principal.tenant.clock_offset
    await ctx.db.run(update(store.organizations, {"id": ctx.organization_id}, {"clock_offset": offset}))
    await jobs.bring_forward(ctx.db, ctx.organization_id, ahead)
    before = ClockOffset(ctx.principal.tenant.clock_offset)
    await record(ctx, "settings.updated", ctx.organization_id, before=before, after=ClockOffset(offset))


async def approves_agents(ctx: Context) -> bool:
    """Whether an owner or admin must approve a member's new model or prompt of an agent."""
    return await ctx.db.one(store.approving_organization(ctx.organization_id)) is not None


async def set_agent_approval(ctx: Context, required: bool) -> None:
    """Sets whether an owner or admin must approve a member's new model or prompt of an agent."""
    before = AgentApproval(await approves_agents(ctx))
    await record(ctx, "settings.updated", ctx.organization_id, before=before, after=AgentApproval(required))
    await ctx.db.run(update(store.organizations, {"id": ctx.organization_id}, {"agent_approval": required}))


async def create_organization(
    session: Session, name: str, *, timezone: str = "America/Chicago", country: str = "US"
) -> Organization:
    """Creates an organization that is open on weekdays from eight to five."""
    moment = clock.now()
    row = {
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "business_hours": rules.validate_hours(DEFAULT_HOURS),
        "payment_status": "active",
        "plan_tier": "starter",
        "ai_name": "Sarah",
        "ai_tone": "friendly_professional",
        "timezone": rules.validate_timezone(timezone),
        "country": rules.validate_country(country),
        "created_at": moment,
        "updated_at": moment,
    }
    await session.run(insert(store.organizations, row))
    ctx = await operator_context(session, str(row["id"]))
    created = await get_organization(ctx)
    await record(ctx, "organization.created", created.id, after=created)
    return created


async def update_organization(ctx: Context, changes: OrganizationChanges) -> Organization:
    """Changes the organization's contact details, hours, time zone or AI persona; absent fields stay."""
    before = await get_organization(ctx)
    fields = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    if fields.get("primary_phone"):
        fields["primary_phone"] = e164(fields["primary_phone"], ctx.country, "primary_phone")
    if fields.get("primary_email"):
        fields["primary_email"] = parsed("primary_email", Email, fields["primary_email"])
    if "business_hours" in fields:
        fields["business_hours"] = rules.validate_hours(msgspec.json.decode(fields["business_hours"]))
    for name in ("ai_name", "ai_tone"):
        if name in fields:
            rules.not_blank(name, fields[name])
    if fields.get("logo_url") is not None:
        fields["logo_url"] = rules.validate_logo(fields["logo_url"])
    if "timezone" in fields:
        fields["timezone"] = rules.validate_timezone(fields["timezone"])
    await ctx.db.run(update(store.organizations, {"id": ctx.organization_id}, {**fields, "updated_at": ctx.now}))
    after = await get_organization(ctx)
    await record(ctx, "settings.updated", ctx.organization_id, before=before, after=after)
    return after


GET_ORG = Tool(
    "get_org",
    "Get the organization",
    "The business that you work for: name, contact details, business_hours (local times, null when closed), timezone and the name"
    " and tone of its AI persona. Use it before you propose times or write in its name.",
)

OPERATIONS = [
    Operation("org.get", get_organization, "GET /api/v1/org", scope="org:read", tool=GET_ORG),
]
