"""deskbell person: the members of an organization's team."""

from __future__ import annotations

from typing import get_args

import click

from deskbell.core.scopes import Role
from deskbell.errors import Problem
from deskbell.foundation.db import Session
from deskbell.foundation.ids import canonical
from deskbell.identity import people
from deskbell.identity.model import Person
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table

org_option = click.option("--org", "organization", metavar="ORG", required=True)


@click.group()
def person() -> None:
    """Add, list and remove team members. A task can be assigned to a member's id."""


@person.command()
@org_option
@click.argument("name")
@click.argument("email")
@click.option("--role", type=click.Choice(get_args(Role)), default="member", show_default=True)
@as_json
@click.pass_obj
def add(settings: Settings, organization: str, name: str, email: str, role: Role, as_json: bool) -> None:
    """Add a team member."""

    async def unit(session: Session) -> Person:
        return await people.add_person(await lookups.context(session, organization), name, email, role)

    show(write(settings, unit), as_json)


@person.command(name="list")
@org_option
@as_json
@click.pass_obj
def list_all(settings: Settings, organization: str, as_json: bool) -> None:
    """List the team members."""

    async def unit(session: Session) -> list[Person]:
        return await lookups.list_people(await lookups.context(session, organization))

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        show_table(found, ("id", "name", "email", "role"), nothing="This team has no members yet.")


@person.command()
@org_option
@click.argument("who", metavar="PERSON_ID_OR_EMAIL")
@as_json
@click.pass_obj
def remove(settings: Settings, organization: str, who: str, as_json: bool) -> None:
    """Remove a member. Their tasks stay assigned to their id."""

    async def unit(session: Session) -> Person:
        ctx = await lookups.context(session, organization)
        wanted = (canonical(who), who.lower())
        for member in await lookups.list_people(ctx):
            if member.id == wanted[0] or member.email == wanted[1]:
                return await people.remove_person(ctx, member.id)
        raise Problem("not_found", f"No member of this organization has the id or e-mail address {who!r}")

    show(write(settings, unit), as_json)


def show(person: Person, as_json: bool) -> None:
    if as_json:
        show_json(person)
    else:
        show_record(person)
