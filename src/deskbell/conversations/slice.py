"""Conversations: threads and texts with leads, and their carrier."""

from collections.abc import Mapping

from deskbell.conversations import sending, store
from deskbell.conversations.carriers import simulator
from deskbell.conversations.model import Message
from deskbell.conversations.operations import OPERATIONS, erase_lead, numbers_of_lead
from deskbell.conversations.sender import Sender
from deskbell.core.context import Context
from deskbell.core.jobs import JobHandler
from deskbell.core.slice import Export, Jobs, Setup, Slice


def handlers(setup: Setup) -> Mapping[str, JobHandler]:
    sender = Sender(simulator.Simulator(setup.database))
    return {sending.SEND: sender.send, simulator.REPORT: sender.report}


async def export_page(ctx: Context, after: str, limit: int) -> list[Message]:
    return await ctx.db.all(store.messages_after(ctx.organization_id, after, limit), long=True)


async def merge(ctx: Context, into: str, lead_id: str) -> None:
    """Moves the messages to the remaining lead, and the thread too if that lead has none."""
    await ctx.db.run(store.move_messages(ctx.organization_id, lead_id, into))
    if await ctx.db.one(store.thread_of(ctx.organization_id, into)) is None:
        await ctx.db.run(store.move_thread(ctx.organization_id, lead_id, into))
    else:
        await ctx.db.run(store.erase_thread(ctx.organization_id, lead_id))


CONVERSATIONS = Slice(
    "conversations",
    OPERATIONS,
    jobs=[Jobs((sending.SEND, simulator.REPORT), handlers)],
    personal=[store.threads, store.messages, simulator.ledger],
    numbers=numbers_of_lead,
    erase=erase_lead,
    merge=merge,
    exports=[Export("messages", Message, export_page)],
)
