"""What a carrier is to Deskbell: something that takes texts, knows them by our own reference, and reports on them."""

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
    """The carrier has taken the text, under its own id."""

    carrier_id: str


class Unavailable(Exception):
    """The carrier did not take the text and certainly will not; it may be tried again."""


class OutcomeUnknown(Exception):
    """Nobody knows whether the carrier took the text. It must not be sent again before `find` has told."""


class Refused(Exception):
    """The carrier will never take this text. `reason` is a word for the log; `opted_out` when the person has told the carrier STOP."""

    def __init__(self, reason: str, *, opted_out: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.opted_out = opted_out


class Carrier(Protocol):
    """Sends texts. Only `conversations/sending.py` may hold one."""

    async def send(self, text: OutboundText) -> Accepted:
        """Hands a text over. Raises Unavailable, Unsure or Refused."""

    async def find(self, text: OutboundText) -> Accepted | None:
        """What became of an earlier `send` with this reference. None only if it was not taken and never will be; else raises Unsure."""

    async def erase(self, organization_id: str, reference: str) -> None:
        """Drops what is kept of a text whose person was erased, if there is anything."""
