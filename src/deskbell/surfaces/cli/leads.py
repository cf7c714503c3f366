"""deskbell lead: what only the operator may do with a person's data."""

from __future__ import annotations

import click

from deskbell.app import SLICES
from deskbell.foundation.db import Session
from deskbell.privacy.operations import RemainingSuppressions, erase_lead
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import connected


@click.group()
def lead() -> None:
    """Erase a person permanently."""


@lead.command()
@click.argument("lead_id")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--compact", is_flag=True, help="Also rewrite the whole file, so that no old data remains in its free space."
)
@click.pass_obj
def erase(settings: Settings, lead_id: str, yes: bool, compact: bool) -> None:
    """Erase a lead, archived or not: name, contact details, notes and texts are deleted permanently.

    If its number has opted out or is on the do-not-call list, that stays in force: it is kept by a hash of the number.
    """
    id = lookups.id_of("lead", lead_id)
    with connected(settings) as connection:
        connection.read(lambda session: lookups.context_of_lead(session, id))
        if not yes:
            click.confirm(f"Erase lead {id} permanently?", abort=True)

        async def unit(session: Session) -> RemainingSuppressions:
            return await erase_lead(await lookups.context_of_lead(session, id), id, SLICES)

        kept = connection.write(unit)
        connection.erase_free_pages(whole=compact)
    click.echo(f"Erased lead {id}.")
    if kept.opt_out:
        click.echo("Its number has opted out of texts. The opt-out stays in force.")
    if kept.dnc_entry:
        click.echo("Its number is on the do-not-call list and stays there.")
    click.echo("Backups made before now still contain the data.")
