"""deskbell demo: an organization to try things on, and the commands to try."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta

import click

from deskbell.core.context import operator_context
from deskbell.demo import loader
from deskbell.demo.builder import ORGANIZATION
from deskbell.demo.data import NAME, generate, today
from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.db import Session
from deskbell.leads.model import Lead, LeadFilter
from deskbell.leads.operations import list_leads
from deskbell.settings import Settings
from deskbell.surfaces.cli.database import connected, program
from deskbell.surfaces.cli.loopback import address_of


@click.command()
@click.option(
    "--reset", is_flag=True, help="Delete the demo organization and create it again. No other organization is changed."
)
@click.pass_obj
def demo(settings: Settings, reset: bool) -> None:
    """Create a roofing business with leads, appointments, tasks, texts, documents and an agent, and print commands to try.

    If it exists already, only the commands are printed.
    """
    address = address_of(settings.host, settings.port)
    with connected(settings) as connection:
        key, application_key = (
            (None, None) if not reset and connection.read(loader.is_complete) else fill(settings, connection)
        )
        lead, agent = connection.read(somebody), connection.read(loader.agent_id)
    if key:
        click.echo(f"Created the demo organization {NAME} ({ORGANIZATION}).\n")
        click.echo(f"Address: {address}\nAPI key: {key}   (save it: it cannot be shown again)")
        click.echo(f"Agent API key: {application_key}   (save it, too)\n")
    else:
        click.echo(f"Using the existing demo organization {NAME}. `{program(settings)} demo --reset` starts over.\n")
        click.echo(f"Address: {address}\nAPI key: the one that you saved, in DESKBELL_KEY. To create another:")
        click.echo(f"  {program(settings)} key create --org {ORGANIZATION} --name NAME")
        click.echo("Agent API key: the one that you saved, in DESKBELL_APP_KEY. To create another:")
        click.echo(
            f"  {program(settings)} app key create --app APP   (APP: {program(settings)} app list --org {ORGANIZATION})\n"
        )
    click.echo(f"Commands to try while `{program(settings)} serve` is running:\n")
    shown = commands(program(settings), address, key or "$DESKBELL_KEY", lead)
    if agent:
        shown.append(chatting(address, application_key or "$DESKBELL_APP_KEY", agent))
    for title, line in shown:
        click.echo(f"# {title}\n{line}\n")
    if agent:
        click.echo(f"# Chat with the agent in this terminal\n{program(settings)} agent chat {agent}\n")


def chatting(address: str, key: str, agent: str) -> tuple[str, str]:
    """A question that the documents answer."""
    asked = {"agent_id": agent, "message": "How long do you warrant your workmanship?"}
    call = f"curl -sS -H \"Authorization: Bearer {key}\" -H 'Content-Type: application/json'"
    return (
        "Ask the agent, which answers from documents and cites them",
        f"{call} {address}/v1/chat -d {quoted(asked)}",
    )


def fill(settings: Settings, connection: CommandConnection) -> tuple[str, str]:
    """Creates the demo organization, also after an interrupted attempt. Returns its new keys for both APIs."""
    from deskbell.surfaces.cli.indexing import wait

    loader.clear(connection)
    key = loader.load(connection, generate(today()))[1]
    wait(settings, connection, ORGANIZATION, connection.read(loader.document_ids), lambda found: None)
    return key, connection.write(loader.make_application)


async def somebody(session: Session) -> Lead | None:
    """The hottest lead that can be texted."""
    ctx = await operator_context(session, ORGANIZATION)
    for temperature in ("hot", "warm", "cold"):
        page = await list_leads(ctx, LeadFilter(temperature=temperature, sort_by="lead_score", limit=100))
        for lead in page.rows:
            if lead.phone and not lead.sms_opted_out and not lead.on_dnc_list:
                return lead
    return None


def commands(program: str, address: str, key: str, lead: Lead | None) -> list[tuple[str, str]]:
    """Four commands to paste, each with what it does."""
    call = f'curl -sS -H "Authorization: Bearer {key}"'
    body = f"{call} -H 'Content-Type: application/json'"
    new = {"first_name": "Jordan", "last_name": "Ellis", "temperature": "warm", "notes": "Hail on Tuesday."}
    shown = [
        ("List hot leads", f"{call} '{address}/api/v1/leads?temperature=hot&limit=3'"),
        (
            "Create a lead (repeatable, because it has no phone number and no e-mail address)",
            f"{body} {address}/api/v1/leads -d {quoted(new)}",
        ),
    ]
    if lead is None:
        return [*shown, (f"No lead can be texted any more. Start over: {program} demo --reset", "")]
    day = (today() + timedelta(days=1)).isoformat()
    visit = {"lead_id": lead.id, "start_time": f"{day}T15:00:00Z", "end_time": f"{day}T16:00:00Z", "type": "Inspection"}
    text = {"body": f"Hi {lead.first_name}, this is {NAME}. Does tomorrow at ten suit you?"}
    return [
        *shown,
        (f"Book an appointment with {lead.first_name}", f"{body} {address}/api/v1/appointments -d {quoted(visit)}"),
        (
            f"Send {lead.first_name} a text (the carrier is a simulator: no real phone receives it)",
            f"{body} {address}/api/v1/conversations/{lead.id}/messages -d {quoted(text)}",
        ),
    ]


def quoted(body: dict[str, str]) -> str:
    return shlex.quote(json.dumps(body))
