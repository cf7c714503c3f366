"""deskbell group: groups of people of a team."""

from __future__ import annotations

import click
from msgspec import UNSET

from deskbell.core.context import Context
from deskbell.foundation.db import Session
from deskbell.foundation.ids import Id
from deskbell.identity.access import groups
from deskbell.identity.access.model import Group, GroupChanges, GroupFilter, NewGroup
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table
from deskbell.surfaces.cli.people import org_option

person_option = click.option(
    "--person", "people", multiple=True, metavar="PERSON_ID_OR_EMAIL", help="A member. May be repeated."
)
group_argument = click.argument("group_", metavar="GROUP")


@click.group()
def group() -> None:
    """Create, list, update and delete groups of people. GROUP is a group's id or name."""


@group.command()
@org_option
@click.argument("name")
@person_option
@as_json
@click.pass_obj
def create(settings: Settings, organization: str, name: str, people: tuple[str, ...], as_json: bool) -> None:
    """Create a group."""

    async def unit(session: Session) -> Group:
        ctx = await lookups.context(session, organization)
        return await groups.create_group(ctx, NewGroup(name=name, person_ids=await ids_of(ctx, people)))

    show(write(settings, unit), as_json)


@group.command(name="list")
@org_option
@as_json
@click.pass_obj
def list_all(settings: Settings, organization: str, as_json: bool) -> None:
    """List the groups and their members."""

    async def unit(session: Session) -> list[Group]:
        ctx = await lookups.context(session, organization)
        return await lookups.every_page(lambda page: groups.list_groups(ctx, GroupFilter(page=page, limit=100)))

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        show_table(found, ("id", "name", "person_ids"), nothing="There is no group yet.")


@group.command()
@org_option
@group_argument
@click.option("--name")
@person_option
@click.option("--nobody", is_flag=True, help="Remove all members.")
@as_json
@click.pass_obj
def update(
    settings: Settings,
    organization: str,
    group_: str,
    name: str | None,
    people: tuple[str, ...],
    nobody: bool,
    as_json: bool,
) -> None:
    """Rename a group or replace its members."""
    if nobody and people:
        raise click.UsageError("Give either --person or --nobody.")
    if name is None and not people and not nobody:
        raise click.UsageError("Nothing to change: give at least one option.")

    async def unit(session: Session) -> Group:
        ctx = await lookups.context(session, organization)
        found = await lookups.find_group(ctx, group_)
        members = await ids_of(ctx, people) if people or nobody else UNSET
        changes = GroupChanges(name=UNSET if name is None else name, person_ids=members)
        return await groups.update_group(ctx, found.id, changes)

    show(write(settings, unit), as_json)


@group.command()
@org_option
@group_argument
@as_json
@click.pass_obj
def delete(settings: Settings, organization: str, group_: str, as_json: bool) -> None:
    """Delete a group and its grants."""

    async def unit(session: Session) -> Group:
        ctx = await lookups.context(session, organization)
        return await groups.delete_group(ctx, (await lookups.find_group(ctx, group_)).id)

    show(write(settings, unit), as_json)


async def ids_of(ctx: Context, people: tuple[str, ...]) -> list[Id]:
    """The ids of members who are named by id or e-mail address."""
    return [Id((await lookups.find_person(ctx, who)).id) for who in people]


def show(group: Group, as_json: bool) -> None:
    if as_json:
        show_json(group)
    else:
        show_record(group)
