"""deskbell agent chat: a conversation with an agent in the terminal, or through a pipe."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from contextlib import aclosing

import click

from deskbell.agents import chat, operations
from deskbell.agents.conversations.model import ChatMessage, Delta, Done, Source, Sources
from deskbell.agents.models.catalogue import Models
from deskbell.agents.models.extractive import Extractive
from deskbell.agents.slice import endpoint
from deskbell.core.context import ExternalContext, find_tenant
from deskbell.core.principal import operator
from deskbell.errors import Problem
from deskbell.foundation.db import Database
from deskbell.knowledge.slice import embedder_of, search_service
from deskbell.settings import Settings
from deskbell.surfaces.cli.database import connected

PROMPT = "> "

_control = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def converse(settings: Settings, id: str) -> None:
    """Answers every line until the input ends. An error ends a piped conversation, but only the turn in a terminal."""
    with connected(settings) as connection:
        talk = TerminalChat(settings, connection.database, id)
        connection.run(talk.begin())
        try:
            for message in messages():
                try:
                    connection.run(talk.turn(message))
                except KeyboardInterrupt:
                    click.echo("\n(stopped, not saved)", err=True)
                except Problem as problem:
                    if not sys.stdin.isatty():
                        raise
                    click.echo(f"Error: {problem.message}", err=True)
        finally:
            connection.run(talk.end())


def messages() -> Iterator[str]:
    """The lines that somebody types, without blank ones. Ctrl-D ends them, and so does Ctrl-C between replies."""
    lines = typed() if sys.stdin.isatty() else iter(sys.stdin.readline, "")
    for line in lines:
        if line.strip():
            yield line.strip()


def typed() -> Iterator[str]:
    """Lines from a terminal, with line editing and history where the system has it."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  importing it is enough for `input` to use it
    while True:
        try:
            yield input(PROMPT)
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return


class TerminalChat:
    """One conversation, on the database of a server that may be running, with models of this process."""

    def __init__(self, settings: Settings, database: Database, agent_id: str) -> None:
        self.settings = settings
        self.database = database
        self.agent_id = agent_id
        self.conversation_id: str | None = None

    async def begin(self) -> None:
        """Finds the agent, and prints its welcome message."""
        database = self.database
        organization_id = await database.read(lambda session: operations.organization_of(session, self.agent_id))
        embedder = embedder_of(self.settings)
        self.models = Models(endpoint(self.settings), Extractive(embedder))
        knowledge = search_service(self.settings, database, embedder)
        shared = chat.ChatService(
            self.models, knowledge, self.settings.history_tokens, follow_ups=self.settings.llm_follow_ups
        )
        tenant = await database.read(lambda session: find_tenant(session, organization_id))
        self.outside = ExternalContext(database, operator(tenant), "cli", {chat.ChatService: shared})
        speaker = await self.outside.read(lambda ctx: operations.live_agent(ctx, self.agent_id))
        if speaker.welcome_message:
            click.echo(printable(speaker.welcome_message))

    async def turn(self, message: str) -> None:
        """Sends a message, and prints the reply as it arrives."""
        asked = ChatMessage(self.agent_id, message, self.conversation_id)
        begun = False
        try:
            async with aclosing(chat.events(self.outside, asked)) as events:
                async for event in events:
                    begun = True
                    self.show(event)
        except Problem:
            if begun:
                click.echo()
            raise

    def show(self, event: chat.Event) -> None:
        match event:
            case Delta():
                click.echo(printable(event.text), nl=False)
            case Sources():
                for source in event.sources:
                    click.echo(f"\n  {printable(named(source))}", nl=False)
            case Done():
                self.conversation_id = event.conversation_id
                click.echo()
                if sys.stdin.isatty():
                    for question in event.suggested_follow_ups:
                        click.secho(f"  {printable(question)}", dim=True)

    async def end(self) -> None:
        await self.models.close()


def printable(text: str) -> str:
    """Text without control characters except tabs and line ends: what models and documents write must not steer a terminal."""
    return _control.sub("", text)


def named(source: Source) -> str:
    return f"[{source.number}] {source.source} ({source.kb_name}, {source.relevance_score:.0%})"
