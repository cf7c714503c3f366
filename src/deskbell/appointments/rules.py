"""Rules for appointments."""

from __future__ import annotations

from deskbell.appointments.model import BookedBy
from deskbell.core.context import Context
from deskbell.errors import invalid


def check_times(start_time: str, end_time: str) -> None:
    """Raises unless the end is after the start. Both are stored timestamps, with microseconds."""
    if end_time <= start_time:
        raise invalid("end_time", "must be later than `start_time`")


def booked_by(ctx: Context) -> BookedBy:
    """The public API's `booked_by` of an appointment that is booked now: `user` stands for people and commands."""
    if ctx.principal.type == "agent":
        return "agent"
    return ctx.channel if ctx.channel in ("api", "mcp") else "user"
