"""What can be done with appointments."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from deskbell.appointments import rules, store
from deskbell.appointments.model import Appointment, AppointmentChanges, AppointmentFilter, NewAppointment
from deskbell.core.context import Context
from deskbell.core.earlier_versions import PRESENT, RecordVersion, earlier_version, is_past
from deskbell.core.events import record
from deskbell.core.operation import Operation
from deskbell.core.slice import DataSubject
from deskbell.core.tools.declaration import Tool
from deskbell.errors import Problem
from deskbell.foundation.db import insert, update
from deskbell.foundation.ids import new_id
from deskbell.foundation.pagination import Page, given
from deskbell.leads.operations import get_lead

NOT_FOUND = "No appointment of your organization has this id"


async def list_appointments(ctx: Context, filter: AppointmentFilter) -> Page[Appointment]:
    """List appointments, the latest start first unless sorted otherwise. Cancelled ones are included."""
    statement = store.appointment_list(
        ctx.organization_id,
        given(filter.status),
        given(filter.lead_id),
        given(filter.start_after),
        given(filter.start_before),
        sort_by=filter.sort_by,
        descending=filter.sort_dir == "desc",
    )
    rows, total = await ctx.db.page(statement, filter.page, filter.limit)
    return Page(rows, total, filter)


async def get_appointment(ctx: Context, id: str, version: RecordVersion = PRESENT) -> Appointment:
    """One appointment by its id; with `as_of`, as it was at that time."""
    appointment = await ctx.db.one(store.appointment_row(ctx.organization_id, id))
    if appointment is not None and version.as_of is not UNSET and is_past(ctx, version.as_of):
        appointment = await earlier_version(ctx, "appointment", appointment, version.as_of)
    if appointment is None:
        raise Problem("not_found", NOT_FOUND)
    return appointment


async def lock_appointment(ctx: Context, id: str) -> Appointment:
    """Locks the appointment until this transaction ends, and returns it: no other change comes between reading and writing it."""
    await ctx.db.one(store.lock_appointment(ctx.organization_id, id))
    return await get_appointment(ctx, id)


async def create_appointment(ctx: Context, new: NewAppointment) -> Appointment:
    """Book an appointment with a lead."""
    rules.check_times(new.start_time, new.end_time)
    await check_lead(ctx, new.lead_id)
    moment = ctx.now
    row = {
        **msgspec.structs.asdict(new),
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "booked_by": rules.booked_by(ctx),
    }
    await ctx.db.run(insert(store.appointments, {**row, "created_at": moment, "updated_at": moment}))
    appointment = await get_appointment(ctx, str(row["id"]))
    await record(ctx, "appointment.created", appointment.id, lead_id=appointment.lead_id, after=appointment)
    return appointment


async def check_lead(ctx: Context, lead_id: str) -> None:
    """Raises `lead_not_found` if there is no such lead."""
    try:
        await get_lead(ctx, lead_id)
    except Problem:
        raise Problem("lead_not_found", "`lead_id` is not a lead of your organization") from None


async def update_appointment(ctx: Context, id: str, changes: AppointmentChanges) -> Appointment:
    """Change some fields of an appointment: absent fields stay, null clears a nullable one."""
    fields = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    start, end = fields.get("start_time"), fields.get("end_time")
    if start and end:
        rules.check_times(start, end)
    before = await lock_appointment(ctx, id)
    if start or end:
        times = await ctx.db.one(store.appointment_times(ctx.organization_id, id))
        assert times is not None
        rules.check_times(start or times.start_time, end or times.end_time)
    if changes.lead_id is not UNSET:
        await check_lead(ctx, changes.lead_id)
    await ctx.db.run(
        update(
            store.appointments, {"organization_id": ctx.organization_id, "id": id}, {**fields, "updated_at": ctx.now}
        )
    )
    after = await get_appointment(ctx, id)
    await record(ctx, "appointment.updated", id, lead_id=after.lead_id, before=before, after=after)
    return after


async def cancel_appointment(ctx: Context, id: str) -> Appointment:
    """Cancel an appointment. It stays readable; cancelling it again changes nothing."""
    appointment = await lock_appointment(ctx, id)
    if appointment.status == "cancelled":
        return appointment
    await ctx.db.run(
        update(
            store.appointments,
            {"organization_id": ctx.organization_id, "id": id},
            {"status": "cancelled", "updated_at": ctx.now},
        )
    )
    cancelled = await get_appointment(ctx, id)
    await record(ctx, "appointment.cancelled", id, lead_id=cancelled.lead_id, before=appointment, after=cancelled)
    return cancelled


async def erase_lead(ctx: Context, subject: DataSubject) -> None:
    """Permanently erases the free text of a lead's appointments; the times stay."""
    await ctx.db.run(store.erase_free_text(ctx.organization_id, subject.lead_id))


LIST_APPOINTMENTS = Tool(
    "list_appointments",
    "Find appointments",
    "Find appointments, the latest start first, cancelled ones included. Use it to see what is booked, also for one lead. To book"
    ' use create_appointment. Example: {"status": "scheduled", "limit": 10}',
    {"status": "Only appointments of this status", "lead_id": "Only this lead's (UUID)", "limit": "Most to return"},
    defaults={"limit": 20},
)
CREATE_APPOINTMENT = Tool(
    "create_appointment",
    "Book an appointment",
    "Book an appointment with a lead. Overlaps are not refused: look with list_appointments first, and at business_hours with"
    ' get_org. list_leads finds the lead\'s id. Example: {"lead_id": "...", "start_time":'
    ' "2026-05-10T14:30:00-05:00", "end_time": "2026-05-10T15:00:00-05:00"}',
    {
        "lead_id": "The lead's id (UUID)",
        "start_time": "ISO 8601 with offset; without one it is UTC",
        "end_time": "Likewise, after start_time",
        "type": "What it is for, e.g. Estimate",
        "location": "Where, e.g. an address",
        "notes": "Free text for the team",
    },
)

OPERATIONS = [
    Operation(
        "appointments.list",
        list_appointments,
        "GET /api/v1/appointments",
        scope="appointments:read",
        tool=LIST_APPOINTMENTS,
    ),
    Operation(
        "appointments.create",
        create_appointment,
        "POST /api/v1/appointments",
        scope="appointments:write",
        errors=("lead_not_found",),
        tool=CREATE_APPOINTMENT,
    ),
    Operation("appointments.get", get_appointment, "GET /api/v1/appointments/{id}", scope="appointments:read"),
    Operation(
        "appointments.update",
        update_appointment,
        "PUT /api/v1/appointments/{id}",
        scope="appointments:write",
        errors=("lead_not_found",),
    ),
    Operation(
        "appointments.cancel", cancel_appointment, "DELETE /api/v1/appointments/{id}", scope="appointments:write"
    ),
]
