"""Moments in time. Stored and compared as text of one fixed form, `2026-05-10T14:30:00.123456Z`, always UTC, so that order is text order."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

#: A moment as the CRM API shows it: ISO 8601, UTC, whole seconds, `Z`. A record field of this type is cut from the stored form.
Timestamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"}, examples=["2026-05-10T14:30:00Z"])]


#: The same as the agent API shows it: with milliseconds.
Precise = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"}, examples=["2026-05-10T14:30:00.000Z"])]


# What stands between date and time, which `fromisoformat` does not look at.
_form = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-?W[0-9]{2}(-?[0-9])?)([Tt ].+)?").fullmatch


class Instant(str):
    """A moment as it is stored: ISO 8601, UTC, microseconds, `Z`."""

    __slots__ = ()
    schema = {"type": "string", "format": "date-time", "examples": ["2026-05-10T14:30:00Z"]}
    expected = "must be a date and time in ISO 8601, such as 2026-05-10T14:30:00Z"

    @classmethod
    def parse(cls, text: str) -> Instant:
        """Reads ISO 8601, T and Z in either case, a space for the T. A time without an offset is UTC, a bare date its midnight."""
        try:
            if _form(text) is None:
                raise ValueError(text)
            return of(datetime.fromisoformat(text.replace("z", "Z")))
        except (ValueError, OverflowError):
            raise ValueError(cls.expected) from None


def of(moment: datetime) -> Instant:
    """The stored form of a datetime; a naive one is read as UTC."""
    if moment.tzinfo is not None and moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return Instant(moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z")


_second = (-1, "")  # the present one, in seconds since 1970 and as text: a request asks for the time again and again


def now(offset: int = 0) -> Instant:
    """The present moment; `offset` is how many seconds an organization's clock is ahead of the system's."""
    global _second
    if offset:
        return of(datetime.now(UTC) + timedelta(seconds=offset))
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    second = _second
    if second[0] != seconds:
        _second = second = (seconds, of(datetime.fromtimestamp(seconds, UTC))[:-7])
    return Instant(f"{second[1]}{microseconds:06}Z")


def seconds_from_now(seconds: float) -> Instant:
    """The moment that many seconds ahead; negative ones are past."""
    return of(datetime.now(UTC) + timedelta(seconds=seconds))


def seconds_until(instant: str) -> float:
    """How many seconds ahead a stored moment is; negative once it is past."""
    return (moment(instant) - datetime.now(UTC)).total_seconds()


def moment(instant: str) -> datetime:
    """The aware datetime of a stored or shown moment."""
    return datetime.fromisoformat(instant)
