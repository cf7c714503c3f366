"""What is recorded against texting a number."""

from __future__ import annotations

from typing import Literal

import msgspec

SuppressionKind = Literal["opt_out", "dnc"]


class Suppression(msgspec.Struct):
    """A whole entry of the do-not-contact list, as it is stored. `phone` is null once the person was erased."""

    organization_id: str
    number_hash: str
    phone: str | None
    opted_out_at: str | None
    on_dnc_at: str | None


class SuppressionStatus(msgspec.Struct, frozen=True):
    """What stands against texting a number: since when it has opted out, since when it is on the do-not-call list."""

    opted_out_at: str | None
    on_dnc_at: str | None


class SuppressionChange(msgspec.Struct):
    """What an event says of a number: that it opted out, was put on the do-not-call list, or that one of these was taken back.

    `phone` is null if the person was erased.
    """

    phone: str | None
    kind: SuppressionKind
