"""Builds the rows of the demo data from a seeded random generator and a date that stands for today."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from deskbell.foundation import clock

ORGANIZATION = "018f0000-0000-7000-8000-00000000de30"  # identifies the demo organization
ZONE = ZoneInfo("America/Chicago")
Row = dict[str, Any]


class DemoBuilder:
    """Random values and times. The same seed and date give the same rows."""

    def __init__(self, today: date, seed: int) -> None:
        self.today = today
        self.now = datetime.combine(today, time(), UTC)  # midnight: everything in the past is before it
        self.random = Random(seed)

    def id(self, moment: datetime) -> str:
        """A UUIDv7 of that time."""
        value = int(moment.timestamp() * 1000) << 80 | self.random.getrandbits(80)
        value = value & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def ago(self, least: float, most: float) -> datetime:
        """A random time between so many days ago."""
        return self.now - timedelta(days=self.random.uniform(least, most), seconds=self.random.randrange(60))

    def row(self, created: datetime, updated: datetime | None = None, **columns: Any) -> Row:
        """A row of the demo organization, last changed before today's midnight."""
        stamps = {
            "created_at": clock.of(created),
            "updated_at": clock.of(min(max(updated or created, created), self.now)),
        }
        return {"organization_id": ORGANIZATION, "id": self.id(created), **columns, **stamps}

    def working_hour(self, days: int) -> datetime:
        """A full or half hour on a working day about so many days from today, in the business's time zone."""
        day = self.today + timedelta(days=days)
        if day.weekday() > 4:
            day += timedelta(days=2 if days >= 0 else -2)
        local = datetime.combine(day, time(self.random.randint(8, 15), self.random.choice((0, 30))), ZONE)
        return local.astimezone(UTC)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


def day_and_time(moment: datetime) -> tuple[str, str]:
    """A time as it is written in a text: "Tuesday", "2:30 pm"."""
    local = moment.astimezone(ZONE)
    return f"{local:%A}", f"{local.hour % 12 or 12}:{local:%M} {'am' if local.hour < 12 else 'pm'}"
