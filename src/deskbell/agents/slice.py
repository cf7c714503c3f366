"""Agents: their versions, their models, and conversations with them."""

from collections.abc import Mapping
from typing import Any

from deskbell.agents import chat, operations, store
from deskbell.agents.change_summaries import Summarizer
from deskbell.agents.chat import ChatService
from deskbell.agents.conversations import operations as conversations
from deskbell.agents.conversations import store as conversations_store
from deskbell.agents.jobs import QUEUE, SUMMARIZE
from deskbell.agents.models.catalogue import Models
from deskbell.agents.models.extractive import Extractive
from deskbell.agents.models.settings import Endpoint
from deskbell.core.jobs import JobHandler
from deskbell.core.slice import Jobs, Queue, Setup, Slice
from deskbell.credits.prices import prices
from deskbell.knowledge.retrieval.service import SearchService
from deskbell.settings import Settings

SUMMARIES = Queue(QUEUE, at_once=2, drain=1.0)


def endpoint(settings: Settings) -> Endpoint:
    """The endpoint of the language models."""
    return Endpoint(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key,
        default_model=settings.llm_model,
        fallback_model=settings.llm_fallback_model,
        first_byte_seconds=settings.llm_first_byte_seconds,
        idle_seconds=settings.llm_idle_seconds,
        retries=settings.llm_retries,
        prices=prices(settings.llm_prices),
        openrouter_providers=settings.llm_openrouter_providers.replace(",", " ").split(),
    )


def services(setup: Setup) -> list[tuple[type, Any]]:
    settings, search = setup.settings, setup.service(SearchService)
    models = Models(endpoint(settings), Extractive(search.embedder))
    models.preload()
    chats = ChatService(models, search, settings.history_tokens, follow_ups=settings.llm_follow_ups)
    return [(Models, models), (ChatService, chats)]


def handlers(setup: Setup) -> Mapping[str, JobHandler]:
    return {SUMMARIZE: Summarizer(setup.service(Models)).summarize}


AGENTS = Slice(
    "agents",
    [*operations.OPERATIONS, *chat.OPERATIONS, *conversations.OPERATIONS],
    services=services,
    jobs=[Jobs((SUMMARIZE,), handlers, SUMMARIES)],
    # Conversations with agents are those of visitors, not of leads: erasing a lead does not touch them, `DELETE /v1/conversations` does.
    other=[
        store.agents,
        store.agent_versions,
        store.agent_knowledge_bases,
        conversations_store.agent_conversations,
        conversations_store.agent_messages,
    ],
)
