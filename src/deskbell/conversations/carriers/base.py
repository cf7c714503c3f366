"""The interface of carriers: they accept texts, identify them by our own reference, and report on them."""

from __future__ import annotations

from typing import Protocol

import msgspec


class OutboundText(msgspec.Struct, frozen=True):
    """A text on its way out. `reference` is ours and unique; `recipient` is E.164."""

    organization_id: str
    reference: str
    recipient: str
    body: str


class Accepted(msgspec.Struct, frozen=True):
    """The carrier accepted the text and gave it an id."""

    carrier_id: str


class Unavailable(Exception):
    """The carrier certainly did not accept the text. It may be sent again."""


class OutcomeUnknown(Exception):
    """It is not known whether the carrier accepted the text. It must not be sent again before `find` has answered."""


class Refused(Exception):
    """The carrier will never accept this text. `reason` is stored with the message; `opted_out` means that the person sent STOP to the carrier."""

    def __init__(self, reason: str, *, opted_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.opted_out = opted_out


class Carrier(Protocol):
    """Sends texts. Only `conversations/sender.py` may use one."""

    async def send(self, text: OutboundText) -> Accepted:
        """Hands over a text. Raises Unavailable, OutcomeUnknown or Refused."""

    async def find(self, text: OutboundText) -> Accepted | None:
        """The result of an earlier `send` with this reference. None if it certainly was not and will not be accepted; else OutcomeUnknown."""

    async def erase(self, organization_id: str, reference: str) -> None:
        """Deletes what the carrier stored of a text whose person was erased."""
