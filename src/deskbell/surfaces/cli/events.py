"""deskbell events: what happened, for the operator."""

from __future__ import annotations

import time

import click
import msgspec

from deskbell.events.model import Event, EventFilter
from deskbell.events.operations import list_events
from deskbell.foundation.db import Session
from deskbell.foundation.json import converted
from deskbell.foundation.pagination import CursorPage
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import connected, read
from deskbell.surfaces.cli.output import as_json, show_json

PAUSE = 1.0  # seconds between looks of `follow`

org_option = click.option("--org", "organization", metavar="ORG", required=True)
type_option = click.option("--type", "types", metavar="TYPES", help="Only these, such as `lead.*,task.created`.")
lead_option = click.option("--lead", "lead_id", metavar="LEAD_ID", help="Only events about this lead.")


@click.group()
def events() -> None:
    """List and follow what happens."""


@events.command(name="list")
@org_option
@click.option("--after", metavar="EVENT_ID", help="Events after this one, oldest first; 0 is the beginning.")
@type_option
@lead_option
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@as_json
@click.pass_obj
def list_some(
    settings: Settings,
    organization: str,
    after: str | None,
    types: str | None,
    lead_id: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List events: those after one, or the latest, newest first."""
    chosen = selected(after, types, lead_id, limit)

    async def unit(session: Session) -> CursorPage[Event]:
        return await list_events(await lookups.context(session, organization), chosen)

    found = read(settings, unit)
    if as_json:
        show_json({"data": found.rows, "meta": found.meta})
        return
    for event in found.rows:
        click.echo(line(event))
    if not found.rows:
        click.echo("There are no such events.")


@events.command()
@org_option
@click.option("--after", metavar="EVENT_ID", help="Begin after this event; 0 is the beginning. By default, now.")
@type_option
@lead_option
@as_json
@click.pass_obj
def follow(
    settings: Settings, organization: str, after: str | None, types: str | None, lead_id: str | None, as_json: bool
) -> None:
    """Print events as they happen, until Ctrl-C. With --json, one value per line."""
    with connected(settings) as connection:

        def look(after: str | None, limit: int) -> CursorPage[Event]:
            async def unit(session: Session) -> CursorPage[Event]:
                ctx = await lookups.context(session, organization)
                return await list_events(ctx, selected(after, types, lead_id, limit))

            return connection.read(unit)

        next = after or look(None, 1).meta.next
        while True:
            found = look(next, 100)
            for event in found.rows:
                click.echo(msgspec.json.encode(event) if as_json else line(event))
            next = found.meta.next
            if not found.rows:
                time.sleep(PAUSE)


def selected(after: str | None, types: str | None, lead_id: str | None, limit: int) -> EventFilter:
    given = {"after": after, "type": types, "lead_id": lead_id, "limit": limit}
    return converted({name: value for name, value in given.items() if value is not None}, EventFilter)


def line(event: Event) -> str:
    """An event for people: when, what, to what, by whom."""
    who = " ".join(filter(None, (event.principal.type, event.principal.name)))
    return f"{event.created_at}  {event.type:<24} {event.object.id}  by {who} ({event.channel})  {event.id}"
