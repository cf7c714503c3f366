"""deskbell org: the organizations of this installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from deskbell.foundation.db import Session
from deskbell.organizations import operations
from deskbell.organizations.model import Organization, OrganizationChanges
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import program, read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table


@click.group()
def org() -> None:
    """Create, list, show and update organizations. ORG is an id, or a name that only one of them has."""


@org.command()
@click.argument("name")
@click.option("--timezone", default="America/Chicago", show_default=True, help="IANA name of the time zone.")
@click.option(
    "--country", default="US", show_default=True, help="Country of phone numbers without a prefix (ISO 3166)."
)
@as_json
@click.pass_obj
def create(settings: Settings, name: str, timezone: str, country: str, as_json: bool) -> None:
    """Create an organization. Its business hours are 8 to 5 on weekdays until you change them."""
    made = write(
        settings,
        lambda session: operations.create_organization(session, name, timezone=timezone, country=country),
    )
    show(made, as_json)
    if not as_json:
        click.echo(f"\nCreate a key: {program(settings)} key create --org {made.id} --name NAME")


@org.command(name="list")
@as_json
@click.pass_obj
def list_all(settings: Settings, as_json: bool) -> None:
    """List the organizations, oldest first."""
    found = read(settings, lookups.list_organizations)
    if as_json:
        show_json(found)
    else:
        show_table(found, ("id", "name", "timezone", "created_at"), nothing="There are no organizations yet.")


@org.command(name="show")
@click.argument("organization", metavar="ORG")
@as_json
@click.pass_obj
def show_one(settings: Settings, organization: str, as_json: bool) -> None:
    """Show one organization."""
    show(read(settings, lambda session: lookups.find_organization(session, organization)), as_json)


@org.command()
@click.argument("organization", metavar="ORG")
@click.option("--phone", "primary_phone", help="Phone number, which is also in the reply to HELP.")
@click.option("--email", "primary_email", help="E-mail address.")
@click.option("--address", help="Postal address.")
@click.option("--hours", type=click.Path(exists=True, dir_okay=False), help="JSON file with the opening hours by day.")
@click.option("--timezone", help="IANA name of the time zone.")
@click.option("--ai-name", help="Name of the AI persona.")
@click.option("--ai-tone", help="Tone of the AI persona.")
@click.option("--logo-url", help="Address of the logo.")
@click.option(
    "--agent-approval/--no-agent-approval",
    default=None,
    help="A member's new model or prompt must be published by an owner or admin.",
)
@as_json
@click.pass_obj
def update(
    settings: Settings,
    /,
    organization: str,
    hours: str | None,
    agent_approval: bool | None,
    as_json: bool,
    **given: str | None,
) -> None:
    """Change the given fields of an organization. An empty phone, e-mail, address or logo is removed."""
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in ("primary_phone", "primary_email", "address", "logo_url"):
        if changes.get(name) == "":
            changes[name] = None
    if hours is not None:
        changes["business_hours"] = hours_in(hours)
    if not changes and agent_approval is None:
        raise click.UsageError("Nothing to change: give at least one option.")

    async def unit(session: Session) -> Organization:
        ctx = await lookups.context(session, organization)
        if agent_approval is not None:
            await operations.set_agent_approval(ctx, agent_approval)
        return await operations.update_organization(ctx, OrganizationChanges(**changes))

    show(write(settings, unit), as_json)


def hours_in(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8")
        msgspec.json.decode(text)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise click.BadParameter(f"{file} is not JSON: {error}", param_hint="--hours") from None
    return text


def show(organization: Organization, as_json: bool) -> None:
    if as_json:
        show_json(organization)
    else:
        show_record(organization)
