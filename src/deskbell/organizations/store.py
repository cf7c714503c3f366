"""The organizations table and every query on it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    Select,
    Table,
    Text,
    select,
)

from deskbell.foundation.db import BOOLEAN, ID, JSON, TIMESTAMP, query, schema
from deskbell.organizations.model import Organization

organizations = Table(
    "organizations",
    schema,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("logo_url", Text),
    Column("primary_phone", Text),
    Column("primary_email", Text),
    Column("address", Text),
    Column("business_hours", JSON, nullable=False),
    Column("payment_status", Text, nullable=False),
    Column("plan_tier", Text, nullable=False),
    Column("ai_name", Text, nullable=False),
    Column("ai_tone", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("agent_approval", BOOLEAN, nullable=False),
    Column("clock_offset", Integer, nullable=False, server_default="0"),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
)


_organization = [organizations.c[name] for name in Organization.__struct_fields__]


@query(Organization)
def organization_row(id: str) -> Select[Any]:
    return select(*_organization).where(organizations.c.id == id)


@query(str)
def organization_country(id: str) -> Select[Any]:
    return select(organizations.c.country).where(organizations.c.id == id)


@query(str)
def approving_organization(id: str) -> Select[Any]:
    """The organization's id, if it requires approval of changes to agents."""
    return select(organizations.c.id).where(organizations.c.id == id, organizations.c.agent_approval)


@query(Organization)
def all_organizations() -> Select[Any]:
    return select(*_organization).order_by(organizations.c.created_at, organizations.c.id)


@query(Organization)
def organization_named(name: str) -> Select[Any]:
    return select(*_organization).where(organizations.c.name == name).order_by(organizations.c.created_at)
