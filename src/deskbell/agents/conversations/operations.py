"""What can be done with conversations: list, read and delete them."""

from __future__ import annotations

import msgspec

from deskbell.agents.conversations import store
from deskbell.agents.conversations.model import (
    Conversation,
    ConversationFilter,
    ConversationMessage,
    Conversations,
    Source,
    Usage,
    WholeConversation,
)
from deskbell.core.context import Context
from deskbell.core.events import empty_events_of_object, record
from deskbell.core.operation import Operation
from deskbell.core.scopes import MANAGE
from deskbell.errors import Problem
from deskbell.foundation.ids import PublicId, canonical
from deskbell.foundation.pagination import Pagination, given

DOLLAR = 1_000_000_000

_sources = msgspec.json.Decoder(list[Source]).decode


def usage_of(input_tokens: int, output_tokens: int, cost_nanos: int) -> Usage:
    return Usage(input_tokens, output_tokens, input_tokens + output_tokens, cost_nanos / DOLLAR)


def conversation_of(row: store.ConversationRow) -> Conversation:
    usage = usage_of(row.input_tokens, row.output_tokens, row.cost_nanos)
    return Conversation(row.id, row.agent_id, row.title, row.messages, usage, row.created_at, row.updated_at)


def message_of(row: store.MessageRow) -> ConversationMessage:
    usage = usage_of(row.input_tokens, row.output_tokens, row.cost_nanos) if row.model else None
    return ConversationMessage(
        row.id,
        "assistant" if row.role == "assistant" else "user",
        row.content,
        row.model,
        usage,
        _sources(row.sources),
        row.created_at,
    )


async def list_conversations(ctx: Context, filter: ConversationFilter) -> Conversations:
    """List conversations with agents, those with the latest message first."""
    agent_id = given(filter.agent_id)
    rows, total = await ctx.db.page(
        store.conversation_list(ctx.organization_id, None if agent_id is None else canonical(agent_id)),
        1,
        filter.limit,
        offset=filter.offset,
    )
    return Conversations([conversation_of(row) for row in rows], Pagination(filter.limit, filter.offset, total))


async def get_conversation(ctx: Context, id: PublicId) -> WholeConversation:
    """One conversation with all its messages, oldest first."""
    row = await conversation_row(ctx, id)
    messages = await ctx.db.all(store.message_list(ctx.organization_id, id))
    fields = msgspec.structs.asdict(conversation_of(row))
    return WholeConversation(**fields, messages=[message_of(each) for each in messages])


async def delete_conversation(ctx: Context, id: PublicId) -> WholeConversation:
    """Delete a conversation with all its messages, permanently. The usage of its replies stays in the usage records."""
    whole = await get_conversation(ctx, id)
    await ctx.db.run(store.delete_messages(ctx.organization_id, id))
    await ctx.db.run(store.delete_conversation(ctx.organization_id, id))
    await ctx.db.run(empty_events_of_object(ctx.organization_id, "chat", id))
    await record(ctx, "chat.deleted", id)
    return whole


async def conversation_row(ctx: Context, id: str) -> store.ConversationRow:
    row = await ctx.db.one(store.conversation_row(ctx.organization_id, id))
    if row is None:
        raise Problem("not_found", "Conversation not found")
    return row


OPERATIONS = [
    Operation("agent_conversations.list", list_conversations, "GET /v1/conversations", scope=MANAGE),
    Operation("agent_conversations.get", get_conversation, "GET /v1/conversations/{id}", scope=MANAGE),
    Operation("agent_conversations.delete", delete_conversation, "DELETE /v1/conversations/{id}", scope=MANAGE),
]
