"""Threads and messages between the business and its leads."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from deskbell.foundation.clock import Timestamp
from deskbell.foundation.ids import Uuid
from deskbell.foundation.pagination import Paging

ThreadStatus = Literal["active", "closed"]
Sentiment = Literal["positive", "neutral", "negative"]
InterestLevel = Literal["low", "medium", "high"]
Direction = Literal["outbound", "inbound"]
MessageStatus = Literal[
    "queued", "sending", "sent", "delivered", "undelivered", "failed", "cancelled", "unknown", "received"
]

Body = Annotated[str, Meta(min_length=1, max_length=1600, pattern=r"\S", examples=["We can be there at nine."])]


class Thread(msgspec.Struct):
    """The conversation with one lead. Summary, sentiment and interest are computed by the server."""

    id: Uuid
    organization_id: Uuid
    lead_id: Uuid
    status: ThreadStatus
    ai_summary: str | None
    sentiment: Sentiment | None
    interest_level: InterestLevel | None
    requires_human: bool
    created_at: Timestamp
    updated_at: Timestamp


class Message(msgspec.Struct):
    """A text. Outbound: queued, sending, sent, then delivered or undelivered; or failed, cancelled, unknown. Inbound: received."""

    id: Uuid
    type: Literal["sms"]
    direction: Direction
    body: str
    status: MessageStatus
    sent_at: Timestamp | None
    created_at: Timestamp


class NewMessage(msgspec.Struct, kw_only=True):
    """A text to send to a lead."""

    body: Body


class ThreadFilter(Paging, kw_only=True):
    """Which page of the threads."""


class MessageFilter(Paging, kw_only=True):
    """Which page of the messages."""


class BlockedText(msgspec.Struct):
    """The data of an event: a refused text and the code of the rule."""

    body: str
    code: str


class OutboundMessage(msgspec.Struct):
    """What the sender needs of a message. A `compliance_reply`, to STOP or HELP, is sent in spite of an opt-out."""

    id: str
    organization_id: str
    lead_id: str
    phone: str
    body: str
    status: MessageStatus
    compliance_reply: bool
