"""Suppressions: why a number must not be texted."""

from __future__ import annotations

from typing import Literal

import msgspec

SuppressionKind = Literal["opt_out", "dnc"]


class Suppression(msgspec.Struct):
    """A stored suppression. `phone` is null once the person was erased."""

    organization_id: str
    number_hash: str
    phone: str | None
    opted_out_at: str | None
    on_dnc_at: str | None


class SuppressionStatus(msgspec.Struct, frozen=True):
    """When a number opted out and when it was put on the do-not-call list; null if it did not or was not."""

    opted_out_at: str | None
    on_dnc_at: str | None


class SuppressionChange(msgspec.Struct):
    """The data of an event: a number got or lost one kind of suppression.

    `phone` is null if the person was erased.
    """

    phone: str | None
    kind: SuppressionKind
