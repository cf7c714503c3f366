"""The tables of people, API keys and applications, and every query on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
    Integer,
    Select,
    Table,
    Text,
    Update,
    and_,
    delete,
    not_,
    or_,
    select,
    update,
)

from deskbell.foundation.db import BOOLEAN, ID, JSON, TIMESTAMP, command, query, schema
from deskbell.identity.model import (
    ApiKey,
    ApiKeyCredential,
    Application,
    ApplicationCredential,
    ApplicationKey,
    ApplicationKeyRevocation,
    KeyRevocation,
    Person,
)
from deskbell.organizations.store import organizations

people = Table(
    "people",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("phone", Text),
    Column("notify", JSON, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("removed_at", TIMESTAMP),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


Index("people_email", people.c.organization_id, people.c.email, unique=True)


api_keys = Table(
    "api_keys",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("person_id", ID),
    Column("active", BOOLEAN, nullable=False),
    Column("expires_at", TIMESTAMP),
    Column("reads_per_minute", Integer, nullable=False),
    Column("writes_per_minute", Integer, nullable=False),
    Column("last_used_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


Index("api_keys_hash", api_keys.c.key_hash, unique=True)


Index("api_keys_id", api_keys.c.id, unique=True)


applications = Table(
    "applications",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("revoked_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)


Index("applications_id", applications.c.id, unique=True)


application_origins = Table(
    "application_origins",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("application_id", ID, primary_key=True),
    Column("origin", Text, primary_key=True),
    ForeignKeyConstraint(["organization_id", "application_id"], ["applications.organization_id", "applications.id"]),
)


application_keys = Table(
    "application_keys",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("application_id", ID, nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("shown", Text, nullable=False),
    Column("revoked_at", TIMESTAMP),
    Column("last_used_at", TIMESTAMP),
    Column("created_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id", "application_id"], ["applications.organization_id", "applications.id"]),
)


Index("application_keys_hash", application_keys.c.key_hash, unique=True)


Index("application_keys_id", application_keys.c.id, unique=True)


_application = [applications.c[name] for name in Application.__struct_fields__]


_application_key = [application_keys.c[name] for name in ApplicationKey.__struct_fields__]


_person = [people.c[name] for name in Person.__struct_fields__]


_key = [api_keys.c[name] for name in ApiKey.__struct_fields__]


@query(Person)
def person_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_person).where(
        people.c.organization_id == organization_id, people.c.id == id, people.c.removed_at.is_(None)
    )


@query(Person)
def person_list(organization_id: str) -> Select[Any]:
    return (
        select(*_person)
        .where(people.c.organization_id == organization_id, people.c.removed_at.is_(None))
        .order_by(people.c.id)
    )


@query(str)
def owners_of(organization_id: str) -> Select[Any]:
    """One, but for organizations from before that was a rule, which may have none or several."""
    owner = (people.c.organization_id == organization_id, people.c.role == "owner", people.c.removed_at.is_(None))
    return select(people.c.id).where(*owner).order_by(people.c.id)


@query(ApiKeyCredential)
def credential(key_hash: str) -> Select[Any]:
    """By the key's hash alone: the one query that finds the organization, where all others start from it."""
    columns = [
        api_keys.c.organization_id,
        api_keys.c.id.label("key_id"),
        api_keys.c.name,
        api_keys.c.prefix,
        api_keys.c.scopes,
        api_keys.c.person_id,
        api_keys.c.active,
        api_keys.c.expires_at,
        api_keys.c.reads_per_minute,
        api_keys.c.writes_per_minute,
        organizations.c.country,
        organizations.c.clock_offset,
        people.c.role,
    ]
    member = and_(
        people.c.organization_id == api_keys.c.organization_id,
        people.c.id == api_keys.c.person_id,
        people.c.removed_at.is_(None),
    )
    joined = api_keys.join(organizations, organizations.c.id == api_keys.c.organization_id).outerjoin(people, member)
    return select(*columns).select_from(joined).where(api_keys.c.key_hash == key_hash)


@query(ApiKey)
def key_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_key).where(api_keys.c.organization_id == organization_id, api_keys.c.id == id)


@query(ApiKey)
def key_list(organization_id: str, person_id: str | None = None) -> Select[Any]:
    found = select(*_key).where(api_keys.c.organization_id == organization_id)
    if person_id is not None:
        found = found.where(api_keys.c.person_id == person_id)
    return found.order_by(api_keys.c.id.desc())


@query(ApiKey)
def live_keys_of_person(organization_id: str, person_id: str) -> Select[Any]:
    own = (api_keys.c.organization_id == organization_id, api_keys.c.person_id == person_id, api_keys.c.active)
    return select(*_key).where(*own).order_by(api_keys.c.id)


@query(str)
def organization_of_key(id: str) -> Select[Any]:
    """For the operator's commands, which are given a key's id alone."""
    return select(api_keys.c.organization_id).where(api_keys.c.id == id)


@query(ApiKey)
def keys_of(organization_id: str) -> Select[Any]:
    return select(*_key).where(api_keys.c.organization_id == organization_id).order_by(api_keys.c.id)


@query(KeyRevocation)
def key_ends_after(id: str, most: int) -> Select[Any]:
    """Of all organizations, by id: for the operator who moves them."""
    ended = or_(not_(api_keys.c.active), api_keys.c.expires_at.is_not(None))
    columns = (api_keys.c.id, api_keys.c.active, api_keys.c.expires_at)
    return select(*columns).where(api_keys.c.id > id, ended).order_by(api_keys.c.id).limit(most)


@query(str)
def later_expiry(organization_id: str, id: str, expires_at: str) -> Select[Any]:
    """The key, if it expires later than that moment or never."""
    longer = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > expires_at)
    return select(api_keys.c.id).where(api_keys.c.organization_id == organization_id, api_keys.c.id == id, longer)


@command
def mark_used(id: str, moment: str) -> Update:
    return update(api_keys).where(api_keys.c.id == id).values(last_used_at=moment)


@query(ApplicationCredential)
def application_credential(key_hash: str) -> Select[Any]:
    """By the key's hash alone, like `credential`."""
    columns = [
        application_keys.c.organization_id,
        application_keys.c.id.label("key_id"),
        application_keys.c.application_id,
        applications.c.name,
        applications.c.type,
        application_keys.c.shown,
        application_keys.c.revoked_at,
        applications.c.revoked_at.label("application_revoked_at"),
        organizations.c.country,
        organizations.c.clock_offset,
    ]
    joined = application_keys.join(
        applications,
        and_(
            applications.c.organization_id == application_keys.c.organization_id,
            applications.c.id == application_keys.c.application_id,
        ),
    ).join(organizations, organizations.c.id == application_keys.c.organization_id)
    return select(*columns).select_from(joined).where(application_keys.c.key_hash == key_hash)


@query(Application)
def application_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_application).where(applications.c.organization_id == organization_id, applications.c.id == id)


@query(str)
def organization_of_application(id: str) -> Select[Any]:
    """For the operator's commands, which are given an application's id alone."""
    return select(applications.c.organization_id).where(applications.c.id == id)


@query(Application)
def applications_of(organization_id: str) -> Select[Any]:
    return select(*_application).where(applications.c.organization_id == organization_id).order_by(applications.c.id)


@query(str)
def origins_of(organization_id: str, application_id: str) -> Select[Any]:
    return (
        select(application_origins.c.origin)
        .where(
            application_origins.c.organization_id == organization_id,
            application_origins.c.application_id == application_id,
        )
        .order_by(application_origins.c.origin)
    )


@query(str)
def origin_listed(origin: str) -> Select[Any]:
    """Some application that lists the origin: a browser asks without a key, so the organization is not known."""
    return select(application_origins.c.application_id).where(application_origins.c.origin == origin).limit(1)


@command
def drop_origins(organization_id: str, application_id: str) -> Delete:
    return delete(application_origins).where(
        application_origins.c.organization_id == organization_id, application_origins.c.application_id == application_id
    )


@query(ApplicationKey)
def application_key_row(organization_id: str, id: str) -> Select[Any]:
    own = (application_keys.c.organization_id == organization_id, application_keys.c.id == id)
    return select(*_application_key).where(*own)


@query(str)
def organization_of_application_key(id: str) -> Select[Any]:
    """For the operator's commands, which are given a key's id alone."""
    return select(application_keys.c.organization_id).where(application_keys.c.id == id)


@query(ApplicationKey)
def keys_of_application(organization_id: str, application_id: str) -> Select[Any]:
    return (
        select(*_application_key)
        .where(
            application_keys.c.organization_id == organization_id, application_keys.c.application_id == application_id
        )
        .order_by(application_keys.c.id)
    )


@command
def revoke_application_keys(organization_id: str, application_id: str, moment: str) -> Update:
    return (
        update(application_keys)
        .where(
            application_keys.c.organization_id == organization_id,
            application_keys.c.application_id == application_id,
            application_keys.c.revoked_at.is_(None),
        )
        .values(revoked_at=moment)
    )


@command
def mark_application_key_used(id: str, moment: str) -> Update:
    return update(application_keys).where(application_keys.c.id == id).values(last_used_at=moment)


@query(ApplicationKeyRevocation)
def application_key_ends_after(id: str, most: int) -> Select[Any]:
    """Of all organizations, by id: for the operator who moves them."""
    ended = select(application_keys.c.id, application_keys.c.revoked_at)
    ended = ended.where(application_keys.c.id > id, application_keys.c.revoked_at.is_not(None))
    return ended.order_by(application_keys.c.id).limit(most)


@query(ApplicationKeyRevocation)
def application_ends_after(id: str, most: int) -> Select[Any]:
    """The same of applications."""
    ended = select(applications.c.id, applications.c.revoked_at)
    ended = ended.where(applications.c.id > id, applications.c.revoked_at.is_not(None))
    return ended.order_by(applications.c.id).limit(most)
