"""Privacy: erasing a person, and the two core tables that contain personal data."""

from deskbell.core import events, idempotency
from deskbell.core.context import Context
from deskbell.core.slice import DataSubject, Slice
from deskbell.foundation.jobs import jobs
from deskbell.foundation.schedule import Recurring
from deskbell.foundation.worker import Work

HOUR = 3600  # seconds


async def erase(ctx: Context, subject: DataSubject) -> None:
    """Deletes the stored responses that mention the lead, and removes personal data from its events."""
    await ctx.db.run(idempotency.erase_responses_about(ctx.organization_id, subject.lead_id))
    await ctx.db.run(events.empty_events_of_lead(ctx.organization_id, subject.lead_id))


async def merge(ctx: Context, into: str, lead_id: str) -> None:
    """Moves the events to the timeline of the remaining lead."""
    await ctx.db.run(events.move_events(ctx.organization_id, lead_id, into))


async def purge_answers(work: Work) -> None:
    """Deletes expired idempotency records."""
    await work.complete(idempotency.purge)


PRIVACY = Slice(
    "privacy",
    recurring=[Recurring("answers.purge", HOUR, purge_answers)],
    personal=[idempotency.answers, events.events],
    other=[jobs],
    erase=erase,
    merge=merge,
)
