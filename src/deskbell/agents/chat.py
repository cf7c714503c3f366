"""One turn of a talk with an agent: look at the documents, ask the model, save. Nothing is stored before the reply is whole."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import NamedTuple

import msgspec

from deskbell.agents import history, operations
from deskbell.agents.citations import Citations
from deskbell.agents.conversations import store
from deskbell.agents.conversations.model import ChatMessage, ChatReply, Delta, Done, Source, Sources, Usage
from deskbell.agents.conversations.operations import NANO, conversation_row, usage
from deskbell.agents.models.base import ModelRequest, ModelUnavailable, ModelUsage, NumberedPassage, Turn
from deskbell.agents.models.catalogue import Models
from deskbell.agents.rules import filled
from deskbell.agents.stream_buffer import StreamBuffer
from deskbell.core.context import Context, ExternalContext
from deskbell.core.operation import EventStream, Operation
from deskbell.core.scopes import USE
from deskbell.credits.reservations import reservation
from deskbell.errors import Problem
from deskbell.foundation.db import insert
from deskbell.foundation.ids import canonical, new_id, public_id
from deskbell.knowledge.retrieval.results import DIGITS, PASSAGES, FoundPassage, on_topic
from deskbell.knowledge.retrieval.search import next_questions, search
from deskbell.knowledge.retrieval.service import SearchService

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 100_000  # characters
LONGEST_QUERY = 2_000  # characters of a message that are searched for
MOST_MESSAGES = 200  # earlier ones that are looked at
TITLE = 80  # characters
UNAVAILABLE = "Chat service is currently unavailable"
BUSY = "This conversation is answering another message; wait for its reply"

Event = Delta | Sources | Usage | Done


class ChatService:
    """What the turns of this process share.

    `history_tokens` bounds how much of a conversation goes into a prompt; `follow_ups` says that models suggest what to ask next.
    """

    def __init__(self, models: Models, knowledge: SearchService, history_tokens: int, *, follow_ups: bool) -> None:
        self.models = models
        self.knowledge = knowledge
        self.history_tokens = history_tokens
        self.follow_ups = follow_ups
        self.busy: set[tuple[str, str]] = set()

    def suggests(self, speaker: operations.LiveAgent) -> bool:
        """Whether the agent's model is to suggest what to ask next: of an agent with documents, which the questions are about."""
        return self.follow_ups and bool(speaker.kb_ids)


class TurnStart(NamedTuple):
    """What a turn begins with. `messages` is how many the conversation has."""

    speaker: operations.LiveAgent
    conversation_id: str
    new: bool
    messages: int
    history: list[Turn]
    began: str


async def chat(outside: ExternalContext, message: ChatMessage) -> ChatReply | EventStream:
    """Ask an agent. It looks at its knowledge bases before each reply, and cites what it found as `[n]`.

    Without `conversation_id` a new conversation begins; with it the agent knows the earlier exchange. With `stream` the answer comes
    as server-sent events: `delta` for each bit of text, then `sources`, `usage` and `done`; an `error` ends it early. What fails is
    neither saved nor charged, and a client that hangs up ends the turn.
    """
    if len(message.message) > LONGEST_MESSAGE:
        raise Problem("payload_too_large", f"`message` may have at most {LONGEST_MESSAGE} characters")
    if not message.stream:
        return await collect(events(outside, message))
    pump = StreamBuffer(events(outside, message), joined)
    await pump.begin()
    return EventStream((type(event).__name__.lower(), event) async for event in pump.rest())


def joined(event: Event, after: Event) -> Event | None:
    """Two bits of text that both wait to be sent, as one."""
    return Delta(event.text + after.text) if isinstance(event, Delta) and isinstance(after, Delta) else None


async def collect(source: AsyncGenerator[Event, None]) -> ChatReply:
    """The events of a turn as one reply."""
    text: list[str] = []
    reply = ChatReply("", "", "", Usage(0, 0, 0, 0.0))
    async with aclosing(source) as turn:
        async for event in turn:
            match event:
                case Delta():
                    text.append(event.text)
                case Sources():
                    reply.sources = event.sources
                case Usage():
                    reply.usage = event
                case Done():
                    reply.conversation_id, reply.model = event.conversation_id, event.model
                    reply.suggested_follow_ups = event.suggested_follow_ups
    reply.response = "".join(text)
    return reply


async def events(outside: ExternalContext, message: ChatMessage) -> AsyncGenerator[Event, None]:
    """The turn itself. When `Usage` comes it is saved."""
    turns = outside.service(ChatService)
    opening = await outside.read(lambda ctx: start_turn(ctx, message, turns.history_tokens))
    place = (outside.organization_id, opening.conversation_id)
    if place in turns.busy:
        raise Problem("conversation_busy", BUSY)
    turns.busy.add(place)
    try:
        async with aclosing(run_turn(outside, turns, opening, message.message)) as turn:
            async for event in turn:
                yield event
    finally:
        turns.busy.discard(place)


async def start_turn(ctx: Context, message: ChatMessage, budget: int) -> TurnStart:
    """Finds the agent and the conversation, and checks that the agent can answer and may."""
    speaker = await operations.speaker(ctx, canonical(message.agent_id))
    began = ctx.now
    if message.conversation_id is None:
        said = [Turn("assistant", speaker.welcome_message)] if speaker.welcome_message else []
        return TurnStart(speaker, public_id("conv"), True, 0, said, began)
    talk = await conversation_row(ctx, message.conversation_id)
    if talk.agent_id != speaker.id:
        raise Problem("not_found", "Conversation not found")
    latest = await ctx.db.all(store.latest_messages(ctx.organization_id, talk.id, MOST_MESSAGES))
    said = history.recent(((each.role, each.content) for each in latest), budget)
    return TurnStart(speaker, talk.id, False, talk.messages, said, began)


async def run_turn(
    outside: ExternalContext, turns: ChatService, opening: TurnStart, question: str
) -> AsyncGenerator[Event, None]:
    speaker = opening.speaker
    passages = await retrieved(outside, turns.knowledge, opening, question)
    materials = [
        NumberedPassage(number, each.source, each.title, each.headings, each.text, each.score)
        for number, each in enumerate(passages, start=1)
    ]
    instructions = filled(speaker.system_prompt, speaker.variables)
    asked = ModelRequest(
        instructions, opening.history, question, materials, bool(speaker.kb_ids), turns.suggests(speaker)
    )
    citations = Citations(len(materials))
    text: list[str] = []
    async with reserve_cost(outside, turns, speaker, asked) as reservation:
        async with aclosing(stream_reply(turns, speaker, asked, citations)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelUsage):
                    spent = piece
                else:
                    text.append(piece)
                    yield Delta(piece)
        sources = sources_of(passages, citations, spent)
        took = usage(spent.input_tokens, spent.output_tokens, round(spent.cost * NANO))
        reply = CompletedTurn(question, "".join(text), spent.model, took, sources, reservation)
        next_ones = list(spent.follow_ups) if passages else []
        next_ones = next_ones or await next_questions(turns.knowledge, outside.organization_id, question, passages)
        await outside.write(lambda ctx: save(ctx, opening, reply))
    if sources:
        yield Sources(sources)
    yield took
    yield Done(opening.conversation_id, spent.model, next_ones)


def reserve_cost(
    outside: ExternalContext, turns: ChatService, speaker: operations.LiveAgent, asked: ModelRequest
) -> AbstractAsyncContextManager[str | None]:
    """Holds back what the reply may cost where a wallet or a budget pays for it; gives the reservation's id."""
    cost = turns.models.max_cost(speaker.model, asked) if speaker.limited else 0.0
    return nullcontext() if cost == 0.0 else reservation(outside.write, "chat", speaker.id, cost)


async def stream_reply(
    turns: ChatService, speaker: operations.LiveAgent, asked: ModelRequest, citations: Citations
) -> AsyncGenerator[str | ModelUsage, None]:
    """The pieces of the reply as they may be shown, then what it took. A reply without a word is none."""
    spent, silent = None, True
    try:
        async with aclosing(turns.models.reply(speaker.model, asked)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelUsage):
                    spent = piece
                elif shown := citations.feed(piece):
                    silent = silent and not shown.strip()
                    yield shown
        if spent is None:
            raise ModelUnavailable("it did not say that it had ended")
        if shown := citations.end():
            silent = False
            yield shown
        if silent:
            raise ModelUnavailable("nothing of its answer is left without the citations")
    except ModelUnavailable as failure:
        log.warning("agent %s: model %s: %s", speaker.id, speaker.model, failure)
        raise Problem("model_unavailable", UNAVAILABLE) from failure
    yield spent


async def retrieved(
    outside: ExternalContext, knowledge: SearchService, opening: TurnStart, question: str
) -> list[FoundPassage]:
    """The passages that have to do with the question. One that means nothing by itself is searched with the one before it."""
    if not opening.speaker.kb_ids:
        return []
    before = next((turn.text for turn in reversed(opening.history) if turn.role == "user"), None)
    for query in (question, f"{before}\n{question}" if before else None):
        if query is not None and (passages := await relevant(outside, knowledge, opening, query[:LONGEST_QUERY])):
            return passages
    return []


async def relevant(
    outside: ExternalContext, knowledge: SearchService, opening: TurnStart, query: str
) -> list[FoundPassage]:
    hits = await search(knowledge, outside.organization_id, opening.speaker.kb_ids, query, PASSAGES)
    return on_topic(hits)


def sources_of(passages: list[FoundPassage], citations: Citations, spent: ModelUsage) -> list[Source]:
    """The passages that a reply cites; of one that cites none, all that it was given. Extracts cite all that they use."""
    numbers = sorted(citations.cited) or ([] if spent.grounded else range(1, len(passages) + 1))
    chosen = [(number, passages[number - 1]) for number in numbers]
    return [
        Source(number, each.knowledge_base, each.source, round(each.score, DIGITS), each.text)
        for number, each in chosen
    ]


class CompletedTurn(NamedTuple):
    """A turn as it is saved."""

    question: str
    text: str
    model: str
    took: Usage
    sources: list[Source]
    reservation: str | None


async def save(ctx: Context, opening: TurnStart, reply: CompletedTurn) -> None:
    """The messages, the conversation and the debit, all or nothing. Another turn that was quicker is not overwritten."""
    moment = ctx.now
    cost = round(reply.took.cost * NANO)
    into, out = reply.took.input_tokens, reply.took.output_tokens
    place = opening.messages
    if opening.new:
        place = 1 if opening.speaker.welcome_message else 0
        row = {
            "organization_id": ctx.organization_id,
            "id": opening.conversation_id,
            "agent_id": opening.speaker.id,
            "title": title(reply.question),
            "messages": place + 2,
            "input_tokens": into,
            "output_tokens": out,
            "cost_nanos": cost,
            "created_at": opening.began,
            "updated_at": moment,
        }
        await ctx.db.run(insert(store.agent_conversations, row))
        if opening.speaker.welcome_message:
            await add_message(ctx, opening, 0, "assistant", opening.speaker.welcome_message, opening.began)
    else:
        going = store.go_on(ctx.organization_id, opening.conversation_id, place, into, out, cost, moment)
        if not await ctx.db.run(going):
            await conversation_row(ctx, opening.conversation_id)
            raise Problem("conversation_busy", BUSY)
    await add_message(ctx, opening, place, "user", reply.question, opening.began)
    await add_message(ctx, opening, place + 1, "assistant", reply.text, moment, reply)
    await operations.debit_chat(ctx, opening.speaker, reply.reservation, into, out, cost)


async def add_message(
    ctx: Context,
    opening: TurnStart,
    position: int,
    role: str,
    content: str,
    moment: str,
    reply: CompletedTurn | None = None,
) -> None:
    row = {
        "organization_id": ctx.organization_id,
        "conversation_id": opening.conversation_id,
        "position": position,
        "id": new_id(),
        "role": role,
        "content": content,
        "model": reply.model if reply else None,
        "input_tokens": reply.took.input_tokens if reply else 0,
        "output_tokens": reply.took.output_tokens if reply else 0,
        "cost_nanos": round(reply.took.cost * NANO) if reply else 0,
        "sources": msgspec.json.encode(reply.sources).decode() if reply else "[]",
        "created_at": moment,
    }
    await ctx.db.run(insert(store.agent_messages, row))


def title(question: str) -> str:
    """How a message begins, in one line."""
    line = " ".join(question.split())
    return line if len(line) <= TITLE else line[: TITLE - 1].rstrip() + "…"


OPERATIONS = [
    Operation(
        "chat",
        chat,
        "POST /v1/chat",
        scope=USE,
        errors=("not_found", "conversation_busy", "model_unavailable", "payment_required"),
        status=200,
    )
]
