"""What is recorded against texting a number."""

from __future__ import annotations

import msgspec


class Suppression(msgspec.Struct):
    """A whole entry of the do-not-contact list, as it is stored. `phone` is null once the person was erased."""

    organization_id: str
    number_hash: str
    phone: str | None
    opted_out_at: str | None
    on_dnc_at: str | None


class Standing(msgspec.Struct):
    """What stands against texting a number: since when it has opted out, since when it is on the do-not-call list."""

    opted_out_at: str | None
    on_dnc_at: str | None
