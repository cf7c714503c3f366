"""The jobs of agents, and how they are queued."""

from __future__ import annotations

import msgspec

from deskbell.core.context import Context
from deskbell.foundation import jobs

QUEUE = "agents"  # a model is slow: its jobs have workers of their own
SUMMARIZE = "agents.summarize"


class SummaryJob(msgspec.Struct):
    """`prefix` is put in front of the summary."""

    agent_id: str
    number: int
    prefix: str = ""


async def summarize(ctx: Context, agent_id: str, number: int, prefix: str = "") -> None:
    """Queues a model's summary of a version, in the transaction that stores the version."""
    job = msgspec.structs.asdict(SummaryJob(agent_id, number, prefix))
    await jobs.enqueue(ctx.db, SUMMARIZE, job, organization_id=ctx.organization_id, queue=QUEUE)
