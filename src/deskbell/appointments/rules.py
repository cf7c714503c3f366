"""When an appointment is possible."""

from __future__ import annotations

from deskbell.errors import invalid


def check_times(start_time: str, end_time: str) -> None:
    """An appointment ends after it starts; both are stored moments, compared to the microsecond."""
    if end_time <= start_time:
        raise invalid("end_time", "must be later than `start_time`")
