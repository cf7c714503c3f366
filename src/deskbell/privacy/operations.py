"""Erasing a person for good: content and identity go, the number's opt-out stays as a hash."""

from __future__ import annotations

from deskbell.appointments import operations as appointments_operations
from deskbell.compliance import suppressions
from deskbell.conversations import operations as conversations_operations
from deskbell.core import idempotency
from deskbell.core.operation import Context
from deskbell.leads import operations as leads_operations
from deskbell.tasks import operations as tasks_operations


async def erase_lead(ctx: Context, lead_id: str) -> None:
    """Erases what is known of a lead, archived or not. Appointments and tasks stay as facts without words."""
    phone = await leads_operations.erase_lead(ctx, lead_id)
    for number in {phone, *await conversations_operations.erase_lead(ctx, lead_id)} - {None}:
        await suppressions.erase_number(ctx, str(number))
    await appointments_operations.erase_lead(ctx, lead_id)
    await tasks_operations.erase_lead(ctx, lead_id)
    await ctx.db.run(idempotency.erase_answers_about(ctx.organization_id, lead_id))
