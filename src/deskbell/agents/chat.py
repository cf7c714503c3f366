"""A turn of a conversation with an agent: search its documents, ask its model, save. Nothing is stored before the reply is complete."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext

from deskbell.agents.citations import Citations
from deskbell.agents.conversations.model import ChatMessage, ChatReply, Delta, Done, Source, Sources, Usage
from deskbell.agents.conversations.operations import DOLLAR, usage_of
from deskbell.agents.models.base import ModelRequest, ModelUnavailable, ModelUsage, NumberedPassage
from deskbell.agents.models.catalogue import Models
from deskbell.agents.operations import LiveAgent
from deskbell.agents.rules import fill_prompt
from deskbell.agents.stream_buffer import StreamBuffer
from deskbell.agents.turn import BUSY, CompletedTurn, TurnStart, save_turn, start_turn
from deskbell.core.context import ExternalContext
from deskbell.core.operation import EventStream, Operation
from deskbell.core.scopes import USE
from deskbell.credits.reservations import reservation
from deskbell.errors import Problem
from deskbell.knowledge.retrieval.results import DIGITS, PASSAGES, FoundPassage, on_topic
from deskbell.knowledge.retrieval.search import next_questions, search
from deskbell.knowledge.retrieval.service import SearchService

log = logging.getLogger(__name__)

MAX_MESSAGE = 100_000  # characters
MAX_QUERY = 2_000  # characters of a message that are searched for
UNAVAILABLE = "Chat service is currently unavailable"

Event = Delta | Sources | Usage | Done


class ChatService:
    """What the turns of this process share. `busy` are conversations (with their organization) that have a turn at present.

    `history_tokens` bounds how much of a conversation goes into a prompt; `follow_ups` says that models suggest what to ask next.
    """

    def __init__(self, models: Models, search: SearchService, history_tokens: int, *, follow_ups: bool) -> None:
        self.models = models
        self.search = search
        self.history_tokens = history_tokens
        self.follow_ups = follow_ups
        self.busy: set[tuple[str, str]] = set()


async def chat(external: ExternalContext, message: ChatMessage) -> ChatReply | EventStream:
    """Ask an agent. It searches its knowledge bases before each reply, and cites what it found as `[n]`.

    Without `conversation_id` a new conversation begins; with it the agent knows the earlier exchange. With `stream` the answer comes
    as server-sent events: `delta` for each bit of text, then `sources`, `usage` and `done`; an `error` ends it early. What fails is
    neither saved nor charged, and a client that disconnects ends the turn.
    """
    if len(message.message) > MAX_MESSAGE:
        raise Problem("payload_too_large", f"`message` may have at most {MAX_MESSAGE} characters")
    if not message.stream:
        return await collect(events(external, message))
    buffer = StreamBuffer(events(external, message), join_deltas)
    await buffer.start()
    return EventStream((type(event).__name__.lower(), event) async for event in buffer.items())


def join_deltas(event: Event, after: Event) -> Event | None:
    """Two bits of text that both wait to be sent, as one."""
    return Delta(event.text + after.text) if isinstance(event, Delta) and isinstance(after, Delta) else None


async def collect(events: AsyncGenerator[Event, None]) -> ChatReply:
    """The events of a turn as one reply."""
    text: list[str] = []
    reply = ChatReply("", "", "", Usage(0, 0, 0, 0.0))
    async with aclosing(events) as turn:
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


async def events(external: ExternalContext, message: ChatMessage) -> AsyncGenerator[Event, None]:
    """The events of a turn. When `Usage` comes, the turn is saved."""
    service = external.service(ChatService)
    start = await external.read(lambda ctx: start_turn(ctx, message, service.history_tokens))
    conversation = (external.organization_id, start.conversation_id)
    # This refuses a second message before the model is asked. A turn in another process is noticed when one of the two is saved.
    if conversation in service.busy:
        raise Problem("conversation_busy", BUSY)
    service.busy.add(conversation)
    try:
        async with aclosing(run_turn(external, service, start, message.message)) as turn:
            async for event in turn:
                yield event
    finally:
        service.busy.discard(conversation)


async def run_turn(
    external: ExternalContext, service: ChatService, start: TurnStart, question: str
) -> AsyncGenerator[Event, None]:
    """Searches, asks and saves."""
    agent = start.agent
    passages = await retrieve(external, service.search, start, question)
    request = request_of(service, start, question, passages)
    citations = Citations(len(passages))
    text: list[str] = []
    async with reserve_cost(external, service, agent, request) as reservation_id:
        async with aclosing(stream_reply(service.models, agent, request, citations)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelUsage):
                    used = piece  # always comes, and last: `stream_reply` raises otherwise
                else:
                    text.append(piece)
                    yield Delta(piece)
        sources = cited_sources(passages, citations, used)
        usage = usage_of(used.input_tokens, used.output_tokens, round(used.cost * DOLLAR))
        turn = CompletedTurn(question, "".join(text), used.model, usage, sources, reservation_id)
        suggestions = list(used.follow_ups) if passages else []
        if not suggestions:
            suggestions = await next_questions(service.search, external.organization_id, question, passages)
        await external.write(lambda ctx: save_turn(ctx, start, turn))
    if sources:
        yield Sources(sources)
    yield usage
    yield Done(start.conversation_id, used.model, suggestions)


def request_of(service: ChatService, start: TurnStart, question: str, passages: list[FoundPassage]) -> ModelRequest:
    """What the model is sent. Only an agent with documents is to suggest what to ask next, since suggestions are about these."""
    agent = start.agent
    numbered = [
        NumberedPassage(number, each.source, each.title, each.headings, each.text, each.score)
        for number, each in enumerate(passages, start=1)
    ]
    instructions = fill_prompt(agent.system_prompt, agent.variables)
    searched = bool(agent.kb_ids)
    return ModelRequest(instructions, start.history, question, numbered, searched, service.follow_ups and searched)


def reserve_cost(
    external: ExternalContext, service: ChatService, agent: LiveAgent, request: ModelRequest
) -> AbstractAsyncContextManager[str | None]:
    """Reserves what the reply may cost, if a wallet or a budget pays for it; yields the reservation's id."""
    cost = service.models.max_cost(agent.model, request) if agent.limited else 0.0
    return nullcontext() if cost == 0.0 else reservation(external.write, "chat", agent.id, cost)


async def stream_reply(
    models: Models, agent: LiveAgent, request: ModelRequest, citations: Citations
) -> AsyncGenerator[str | ModelUsage, None]:
    """The pieces of the reply with valid citations only, then its usage. A reply without any text is refused."""
    usage, empty = None, True
    try:
        async with aclosing(models.reply(agent.model, request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelUsage):
                    usage = piece
                elif text := citations.feed(piece):
                    empty = empty and not text.strip()
                    yield text
        if usage is None:
            raise ModelUnavailable("it did not say that it had ended")
        if text := citations.end():
            empty = False
            yield text
        if empty:
            raise ModelUnavailable("nothing of its answer is left without the citations")
    except ModelUnavailable as failure:
        log.warning("agent %s: model %s: %s", agent.id, agent.model, failure)
        raise Problem("model_unavailable", UNAVAILABLE) from failure
    yield usage


async def retrieve(
    external: ExternalContext, search_service: SearchService, start: TurnStart, question: str
) -> list[FoundPassage]:
    """The passages about the question. If it finds none alone, as "And on Sundays?", it is searched with the question before it."""
    if not start.agent.kb_ids:
        return []
    before = next((turn.text for turn in reversed(start.history) if turn.role == "user"), None)
    for query in (question, f"{before}\n{question}" if before else None):
        if query is not None:
            bases, organization_id = start.agent.kb_ids, external.organization_id
            found = await search(search_service, organization_id, bases, query[:MAX_QUERY], PASSAGES)
            if passages := on_topic(found):
                return passages
    return []


def cited_sources(passages: list[FoundPassage], citations: Citations, usage: ModelUsage) -> list[Source]:
    """The passages that a reply cites; all of them if a model cites none. A reply in the documents' own words cites all that it uses."""
    numbers = sorted(citations.cited) or ([] if usage.grounded else range(1, len(passages) + 1))
    cited = [(number, passages[number - 1]) for number in numbers]
    return [
        Source(number, each.knowledge_base, each.source, round(each.score, DIGITS), each.text) for number, each in cited
    ]


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
