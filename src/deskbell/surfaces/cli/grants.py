"""deskbell grant: more rights on one agent or knowledge base than a role gives."""

from __future__ import annotations

from typing import get_args

import click

from deskbell.core.context import Context
from deskbell.errors import Problem
from deskbell.foundation.db import Session
from deskbell.foundation.ids import Id
from deskbell.identity.access import grants
from deskbell.identity.access.model import Grant, GrantFilter, Level, NewGrant, ResourceId, SubjectType
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table
from deskbell.surfaces.cli.people import org_option

COLUMNS = ("id", "subject_type", "subject_id", "resource_type", "resource_id", "level")


@click.group()
def grant() -> None:
    """Give people and groups more rights on an agent or knowledge base than their roles do; list and revoke them."""


@grant.command()
@org_option
@click.option("--person", metavar="PERSON_ID_OR_EMAIL", help="The person who gets the right.")
@click.option("--group", "group_", metavar="GROUP", help="The group that gets the right.")
@click.option("--agent", metavar="AGENT", help="The id of an agent.")
@click.option("--kb", metavar="KB", help="The id of a knowledge base.")
@click.option("--level", type=click.Choice(get_args(Level)), required=True)
@as_json
@click.pass_obj
def create(
    settings: Settings,
    organization: str,
    person: str | None,
    group_: str | None,
    agent: str | None,
    kb: str | None,
    level: Level,
    as_json: bool,
) -> None:
    """Grant a right to a person or group."""
    if (person is None) == (group_ is None):
        raise click.UsageError("Give either --person or --group.")
    if (agent is None) == (kb is None):
        raise click.UsageError("Give either --agent or --kb.")

    async def unit(session: Session) -> Grant:
        ctx = await lookups.context(session, organization)
        subject_type, subject_id = await subject(ctx, person, group_)
        new = NewGrant(
            subject_type=subject_type,
            subject_id=subject_id,
            resource_type="knowledge_base" if agent is None else "agent",
            resource_id=resource(str(kb if agent is None else agent)),
            level=level,
        )
        return await grants.create_grant(ctx, new)

    show(write(settings, unit), as_json)


async def subject(ctx: Context, person: str | None, group: str | None) -> tuple[SubjectType, Id]:
    if person is not None:
        return "person", Id((await lookups.find_person(ctx, person)).id)
    return "group", Id((await lookups.find_group(ctx, str(group))).id)


def resource(given: str) -> ResourceId:
    try:
        return ResourceId.parse(given)
    except ValueError:
        raise Problem("not_found", f"No agent and no knowledge base has the id {given}") from None


@grant.command(name="list")
@org_option
@as_json
@click.pass_obj
def list_all(settings: Settings, organization: str, as_json: bool) -> None:
    """List the grants."""

    async def unit(session: Session) -> list[Grant]:
        ctx = await lookups.context(session, organization)
        return await lookups.every_page(lambda page: grants.list_grants(ctx, GrantFilter(page=page, limit=100)))

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        show_table(found, COLUMNS, nothing="Nothing is granted beyond what roles give.")


@grant.command()
@org_option
@click.argument("grant_id", metavar="GRANT_ID")
@as_json
@click.pass_obj
def revoke(settings: Settings, organization: str, grant_id: str, as_json: bool) -> None:
    """Revoke a grant."""
    id = lookups.id_of("grant", grant_id)

    async def unit(session: Session) -> Grant:
        return await grants.revoke_grant(await lookups.context(session, organization), id)

    show(write(settings, unit), as_json)


def show(grant: Grant, as_json: bool) -> None:
    if as_json:
        show_json(grant)
    else:
        show_record(grant)
