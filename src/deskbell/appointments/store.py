"""The appointments table and every query on it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Select, Table, Text, Update, select, update

from deskbell.appointments.model import Appointment, AppointmentTimes, SortBy
from deskbell.foundation.db import ID, TIMESTAMP, command, query, schema

appointments = Table(
    "appointments",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("lead_id", ID, nullable=False),
    Column("start_time", TIMESTAMP, nullable=False),
    Column("end_time", TIMESTAMP, nullable=False),
    Column("status", Text, nullable=False),
    Column("type", Text),
    Column("location", Text),
    Column("notes", Text),
    Column("booked_by", Text, nullable=False),
    Column("outcome", Text),
    Column("outcome_notes", Text),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id", "lead_id"], ["leads.organization_id", "leads.id"]),
)
_appointment = [appointments.c[name] for name in Appointment.__struct_fields__]


@query(Appointment)
def appointment_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_appointment).where(appointments.c.organization_id == organization_id, appointments.c.id == id)


@query(AppointmentTimes)
def appointment_times(organization_id: str, id: str) -> Select[Any]:
    """Locks the row until the transaction ends, where the database has row locks."""
    times = select(appointments.c.start_time, appointments.c.end_time)
    return times.where(appointments.c.organization_id == organization_id, appointments.c.id == id).with_for_update()


@query(str)
def lock_appointment(organization_id: str, id: str) -> Select[Any]:
    """Locks the row until the transaction ends, where the database has row locks."""
    appointment = select(appointments.c.id).where(
        appointments.c.organization_id == organization_id, appointments.c.id == id
    )
    return appointment.with_for_update()


@query(Appointment)
def appointment_list(
    organization_id: str,
    status: str | None = None,
    lead_id: str | None = None,
    start_after: str | None = None,
    start_before: str | None = None,
    *,
    sort_by: SortBy,
    descending: bool,
) -> Select[Any]:
    statement = select(*_appointment).where(appointments.c.organization_id == organization_id)
    if status is not None:
        statement = statement.where(appointments.c.status == status)
    if lead_id is not None:
        statement = statement.where(appointments.c.lead_id == lead_id)
    if start_after is not None:
        statement = statement.where(appointments.c.start_time >= start_after)
    if start_before is not None:
        statement = statement.where(appointments.c.start_time < start_before)
    columns = (appointments.c[sort_by], appointments.c.id)
    return statement.order_by(*(column.desc() if descending else column.asc() for column in columns))


@command
def erase_free_text(organization_id: str, lead_id: str) -> Update:
    """Erases the free text of a lead's appointments."""
    of_lead = (appointments.c.organization_id == organization_id, appointments.c.lead_id == lead_id)
    return update(appointments).where(*of_lead).values(location=None, notes=None, outcome_notes=None)


@query(Appointment)
def appointments_after(organization_id: str, id: str, limit: int) -> Select[Any]:
    """A page of all appointments by id, after the given id."""
    statement = select(*_appointment).where(appointments.c.organization_id == organization_id, appointments.c.id > id)
    return statement.order_by(appointments.c.id).limit(limit)


@command
def move_appointments(organization_id: str, lead_id: str, into: str) -> Update:
    """Moves one lead's appointments to another."""
    moved = update(appointments).where(appointments.c.organization_id == organization_id)
    return moved.where(appointments.c.lead_id == lead_id).values(lead_id=into)
