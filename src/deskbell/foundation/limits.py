"""Rate limits: fixed minute windows, per key and bucket, exact."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple, Protocol

Bucket = Literal["read", "write", "any"]
WINDOW = 60  # seconds


class Allowance(NamedTuple):
    """What a caller has left in the present window. `reset` is Unix time in seconds."""

    limit: int
    remaining: int
    reset: int
    granted: bool = True


class Limits(Protocol):
    async def take(self, key_id: str, bucket: Bucket, limit: int) -> Allowance:
        """Counts one request; `granted` says whether it was within the limit."""

    async def look(self, key_id: str, bucket: Bucket, limit: int) -> Allowance:
        """The same without counting."""


class MemoryLimits:
    """The limits of one process."""

    def __init__(self) -> None:
        self.window = 0
        self.used: dict[tuple[str, Bucket], int] = {}

    def present(self) -> int:
        window = int(time.time()) // WINDOW
        if window != self.window:
            self.window = window
            self.used.clear()
        return (window + 1) * WINDOW

    async def take(self, key_id: str, bucket: Bucket, limit: int) -> Allowance:
        reset = self.present()
        place = (key_id, bucket)
        used = self.used.get(place, 0)
        if used >= limit:
            return Allowance(limit, 0, reset, False)
        self.used[place] = used + 1
        return Allowance(limit, limit - used - 1, reset)

    async def look(self, key_id: str, bucket: Bucket, limit: int) -> Allowance:
        reset = self.present()
        return Allowance(limit, max(limit - self.used.get((key_id, bucket), 0), 0), reset)
