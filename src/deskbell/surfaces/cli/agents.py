"""deskbell agent: agents, their versions, and which version is live."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click
import msgspec

from deskbell.agents import operations, versions
from deskbell.agents.model import Agent, Bot, NewAgent, Version, VersionSummary
from deskbell.agents.records import edited
from deskbell.core.context import Context, operator_context
from deskbell.foundation.db import Session
from deskbell.foundation.json import explained
from deskbell.foundation.pagination import Window
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import program, read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record, show_table

T = TypeVar("T")


@click.group()
def agent() -> None:
    """Create, publish and inspect agents. AGENT is the id of an agent, KB the id of a knowledge base."""


@agent.command()
@click.option("--org", "organization", metavar="ORG", required=True)
@click.option("--name", required=True, help="The agent's name.")
@click.option(
    "--model", required=True, help="For example openai/gpt-4o, or deskbell/extractive, which needs no provider."
)
@click.option("--prompt", required=True, metavar="TEXT", help="The system prompt. {{name}} is a variable.")
@click.option("--kb", "bases", multiple=True, metavar="KB", help="A knowledge base to answer from. May be repeated.")
@click.option(
    "--variable", "variables", multiple=True, metavar="NAME=VALUE", help="A variable's value. May be repeated."
)
@click.option("--welcome", metavar="TEXT", help="The first message of each new conversation.")
@click.option("--publish", is_flag=True, help="Publish it immediately.")
@as_json
@click.pass_obj
def create(
    settings: Settings,
    organization: str,
    name: str,
    model: str,
    prompt: str,
    bases: tuple[str, ...],
    variables: tuple[str, ...],
    welcome: str | None,
    publish: bool,
    as_json: bool,
) -> None:
    """Create an agent."""
    given = {"name": name, "model": model, "system_prompt": prompt, "kb_ids": list(bases)}
    new = checked({**given, "variables": dict(map(pair, variables)), "welcome_message": welcome})

    async def unit(session: Session) -> Agent:
        ctx = await lookups.context(session, organization)
        made = await operations.create_agent(ctx, new)
        return await operations.publish_agent(ctx, made.id) if publish else made

    made = write(settings, unit)
    show(made, as_json)
    if made.is_draft and not as_json:
        click.echo(f"\nPublish it: {program(settings)} agent publish {made.id}")


def pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--variable")
    return name, value


def checked(given: dict[str, Any]) -> NewAgent:
    """The command, validated like a request."""
    try:
        return msgspec.convert(given, NewAgent)
    except msgspec.ValidationError as error:
        raise explained(error, NewAgent) from None


@agent.command(name="list")
@click.option("--org", "organization", metavar="ORG", required=True)
@as_json
@click.pass_obj
def list_all(settings: Settings, organization: str, as_json: bool) -> None:
    """List an organization's agents, newest first."""

    async def unit(session: Session) -> list[Bot]:
        ctx = await lookups.context(session, organization)
        return await everything(lambda window: operations.list_agents(ctx, window), "bots")

    found = read(settings, unit)
    if as_json:
        show_json(found)
    else:
        show_table(found, ("id", "name", "model", "is_draft"), nothing="This organization has no agents yet.")


async def everything(ask: Callable[[Window], Coroutine[Any, Any, Any]], name: str) -> list[Any]:
    """All rows of a list."""
    found: list[Any] = []
    while True:
        part = await ask(Window(limit=100, offset=len(found)))
        found += getattr(part, name)
        if len(found) >= part.pagination.total or not getattr(part, name):
            return found


@agent.command(name="show")
@click.argument("agent", metavar="AGENT")
@as_json
@click.pass_obj
def show_one(settings: Settings, agent: str, as_json: bool) -> None:
    """Show one agent with its prompt."""
    show(read(settings, inside(agent, edited)), as_json)


@agent.command()
@click.argument("agent", metavar="AGENT")
@as_json
@click.pass_obj
def publish(settings: Settings, agent: str, as_json: bool) -> None:
    """Publish an agent's edits. Publishing also approves them."""
    show(write(settings, inside(agent, operations.publish_agent)), as_json)


@agent.command(name="versions")
@click.argument("agent", metavar="AGENT")
@as_json
@click.pass_obj
def list_versions(settings: Settings, agent: str, as_json: bool) -> None:
    """List an agent's versions, newest first."""

    async def listed(ctx: Context, id: str) -> list[VersionSummary]:
        return await everything(lambda window: versions.list_versions(ctx, id, window), "versions")

    found = read(settings, inside(agent, listed))
    if as_json:
        show_json(found)
    else:
        columns = ("number", "model", "change_summary", "is_live", "created_at")
        show_table(found, columns, nothing="This agent has never been published.")


@agent.command()
@click.argument("agent", metavar="AGENT")
@click.argument("number", type=click.IntRange(1))
@as_json
@click.pass_obj
def revert(settings: Settings, agent: str, number: int, as_json: bool) -> None:
    """Save version NUMBER again as the newest version, and publish it."""

    async def restored(ctx: Context, id: str) -> Version:
        return await versions.revert(ctx, id, number)

    made = write(settings, inside(agent, restored))
    if as_json:
        show_json(made)
    else:
        show_record(made)


@agent.command()
@click.argument("agent", metavar="AGENT")
@click.pass_obj
def chat(settings: Settings, agent: str) -> None:
    """Chat with an agent, one message per line, from the terminal or a pipe. Replies list their sources.

    Ctrl-C stops a reply, Ctrl-D ends the chat. The conversation is saved like any other.
    """
    from deskbell.surfaces.cli.chat import converse  # it imports nearly all of the program

    converse(settings, lookups.id_of("agent", agent))


def inside(
    agent: str, act: Callable[[Context, str], Coroutine[Any, Any, T]]
) -> Callable[[Session], Coroutine[Any, Any, T]]:
    """Runs `act` for an agent, in its organization."""
    id = lookups.id_of("agent", agent)

    async def unit(session: Session) -> T:
        return await act(await operator_context(session, await operations.organization_of(session, id)), id)

    return unit


def show(agent: Agent, as_json: bool) -> None:
    if as_json:
        show_json(agent)
    else:
        bases = ", ".join(f"{base.name} ({base.id})" for base in agent.knowledge_bases)
        show_record(agent, knowledge_bases=bases)
