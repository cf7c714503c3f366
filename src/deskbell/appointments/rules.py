"""When an appointment is possible."""

from __future__ import annotations

from deskbell.appointments.model import BookedBy
from deskbell.core.context import Context
from deskbell.errors import invalid


def check_times(start_time: str, end_time: str) -> None:
    """An appointment ends after it starts; both are stored moments, compared to the microsecond."""
    if end_time <= start_time:
        raise invalid("end_time", "must be later than `start_time`")


def booked_by(ctx: Context) -> BookedBy:
    """Who an appointment is stored as booked by, in the public API's four words: people and commands are `user`."""
    if ctx.principal.type == "agent":
        return "agent"
    return ctx.channel if ctx.channel in ("api", "mcp") else "user"
