"""The Python client of Deskbell's CRM API: `Desk` for ordinary code, `AsyncDesk` for async code.

`docs/guides/python-client.md` shows how to use them.
"""

from msgspec import UNSET, UnsetType

from deskbell_client.client import AsyncDesk, Desk
from deskbell_client.errors import (
    ComplianceBlocked,
    Conflict,
    ConnectionFailed,
    DeskError,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    ServerError,
    Unauthorized,
    UnreadableAnswer,
)
from deskbell_client.models import Appointment, Event, Lead, Message, Organization, Task, Thread
from deskbell_client.pages import CursorPage, Meta, Page
from deskbell_client.transport import Retry

__all__ = [
    "UNSET",
    "Appointment",
    "AsyncDesk",
    "ComplianceBlocked",
    "Conflict",
    "ConnectionFailed",
    "CursorPage",
    "Desk",
    "DeskError",
    "Event",
    "Forbidden",
    "Invalid",
    "Lead",
    "Message",
    "Meta",
    "NotFound",
    "Organization",
    "Page",
    "RateLimited",
    "Retry",
    "ServerError",
    "Task",
    "Thread",
    "Unauthorized",
    "UnreadableAnswer",
    "UnsetType",
]
