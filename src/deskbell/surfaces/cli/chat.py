"""deskbell agent chat: a talk with an agent in the terminal, or through a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import click

from deskbell.agents import operations, turns
from deskbell.agents.conversations.model import ChatMessage, Delta, Done, Source, Sources
from deskbell.agents.models.catalogue import Models
from deskbell.agents.models.extractive import Extractive
from deskbell.app import embedder_of, endpoint, knowledge_of
from deskbell.errors import Problem
from deskbell.foundation.databases import Guest
from deskbell.operation import Caller, Outside
from deskbell.settings import Settings
from deskbell.surfaces.cli.beside import Beside
from deskbell.surfaces.cli.database import guest

PROMPT = "> "


def converse(settings: Settings, id: str) -> None:
    """Answers every line until there are no more. What goes wrong ends a talk through a pipe, and only its turn in a terminal."""
    with guest(settings) as held, asyncio.Runner() as runner:
        talk = Talk(settings, held, id)
        runner.run(talk.begin())
        try:
            for message in messages():
                try:
                    runner.run(talk.turn(message))
                except KeyboardInterrupt:
                    click.echo("\n(ended, and not kept)", err=True)
                except Problem as problem:
                    if not sys.stdin.isatty():
                        raise
                    click.echo(f"Error: {problem.message}", err=True)
        finally:
            runner.run(talk.end())


def messages() -> Iterator[str]:
    """What somebody types, line by line, blank ones left out."""
    typed = sys.stdin.isatty()
    while True:
        if typed:
            click.echo(PROMPT, nl=False)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        if not line:
            if typed:
                click.echo()
            return
        if line.strip():
            yield line.strip()


class Talk:
    """One conversation. Its database is a guest's, its models are this process's own."""

    def __init__(self, settings: Settings, held: Guest, agent_id: str) -> None:
        self.settings = settings
        self.held = held
        self.agent_id = agent_id
        self.conversation_id: str | None = None

    async def begin(self) -> None:
        """Finds the agent, and shows how it welcomes."""
        database = Beside(self.held)
        organization_id = await database.read(lambda session: operations.organization_of(session, self.agent_id))
        embedder = embedder_of(self.settings)
        self.models = Models(endpoint(self.settings), Extractive(embedder))
        knowledge = knowledge_of(self.settings, database, embedder)
        shared = turns.Turns(
            self.models, knowledge, self.settings.history_tokens, follow_ups=self.settings.llm_follow_ups
        )
        caller = Caller(organization_id, "", "", frozenset(), None, "US", 0, 0)
        self.outside = Outside(database, caller, "user", {turns.Turns: shared})
        speaker = await self.outside.read(lambda ctx: operations.speaker(ctx, self.agent_id))
        if speaker.welcome_message:
            click.echo(speaker.welcome_message)

    async def turn(self, message: str) -> None:
        """Asks, and shows the answer while it comes."""
        asked = ChatMessage(self.agent_id, message, self.conversation_id)
        async for event in turns.events(self.outside, asked):
            match event:
                case Delta():
                    click.echo(event.text, nl=False)
                case Sources():
                    click.echo()
                    for source in event.sources:
                        click.echo(f"  {named(source)}")
                case Done():
                    self.conversation_id = event.conversation_id
        click.echo()

    async def end(self) -> None:
        await self.models.close()


def named(source: Source) -> str:
    return f"[{source.number}] {source.source} ({source.kb_name}, {source.relevance_score:.0%})"
