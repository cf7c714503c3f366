"""Conversations with agents: messages to them, and their replies with sources and usage."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Precise
from deskbell.foundation.ids import Uuid
from deskbell.foundation.pagination import Pagination, Window


class ChatMessage(msgspec.Struct):
    """A message to an agent."""

    agent_id: Annotated[str, Meta(description="The agent to ask", examples=["01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"])]
    message: Annotated[
        str, Meta(description="The message to the agent", examples=["How long is the warranty on a new roof?"])
    ]
    conversation_id: Annotated[
        str | None,
        Meta(description="The conversation to continue; without one a new conversation begins"),
    ] = None
    stream: Annotated[bool, Meta(description="Whether to stream the answer as server-sent events")] = False


class Usage(msgspec.Struct, rename="camel"):
    """Tokens and cost of a reply. The input is the prompt with history and passages."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost: Annotated[float, Meta(description="US dollars")]


class Source(msgspec.Struct, rename="camel"):
    """A passage that a reply is based on."""

    number: Annotated[int, Meta(description="The `[n]` of the reply that stands for it")]
    kb_name: str
    source: Annotated[str, Meta(description="A file name or an address")]
    relevance_score: Annotated[float, Meta(ge=0, le=1)]
    text: str


class ChatReply(msgspec.Struct, rename="camel"):
    """An agent's answer. `sources` is present only if knowledge bases are linked and something in them is about the question."""

    response: str
    conversation_id: str
    model: str
    usage: Usage
    sources: list[Source] | UnsetType = UNSET
    suggested_follow_ups: Annotated[
        list[str], Meta(description="Questions to ask next, by the model or in the documents' own words; at most three")
    ] = []


class Delta(msgspec.Struct):
    """The next piece of a streamed answer."""

    text: str


class Sources(msgspec.Struct):
    sources: list[Source]


class Done(msgspec.Struct, rename="camel"):
    """The end of a streamed answer, which has been saved."""

    conversation_id: str
    model: str
    suggested_follow_ups: list[str]


class ConversationMessage(msgspec.Struct, rename="camel"):
    """One message of a conversation. A reply names its model, usage and sources."""

    id: Uuid
    role: Literal["user", "assistant"]
    content: str
    model: str | None
    usage: Usage | None
    sources: list[Source]
    created_at: Precise


class Conversation(msgspec.Struct, rename="camel"):
    """A conversation with an agent. `title` is the beginning of its first message; `usage` is the sum over its replies."""

    id: str
    agent_id: Uuid
    title: str
    message_count: int
    usage: Usage
    created_at: Precise
    updated_at: Precise


class WholeConversation(Conversation, rename="camel", kw_only=True):
    """A conversation with all its messages, oldest first."""

    messages: list[ConversationMessage]


class Conversations(msgspec.Struct):
    conversations: list[Conversation]
    pagination: Pagination


class ConversationFilter(Window, kw_only=True):
    """The query parameters of the list of conversations."""

    agent_id: Annotated[str | UnsetType, Meta(description="Only conversations with this agent")] = UNSET
