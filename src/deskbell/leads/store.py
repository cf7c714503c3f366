"""The leads table and every query on it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Exists,
    ForeignKeyConstraint,
    Index,
    Integer,
    Select,
    Table,
    Text,
    and_,
    exists,
    literal_column,
    select,
    tuple_,
)

from deskbell.compliance.store import suppressions
from deskbell.foundation.db import ID, JSON, TIMESTAMP, Contains, in_order, query, schema, searched
from deskbell.leads.model import Erasure, Lead, SortBy

leads = Table(
    "leads",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("first_name", Text, nullable=False),
    Column("last_name", Text),
    Column("phone", Text),
    Column("number_hash", Text),
    Column("email", Text),
    Column("email_key", Text),
    Column("company", Text),
    Column("address_street", Text),
    Column("city", Text),
    Column("state", Text),
    Column("zip", Text),
    Column("status", Text, nullable=False),
    Column("temperature", Text),
    Column("source", Text, nullable=False),
    Column("lead_score", Integer, nullable=False),
    Column("notes", Text),
    Column("tags", JSON, nullable=False),
    Column("custom_fields", JSON, nullable=False),
    Column("first_name_key", Text, nullable=False),
    Column("last_name_key", Text),
    Column("search_text", Text, nullable=False),
    Column("archived_at", TIMESTAMP),
    Column("erased_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index("leads_phone", leads.c.organization_id, leads.c.phone, unique=True)
Index("leads_email", leads.c.organization_id, leads.c.email_key, unique=True)


_same_number = and_(
    suppressions.c.organization_id == leads.c.organization_id, suppressions.c.number_hash == leads.c.number_hash
)


def _columns(**flags: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [flags[name].label(name) if name in flags else leads.c[name] for name in Lead.__struct_fields__]


def _suppressed(since: ColumnElement[Any]) -> Exists:
    suppression: Select[Any] = (
        select(literal_column("1")).select_from(suppressions).where(_same_number, since.is_not(None))
    )
    return exists(suppression.correlate(leads))


# One lead is read with a join, which takes half the time of two subqueries. A list uses subqueries: a join would also be computed
# for the rows before its page, and for its count.
_with_suppression = leads.outerjoin(suppressions, _same_number)
_lead = _columns(
    sms_opted_out=suppressions.c.opted_out_at.is_not(None), on_dnc_list=suppressions.c.on_dnc_at.is_not(None)
)
_listed = _columns(
    sms_opted_out=_suppressed(suppressions.c.opted_out_at), on_dnc_list=_suppressed(suppressions.c.on_dnc_at)
)
_sort_columns = {"first_name": "first_name_key", "last_name": "last_name_key"}


@query(Lead)
def lead_row(organization_id: str, id: str) -> Select[Any]:
    """A lead that is not archived."""
    return (
        select(*_lead)
        .select_from(_with_suppression)
        .where(leads.c.organization_id == organization_id, leads.c.id == id, leads.c.archived_at.is_(None))
    )


@query(str)
def lock_lead(organization_id: str, id: str) -> Select[Any]:
    """Locks the row until the transaction ends, where the database has row locks. Other rows may still refer to it."""
    lead = select(leads.c.id).where(leads.c.organization_id == organization_id, leads.c.id == id)
    return lead.with_for_update(key_share=True)


@query(Lead)
def any_lead_row(organization_id: str, id: str) -> Select[Any]:
    """A lead, archived or not. Erased leads are excluded, so nothing can restore them."""
    return (
        select(*_lead)
        .select_from(_with_suppression)
        .where(leads.c.organization_id == organization_id, leads.c.id == id, leads.c.erased_at.is_(None))
    )


@query(Lead)
def lead_with_phone(organization_id: str, phone: str) -> Select[Any]:
    return (
        select(*_lead)
        .select_from(_with_suppression)
        .where(leads.c.organization_id == organization_id, leads.c.phone == phone, leads.c.archived_at.is_(None))
    )


@query(str)
def organization_of_lead(id: str) -> Select[Any]:
    """For the operator's commands, which take only a lead's id."""
    return select(leads.c.organization_id).where(leads.c.id == id, leads.c.erased_at.is_(None))


@query(Erasure)
def erasures_after(organization_id: str, id: str, limit: int) -> Select[Any]:
    """A page of the erased leads of all organizations in the order of their key, after the given key."""
    erased = select(leads.c.organization_id, leads.c.id).where(leads.c.erased_at.is_not(None))
    after = tuple_(leads.c.organization_id, leads.c.id) > tuple_(organization_id, id)
    return erased.where(after).order_by(leads.c.organization_id, leads.c.id).limit(limit)


@query(Lead)
def lead_list(
    organization_id: str,
    status: str | None = None,
    temperature: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    term: str | None = None,
    digits: str | None = None,
    *,
    indexed: bool,
    sort_by: SortBy,
    descending: bool,
) -> Select[Any]:
    """Leads that are not archived. `indexed` says that the search terms are long enough for the trigram index."""
    conditions = [leads.c.organization_id == organization_id, leads.c.archived_at.is_(None)]
    if status is not None:
        conditions.append(leads.c.status == status)
    if temperature is not None:
        conditions.append(leads.c.temperature == temperature)
    if created_after is not None:
        conditions.append(leads.c.created_at >= created_after)
    if created_before is not None:
        conditions.append(leads.c.created_at < created_before)
    if term is not None:
        conditions.append(Contains(leads.c.search_text, term, digits, indexed=indexed))
    sort_column = leads.c[_sort_columns.get(sort_by, sort_by)]
    if term is not None and indexed:
        return searched(leads, conditions, _lead, _with_suppression, sort_column, descending=descending)
    return select(*_listed).where(*conditions).order_by(*in_order(leads.c, sort_column, descending=descending))


@query(Lead)
def leads_after(organization_id: str, id: str, limit: int) -> Select[Any]:
    """A page of all leads by id, including archived ones and excluding erased ones."""
    page = select(*_lead).select_from(_with_suppression).where(leads.c.organization_id == organization_id)
    return page.where(leads.c.id > id, leads.c.erased_at.is_(None)).order_by(leads.c.id).limit(limit)
