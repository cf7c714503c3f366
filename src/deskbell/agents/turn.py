"""The two transactions of a turn: what is read before the model is asked, and what is saved when its reply is complete."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from deskbell.agents import history, operations
from deskbell.agents.conversations import store
from deskbell.agents.conversations.model import ChatMessage, Source, Usage
from deskbell.agents.conversations.operations import DOLLAR, conversation_of, conversation_row
from deskbell.agents.models.base import Turn
from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.errors import Problem
from deskbell.foundation.db import insert
from deskbell.foundation.ids import canonical, new_id, public_id

MAX_HISTORY = 200  # earlier messages that are read
TITLE = 80  # characters
BUSY = "This conversation is answering another message; wait for its reply"


class TurnStart(NamedTuple):
    """What a turn begins with. `messages` is how many the conversation has."""

    agent: operations.LiveAgent
    conversation_id: str
    is_new: bool
    messages: int
    history: list[Turn]
    started_at: str


class CompletedTurn(NamedTuple):
    """A turn as it is saved. `reservation` is the id under which its cost was reserved, if it was."""

    question: str
    reply: str
    model: str
    usage: Usage
    sources: list[Source]
    reservation: str | None


async def start_turn(ctx: Context, message: ChatMessage, history_tokens: int) -> TurnStart:
    """Finds the agent and the conversation, and makes sure that the agent can answer and has credit to do so."""
    agent = await operations.live_agent(ctx, canonical(message.agent_id))
    now = ctx.now
    if message.conversation_id is None:
        welcome = [Turn("assistant", agent.welcome_message)] if agent.welcome_message else []
        return TurnStart(agent, public_id("conv"), True, 0, welcome, now)
    conversation = await conversation_row(ctx, message.conversation_id)
    if conversation.agent_id != agent.id:
        raise Problem("not_found", "Conversation not found")
    latest = await ctx.db.all(store.latest_messages(ctx.organization_id, conversation.id, MAX_HISTORY))
    recent = history.recent(((each.role, each.content) for each in latest), history_tokens)
    return TurnStart(agent, conversation.id, False, conversation.messages, recent, now)


async def save_turn(ctx: Context, start: TurnStart, turn: CompletedTurn) -> None:
    """Saves messages, conversation and debit, all or nothing. Raises `conversation_busy` if another turn was saved meanwhile."""
    now = ctx.now
    position = await add_conversation(ctx, start, turn) if start.is_new else await extend_conversation(ctx, start, turn)
    await add_message(ctx, start, position, "user", turn.question, start.started_at)
    await add_message(ctx, start, position + 1, "assistant", turn.reply, now, turn)
    used = (turn.usage.input_tokens, turn.usage.output_tokens, nanos(turn.usage))
    await operations.debit_chat(ctx, start.agent, turn.reservation, *used)


async def add_conversation(ctx: Context, start: TurnStart, turn: CompletedTurn) -> int:
    """A new conversation, with the agent's welcome. Returns the position of the user's first message."""
    welcome = start.agent.welcome_message
    position = 1 if welcome else 0
    row = {
        "organization_id": ctx.organization_id,
        "id": start.conversation_id,
        "agent_id": start.agent.id,
        "title": title(turn.question),
        "messages": position + 2,
        "input_tokens": turn.usage.input_tokens,
        "output_tokens": turn.usage.output_tokens,
        "cost_nanos": nanos(turn.usage),
        "created_at": start.started_at,
        "updated_at": ctx.now,
    }
    await ctx.db.run(insert(store.agent_conversations, row))
    conversation = conversation_of(await conversation_row(ctx, start.conversation_id))
    await record(ctx, "chat.started", start.conversation_id, after=conversation)
    if welcome:
        await add_message(ctx, start, 0, "assistant", welcome, start.started_at)
    return position


async def extend_conversation(ctx: Context, start: TurnStart, turn: CompletedTurn) -> int:
    """Adds a turn to the conversation's totals. Returns the position of the user's message."""
    used = (turn.usage.input_tokens, turn.usage.output_tokens, nanos(turn.usage))
    # Optimistic locking: the update finds no row if the number of messages has changed since the turn began.
    if not await ctx.db.run(store.add_turn(ctx.organization_id, start.conversation_id, start.messages, *used, ctx.now)):
        await conversation_row(ctx, start.conversation_id)
        raise Problem("conversation_busy", BUSY)
    return start.messages


async def add_message(
    ctx: Context,
    start: TurnStart,
    position: int,
    role: str,
    content: str,
    moment: str,
    turn: CompletedTurn | None = None,
) -> None:
    """Stores a message. For a model's reply `turn` says what it took."""
    row = {
        "organization_id": ctx.organization_id,
        "conversation_id": start.conversation_id,
        "position": position,
        "id": new_id(),
        "role": role,
        "content": content,
        "model": turn.model if turn else None,
        "input_tokens": turn.usage.input_tokens if turn else 0,
        "output_tokens": turn.usage.output_tokens if turn else 0,
        "cost_nanos": nanos(turn.usage) if turn else 0,
        "sources": msgspec.json.encode(turn.sources).decode() if turn else "[]",
        "created_at": moment,
    }
    await ctx.db.run(insert(store.agent_messages, row))


def nanos(usage: Usage) -> int:
    """Its cost in billionths of a US dollar."""
    return round(usage.cost * DOLLAR)


def title(question: str) -> str:
    """The beginning of a message, in one line."""
    line = " ".join(question.split())
    return line if len(line) <= TITLE else line[: TITLE - 1].rstrip() + "…"
