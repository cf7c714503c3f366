"""The tables of groups and grants and every query on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
    Select,
    Table,
    Text,
    and_,
    column,
    delete,
    or_,
    select,
    table,
)

from deskbell.foundation.db import ID, TIMESTAMP, command, query, schema
from deskbell.identity.access.model import Grant, Granted, GroupRow

person_groups = Table(
    "person_groups",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)

group_members = Table(
    "group_members",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("group_id", ID, primary_key=True),
    Column("person_id", ID, primary_key=True),
    ForeignKeyConstraint(["organization_id", "group_id"], ["person_groups.organization_id", "person_groups.id"]),
    ForeignKeyConstraint(["organization_id", "person_id"], ["people.organization_id", "people.id"]),
)

grants = Table(
    "grants",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", ID, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index(
    "grants_once",
    *(
        grants.c[name]
        for name in ("organization_id", "subject_id", "resource_id", "subject_type", "resource_type", "level")
    ),
    unique=True,
)

# Only their ids are asked for here; agents and knowledge bases know of people, so people cannot know of them.
_agents = table("agents", column("organization_id", ID), column("id", ID))
_bases = table("knowledge_bases", column("organization_id", ID), column("id", Text))

_group = [person_groups.c[name] for name in GroupRow.__struct_fields__]
_grant = [grants.c[name] for name in Grant.__struct_fields__]


@query(GroupRow)
def group_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_group).where(person_groups.c.organization_id == organization_id, person_groups.c.id == id)


@query(GroupRow)
def group_list(organization_id: str) -> Select[Any]:
    return select(*_group).where(person_groups.c.organization_id == organization_id).order_by(person_groups.c.id)


@query(str)
def members_of(organization_id: str, group_id: str) -> Select[Any]:
    members = (group_members.c.organization_id == organization_id, group_members.c.group_id == group_id)
    return select(group_members.c.person_id).where(*members).order_by(group_members.c.person_id)


@query(str)
def groups_of(organization_id: str, person_id: str) -> Select[Any]:
    own = (group_members.c.organization_id == organization_id, group_members.c.person_id == person_id)
    return select(group_members.c.group_id).where(*own).order_by(group_members.c.group_id)


@command
def drop_members(organization_id: str, group_id: str) -> Delete:
    return delete(group_members).where(
        group_members.c.organization_id == organization_id, group_members.c.group_id == group_id
    )


@command
def drop_member(organization_id: str, person_id: str) -> Delete:
    """Takes somebody out of all groups."""
    return delete(group_members).where(
        group_members.c.organization_id == organization_id, group_members.c.person_id == person_id
    )


@command
def drop_group(organization_id: str, id: str) -> Delete:
    return delete(person_groups).where(person_groups.c.organization_id == organization_id, person_groups.c.id == id)


@query(Grant)
def grant_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_grant).where(grants.c.organization_id == organization_id, grants.c.id == id)


@query(Grant)
def grant_list(organization_id: str, subject_id: str | None = None, resource_id: str | None = None) -> Select[Any]:
    found = select(*_grant).where(grants.c.organization_id == organization_id)
    if subject_id is not None:
        found = found.where(grants.c.subject_id == subject_id)
    if resource_id is not None:
        found = found.where(grants.c.resource_id == resource_id)
    return found.order_by(grants.c.id)


@query(Granted)
def grants_reaching(organization_id: str, person_id: str, resource_id: str | None = None) -> Select[Any]:
    """The grants to a person and to the groups that they are in."""
    own = select(group_members.c.group_id).where(
        group_members.c.organization_id == organization_id, group_members.c.person_id == person_id
    )
    mine = and_(grants.c.subject_type == "person", grants.c.subject_id == person_id)
    ours = and_(grants.c.subject_type == "group", grants.c.subject_id.in_(own))
    found = select(grants.c.subject_type, grants.c.resource_id, grants.c.level)
    found = found.where(grants.c.organization_id == organization_id, or_(mine, ours))
    return found if resource_id is None else found.where(grants.c.resource_id == resource_id)


@command
def drop_grant(organization_id: str, id: str) -> Delete:
    return delete(grants).where(grants.c.organization_id == organization_id, grants.c.id == id)


@query(str)
def agent_ids(organization_id: str, id: str | None = None) -> Select[Any]:
    found = select(_agents.c.id).where(_agents.c.organization_id == organization_id)
    return (found if id is None else found.where(_agents.c.id == id)).order_by(_agents.c.id)


@query(str)
def base_ids(organization_id: str, id: str | None = None) -> Select[Any]:
    found = select(_bases.c.id).where(_bases.c.organization_id == organization_id)
    return (found if id is None else found.where(_bases.c.id == id)).order_by(_bases.c.id)
