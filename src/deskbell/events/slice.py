"""Events: what happened, for whoever wants to read or follow it."""

from __future__ import annotations

from typing import Any

from deskbell.core.slice import Setup, Slice
from deskbell.events.feed import EventFeed
from deskbell.events.operations import OPERATIONS


def services(setup: Setup) -> list[tuple[type, Any]]:
    return [(EventFeed, EventFeed(setup.database))]


EVENTS = Slice("events", OPERATIONS, services=services)
