"""Appointments: a lead, a time, a place."""

from deskbell.appointments import store
from deskbell.appointments.model import Appointment
from deskbell.appointments.operations import OPERATIONS, erase_lead
from deskbell.core.context import Context
from deskbell.core.slice import Export, Slice


async def export_page(ctx: Context, after: str, limit: int) -> list[Appointment]:
    return await ctx.db.all(store.appointments_after(ctx.organization_id, after, limit), long=True)


async def merge(ctx: Context, into: str, lead_id: str) -> None:
    await ctx.db.run(store.move_appointments(ctx.organization_id, lead_id, into))


APPOINTMENTS = Slice(
    "appointments",
    OPERATIONS,
    personal=[store.appointments],
    erase=erase_lead,
    merge=merge,
    exports=[Export("appointments", Appointment, export_page)],
)
