"""Erasing a person for good: content and identity go, the number's opt-out stays as a hash."""

from __future__ import annotations

from typing import NamedTuple

from deskbell.appointments import operations as appointments_operations
from deskbell.compliance import suppressions
from deskbell.conversations import operations as conversations_operations
from deskbell.core import idempotency
from deskbell.core.context import Context, operator_context
from deskbell.core.events import empty_events_of_lead, record
from deskbell.errors import Problem
from deskbell.foundation.db import Session
from deskbell.leads import operations as leads_operations
from deskbell.leads.model import Erasure
from deskbell.tasks import operations as tasks_operations


class Kept(NamedTuple):
    """What still stands against texting a number of an erased person, kept by the number's hash."""

    opt_out: bool
    dnc_entry: bool


async def erase_lead(ctx: Context, lead_id: str) -> Kept:
    """Erases what is known of a lead, archived or not. Appointments and tasks stay as facts without words."""
    phone = await leads_operations.erase_lead(ctx, lead_id)
    numbers = {phone, *await conversations_operations.erase_lead(ctx, lead_id)} - {None}
    against = [await suppressions.suppression_status(ctx, str(number)) for number in numbers]
    for number in numbers:
        await suppressions.erase_number(ctx, str(number))
    await appointments_operations.erase_lead(ctx, lead_id)
    await tasks_operations.erase_lead(ctx, lead_id)
    await ctx.db.run(idempotency.erase_answers_about(ctx.organization_id, lead_id))
    await ctx.db.run(empty_events_of_lead(ctx.organization_id, lead_id))
    await record(ctx, "lead.erased", lead_id, lead_id=lead_id)
    return Kept(any(each.opted_out_at for each in against), any(each.on_dnc_at for each in against))


async def carry_over(session: Session, entries: list[Erasure]) -> int:
    """Erases in an earlier state whom a later one had erased. How many; leads that it lacks are left out."""
    carried = 0
    for entry in entries:
        try:
            await erase_lead(await operator_context(session, entry.organization_id), entry.id)
        except Problem:  # not there, or erased already
            continue
        carried += 1
    return carried
