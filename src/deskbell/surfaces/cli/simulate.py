"""deskbell simulate: what a carrier would bring, without a carrier."""

from __future__ import annotations

import click

from deskbell.conversations import inbound
from deskbell.conversations.model import Message
from deskbell.foundation.db import Session
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import write
from deskbell.surfaces.cli.output import as_json, show_json, show_record


@click.group()
def simulate() -> None:
    """Simulate incoming traffic of a carrier."""


@simulate.command()
@click.option("--org", "organization", metavar="ORG", required=True)
@click.option("--from", "sender", metavar="NUMBER", required=True, help="The sender's phone number.")
@click.argument("body")
@as_json
@click.pass_obj
def text(settings: Settings, organization: str, sender: str, body: str, as_json: bool) -> None:
    """Simulate an incoming text. STOP, START and HELP take effect as usual; a running server sends the replies."""

    async def unit(session: Session) -> Message:
        return await inbound.receive_text(await lookups.context(session, organization), sender, body)

    message = write(settings, unit)
    if as_json:
        show_json(message)
    else:
        show_record(message)
