"""deskbell person: the members of an organization's team."""

from __future__ import annotations

from typing import get_args

import click
from msgspec import UNSET

from deskbell.core.scopes import Role
from deskbell.foundation.db import Session
from deskbell.foundation.pagination import Page
from deskbell.identity import people
from deskbell.identity.access.levels import list_access
from deskbell.identity.access.model import Access, AccessFilter
from deskbell.identity.model import Person, PersonChanges
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table

org_option = click.option("--org", "organization", metavar="ORG", required=True)
who_argument = click.argument("who", metavar="PERSON_ID_OR_EMAIL")
roles = click.Choice(get_args(Role))


@click.group()
def person() -> None:
    """Add, list, update and remove team members. A task can be assigned to a member's id."""


@person.command()
@org_option
@click.argument("name_", metavar="[NAME]", required=False)
@click.argument("email_", metavar="[EMAIL]", required=False)
@click.option("--name", help="The person's name; the same as NAME.")
@click.option("--email", help="Their e-mail address; the same as EMAIL.")
@click.option("--role", type=roles, default="member", show_default=True)
@as_json
@click.pass_obj
def add(
    settings: Settings,
    organization: str,
    name_: str | None,
    email_: str | None,
    name: str | None,
    email: str | None,
    role: Role,
    as_json: bool,
) -> None:
    """Add a team member. A new owner makes the former one an admin."""
    given = (one_of("name", name_, name), one_of("email", email_, email))

    async def unit(session: Session) -> Person:
        return await people.add_person(await lookups.context(session, organization), *given, role)

    show(write(settings, unit), as_json)


def one_of(what: str, argument: str | None, option: str | None) -> str:
    """The one that is given of an argument and the option with the same meaning."""
    if (argument is None) == (option is None):
        raise click.UsageError(f"Give {what.upper()} or --{what}, once.")
    return str(argument if option is None else option)


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
        show_table(found, ("id", "name", "email", "role", "phone"), nothing="This team has no members yet.")


@person.command()
@org_option
@who_argument
@click.option("--name")
@click.option("--role", type=roles, help="Making somebody the owner makes the former one an admin.")
@click.option("--phone", help="Their phone number; an empty value removes it.")
@as_json
@click.pass_obj
def update(
    settings: Settings,
    organization: str,
    who: str,
    name: str | None,
    role: Role | None,
    phone: str | None,
    as_json: bool,
) -> None:
    """Change a member's name, role or phone."""
    if name is None and role is None and phone is None:
        raise click.UsageError("Nothing to change: give at least one option.")
    changes = PersonChanges(
        name=UNSET if name is None else name,
        role=UNSET if role is None else role,
        phone=UNSET if phone is None else phone or None,
    )

    async def unit(session: Session) -> Person:
        ctx = await lookups.context(session, organization)
        return await people.update_person(ctx, (await lookups.find_person(ctx, who)).id, changes)

    show(write(settings, unit), as_json)


@person.command()
@org_option
@who_argument
@as_json
@click.pass_obj
def remove(settings: Settings, organization: str, who: str, as_json: bool) -> None:
    """Remove a member with their keys and grants. Their tasks stay assigned to their id."""

    async def unit(session: Session) -> Person:
        ctx = await lookups.context(session, organization)
        return await people.remove_person(ctx, (await lookups.find_person(ctx, who)).id)

    show(write(settings, unit), as_json)


@person.command()
@org_option
@who_argument
@as_json
@click.pass_obj
def access(settings: Settings, organization: str, who: str, as_json: bool) -> None:
    """List what a member may do with each agent and knowledge base, and why."""

    async def unit(session: Session) -> list[Access]:
        ctx = await lookups.context(session, organization)
        id = (await lookups.find_person(ctx, who)).id

        async def page(number: int) -> Page[Access]:
            return await list_access(ctx, id, AccessFilter(page=number, limit=100))

        return await lookups.every_page(page)

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        columns = ("resource_type", "resource_id", "level", "origin")
        show_table(found, columns, nothing="There is no agent and no knowledge base yet.")


def show(person: Person, as_json: bool) -> None:
    if as_json:
        show_json(person)
    else:
        show_record(person)
