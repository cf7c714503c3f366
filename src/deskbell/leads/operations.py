"""What can be done with leads."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from deskbell.compliance.suppressions import suppression_status, suppressions_at
from deskbell.core.context import Context
from deskbell.core.earlier_versions import PRESENT, RecordVersion, earlier_version, is_past, until_end_of_second
from deskbell.core.events import record
from deskbell.core.operation import Operation
from deskbell.core.slice import DataSubject
from deskbell.core.tools.declaration import Tool
from deskbell.errors import Problem
from deskbell.foundation.clock import Instant
from deskbell.foundation.contact import e164, number_hash
from deskbell.foundation.db import ConstraintViolation, Session, insert, update
from deskbell.foundation.ids import NO_ID, new_id
from deskbell.foundation.pagination import Page, given
from deskbell.leads import rules, store
from deskbell.leads.model import Erasure, Lead, LeadChanges, LeadFilter, NewLead

NOT_FOUND = "No lead of your organization has this id"


async def list_leads(ctx: Context, filter: LeadFilter) -> Page[Lead]:
    """List leads, newest first unless sorted otherwise. Archived leads are left out."""
    term, digits = rules.search_terms(filter.search) if filter.search else (None, None)
    if filter.search and term is None:
        return Page([], 0, filter)
    indexed = min(len(term or ""), len(digits or term or "")) >= rules.MIN_INDEXED_LENGTH
    statement = store.lead_list(
        ctx.organization_id,
        given(filter.status),
        given(filter.temperature),
        given(filter.created_after),
        given(filter.created_before),
        term,
        digits,
        indexed=indexed,
        sort_by=filter.sort_by,
        descending=filter.sort_dir == "desc",
    )
    rows, total = await ctx.db.page(statement, filter.page, filter.limit, long=term is not None and not indexed)
    return Page(rows, total, filter)


async def get_lead(ctx: Context, id: str, version: RecordVersion = PRESENT) -> Lead:
    """One lead by its id; with `as_of`, as it was at that time."""
    if version.as_of is not UNSET and is_past(ctx, version.as_of):
        return await lead_as_of(ctx, id, version.as_of)
    lead = await ctx.db.one(store.lead_row(ctx.organization_id, id))
    if lead is None:
        raise Problem("not_found", NOT_FOUND)
    return lead


async def lead_as_of(ctx: Context, id: str, as_of: Instant) -> Lead:
    """The lead as it was at a time. If it was archived then, it is not found, as if it were archived now."""
    current = await ctx.db.one(store.any_lead_row(ctx.organization_id, id))
    lead = None if current is None else await earlier_version(ctx, "lead", current, as_of)
    if lead is None or (lead.archived_at is not None and lead.archived_at[:19] <= as_of[:19]):
        raise Problem("not_found", NOT_FOUND)
    lead.archived_at = None
    if lead.phone is not None:
        suppressed = await suppressions_at(ctx, lead.phone, until_end_of_second(as_of))
        lead.sms_opted_out = suppressed.get("opt_out", lead.sms_opted_out)
        lead.on_dnc_list = suppressed.get("dnc", lead.on_dnc_list)
    return lead


async def check_unerased(ctx: Context, id: str) -> None:
    """Raises `not_found` unless the id is that of a lead that was not erased; it may be archived."""
    if await ctx.db.one(store.any_lead_row(ctx.organization_id, id)) is None:
        raise Problem("not_found", NOT_FOUND)


async def create_lead(ctx: Context, new: NewLead) -> Lead:
    """Create a lead. Fails if its phone or e-mail address already belongs to a lead of this organization."""
    return await add_lead(ctx, new)


async def add_lead(ctx: Context, new: NewLead) -> Lead:
    moment = ctx.now
    row = {
        **msgspec.structs.asdict(new),
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "lead_score": 0,
        "created_at": moment,
        "updated_at": moment,
    }
    row |= derived_columns(ctx, row)
    try:
        await ctx.db.run(insert(store.leads, row))
    except ConstraintViolation as violation:
        raise rules.duplicate(violation.index) from None
    lead = await inserted_lead(ctx, row)
    await record(ctx, "lead.created", lead.id, lead_id=lead.id, after=lead)
    return lead


async def inserted_lead(ctx: Context, row: dict[str, Any]) -> Lead:
    """The lead that was just stored from these columns. Reading it back would cost a tenth of creating it."""
    against = await suppression_status(ctx, row["phone"]) if row["phone"] else None
    moment = f"{row['created_at'][:19]}Z"
    shown: dict[str, Any] = {"archived_at": None, "created_at": moment, "updated_at": moment}
    shown |= {name: msgspec.Raw(row[name]) for name in ("tags", "custom_fields")}
    shown["email"] = None if row["email"] is None else str(row["email"])
    shown["sms_opted_out"] = against is not None and against.opted_out_at is not None
    shown["on_dnc_list"] = against is not None and against.on_dnc_at is not None
    values: list[Any] = [(shown if name in shown else row)[name] for name in Lead.__struct_fields__]
    return Lead(*values)


async def lock_lead(ctx: Context, id: str) -> Lead:
    """Locks the lead until this transaction ends, and returns it: no other change comes between reading and writing it."""
    await ctx.db.one(store.lock_lead(ctx.organization_id, id))
    return await get_lead(ctx, id)


async def update_lead(ctx: Context, id: str, changes: LeadChanges) -> Lead:
    """Change some fields of a lead: absent fields stay, null clears a nullable one."""
    fields = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    if fields.get("phone") is not None:
        fields["phone"] = e164(fields["phone"], ctx.country)
    lead = await lock_lead(ctx, id)
    row = {
        "first_name": lead.first_name,
        "last_name": lead.last_name,
        "email": lead.email,
        "phone": lead.phone,
    } | fields
    try:
        await ctx.db.run(
            update(
                store.leads,
                {"organization_id": ctx.organization_id, "id": id},
                row | derived_columns(ctx, row) | {"updated_at": ctx.now},
            )
        )
    except ConstraintViolation as violation:
        raise rules.duplicate(violation.index) from None
    changed = await get_lead(ctx, id)
    await record(ctx, "lead.updated", id, lead_id=id, before=lead, after=changed)
    return changed


def derived_columns(ctx: Context, row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a lead that are derived from others or stored in another form."""
    phone, email = row["phone"], row["email"]
    phone = None if phone is None else e164(phone, ctx.country)
    derived = {
        "phone": phone,
        "number_hash": None if phone is None else number_hash(ctx.organization_id, phone),
        "email_key": None if email is None else email.lower(),
        "first_name_key": rules.folded(row["first_name"]),
        "last_name_key": rules.folded(row["last_name"]),
        "search_text": rules.search_text(row["first_name"], row["last_name"], email, phone),
    }
    return derived | {
        name: msgspec.json.encode(row[name]).decode() for name in ("tags", "custom_fields") if name in row
    }


async def archive_lead(ctx: Context, id: str) -> Lead:
    """Archive a lead: it is hidden from now on, never deleted, and another lead may have its phone and e-mail address."""
    lead = await lock_lead(ctx, id)
    await ctx.db.run(
        update(
            store.leads,
            {"organization_id": ctx.organization_id, "id": id},
            {"archived_at": ctx.now, "updated_at": ctx.now},
        )
    )
    archived = await ctx.db.one(store.any_lead_row(ctx.organization_id, id))
    assert archived is not None
    await record(ctx, "lead.archived", id, lead_id=id, before=lead, after=archived)
    return archived


async def find_lead_by_phone(ctx: Context, phone: str) -> Lead | None:
    """The lead with this phone number (E.164), if there is one."""
    return await ctx.db.one(store.lead_with_phone(ctx.organization_id, phone))


async def numbers_of_lead(ctx: Context, id: str) -> list[str]:
    """The phone number of a lead that is about to be erased, archived or not. Locks the lead until this transaction ends."""
    await ctx.db.one(store.lock_lead(ctx.organization_id, id))
    lead = await ctx.db.one(store.any_lead_row(ctx.organization_id, id))
    if lead is None:
        raise Problem("not_found", f"No lead has the id {id}")
    return [lead.phone] if lead.phone else []


async def erase_lead(ctx: Context, subject: DataSubject) -> None:
    """Permanently erases the personal data of a lead."""
    lead = await ctx.db.one(store.any_lead_row(ctx.organization_id, subject.lead_id))
    assert lead is not None
    erased = NewLead(first_name="Erased", source=lead.source, status=lead.status)
    row = {**msgspec.structs.asdict(erased), "archived_at": lead.archived_at or ctx.now}
    timestamps = {"erased_at": ctx.now, "updated_at": ctx.now}
    key = {"organization_id": ctx.organization_id, "id": subject.lead_id}
    await ctx.db.run(update(store.leads, key, row | derived_columns(ctx, row) | timestamps))


async def erasures_after(session: Session, last: Erasure | None, limit: int) -> list[Erasure]:
    """The next erasures after `last`, of all organizations."""
    key = (last.organization_id, last.id) if last else (NO_ID, NO_ID)
    return await session.all(store.erasures_after(*key, limit))


LIST_LEADS = Tool(
    "list_leads",
    "Find leads",
    "Find leads (people or companies that may become customers), newest first, or count them by `total`. Use it to get a lead's id"
    ' before any tool that needs one. With an id at hand use get_lead. Example: {"search": "lopez", "limit": 5}',
    {
        "status": "Exactly this status, e.g. new",
        "temperature": "Only leads of this temperature",
        "search": "Part of a name, e-mail address or phone number",
        "limit": "Most leads to return",
    },
    defaults={"limit": 20},
)
GET_LEAD = Tool(
    "get_lead",
    "Get a lead",
    "One lead with all its fields. Read sms_opted_out and on_dnc_list here before send_message. Without an id use list_leads."
    ' Example: {"id": "..."}',
    {"id": "The lead's id (UUID)"},
)
CREATE_LEAD = Tool(
    "create_lead",
    "Create a lead",
    "Record a new lead. Search with list_leads first: a phone or e-mail address belongs to one lead only. For a known lead use"
    ' update_lead. Example: {"first_name": "Maria", "phone": "+15125550123"}',
    {
        "first_name": "Given name, or the company's name",
        "last_name": "Family name",
        "phone": "Phone number, best in E.164",
        "email": "E-mail address",
        "company": "Company that they work for",
        "notes": "Free text for the team",
    },
)
UPDATE_LEAD = Tool(
    "update_lead",
    "Update a lead",
    "Change the given fields of a lead and keep the others; notes are replaced, not added to. Not for new people: use create_lead."
    ' Example: {"id": "...", "temperature": "hot"}',
    {
        "id": "The lead's id (UUID)",
        "first_name": "Given name",
        "last_name": "Family name",
        "phone": "Phone number, best in E.164",
        "email": "E-mail address",
        "status": "Stage, free text, e.g. contacted",
        "temperature": "How likely they are to buy",
        "notes": "Replaces the notes",
    },
    destructive=True,
    idempotent=True,
)

OPERATIONS = [
    Operation("leads.list", list_leads, "GET /api/v1/leads", scope="leads:read", tool=LIST_LEADS),
    Operation(
        "leads.create",
        create_lead,
        "POST /api/v1/leads",
        scope="leads:write",
        errors=("duplicate",),
        tool=CREATE_LEAD,
    ),
    Operation("leads.get", get_lead, "GET /api/v1/leads/{id}", scope="leads:read", tool=GET_LEAD),
    Operation(
        "leads.update",
        update_lead,
        "PUT /api/v1/leads/{id}",
        scope="leads:write",
        errors=("duplicate",),
        tool=UPDATE_LEAD,
    ),
    Operation("leads.archive", archive_lead, "DELETE /api/v1/leads/{id}", scope="leads:write"),
]
