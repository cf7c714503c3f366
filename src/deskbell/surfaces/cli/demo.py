"""deskbell demo: an organization to try things on, and the commands to try."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta

import click

from deskbell.core.context import operator_context
from deskbell.demo import loader
from deskbell.demo.data import NAME, generate, today
from deskbell.demo.making import ORGANIZATION
from deskbell.foundation.databases import Guest
from deskbell.foundation.db import Session
from deskbell.leads.model import Lead, LeadFilter
from deskbell.leads.operations import list_leads
from deskbell.settings import Settings
from deskbell.surfaces.cli.database import guest, program
from deskbell.surfaces.cli.loopback import address_of


@click.command()
@click.option("--reset", is_flag=True, help="Make the demo organization anew; no other is touched.")
@click.pass_obj
def demo(settings: Settings, reset: bool) -> None:
    """Make a roofing business with leads, appointments, tasks, texts, documents and an agent, once; print commands to try."""
    address = address_of(settings.host, settings.port)
    with guest(settings) as held:
        key, application_key = (None, None) if not reset and held.read(loader.is_whole) else fill(settings, held)
        lead, agent = held.read(somebody), held.read(loader.agent_id)
    if key:
        click.echo(f"Made the demo organization {NAME} ({ORGANIZATION}).\n")
        click.echo(f"Address: {address}\nAPI key: {key}   (keep it: it is not shown again)")
        click.echo(f"Key of the agent API: {application_key}   (this one too)\n")
    else:
        click.echo(
            f"The demo organization {NAME} goes on with its data; `{program(settings)} demo --reset` makes it anew.\n"
        )
        click.echo(f"Address: {address}\nAPI key: yours, in DESKBELL_KEY. Another one:")
        click.echo(f"  {program(settings)} key create --org {ORGANIZATION} --name NAME")
        click.echo("Key of the agent API: yours, in DESKBELL_APP_KEY. Another one:")
        click.echo(
            f"  {program(settings)} app key create --app APP   (APP: {program(settings)} app list --org {ORGANIZATION})\n"
        )
    click.echo(f"To try while `{program(settings)} serve` runs:\n")
    shown = commands(program(settings), address, key or "$DESKBELL_KEY", lead)
    if agent:
        shown.append(chatting(address, application_key or "$DESKBELL_APP_KEY", agent))
    for title, line in shown:
        click.echo(f"# {title}\n{line}\n")
    if agent:
        click.echo(f"# Talk with the agent here\n{program(settings)} agent chat {agent}\n")


def chatting(address: str, key: str, agent: str) -> tuple[str, str]:
    """A question that the papers answer."""
    asked = {"agent_id": agent, "message": "How long do you warrant your workmanship?"}
    call = f"curl -sS -H \"Authorization: Bearer {key}\" -H 'Content-Type: application/json'"
    return (
        "Ask the agent, which answers from the documents and says where",
        f"{call} {address}/v1/chat -d {quoted(asked)}",
    )


def fill(settings: Settings, held: Guest) -> tuple[str, str]:
    """The demo organization from scratch, also after an attempt that was cut short; answers its new keys of both APIs."""
    from deskbell.surfaces.cli.indexing import wait

    loader.clear(held)
    key = loader.load(held, generate(today()))[1]
    wait(settings, held, ORGANIZATION, held.read(loader.paper_ids), lambda found: None)
    return key, held.write(loader.make_application)


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
    """Four commands that work when pasted, each with what it does."""
    call = f'curl -sS -H "Authorization: Bearer {key}"'
    body = f"{call} -H 'Content-Type: application/json'"
    new = {"first_name": "Jordan", "last_name": "Ellis", "temperature": "warm", "notes": "Hail on Tuesday."}
    shown = [
        ("List hot leads", f"{call} '{address}/api/v1/leads?temperature=hot&limit=3'"),
        (
            "Create a lead (each time another one; a phone or an e-mail would have to be new)",
            f"{body} {address}/api/v1/leads -d {quoted(new)}",
        ),
    ]
    if lead is None:
        return [*shown, (f"No lead is left that can be texted. Start again: {program} demo --reset", "")]
    day = (today() + timedelta(days=1)).isoformat()
    visit = {"lead_id": lead.id, "start_time": f"{day}T15:00:00Z", "end_time": f"{day}T16:00:00Z", "type": "Inspection"}
    text = {"body": f"Hi {lead.first_name}, this is {NAME}. Does tomorrow at ten suit you?"}
    return [
        *shown,
        (f"Book an appointment with {lead.first_name}", f"{body} {address}/api/v1/appointments -d {quoted(visit)}"),
        (
            f"Send {lead.first_name} a text (the simulator is the carrier: no real phone rings)",
            f"{body} {address}/api/v1/conversations/{lead.id}/messages -d {quoted(text)}",
        ),
    ]


def quoted(body: dict[str, str]) -> str:
    return shlex.quote(json.dumps(body))
