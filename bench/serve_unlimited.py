"""`deskbell serve` on PostgreSQL without its limiter, to know what the limiter costs: serve_unlimited.py serve ..."""

from __future__ import annotations

from typing import Any

from deskbell.foundation.limits import Allowance
from deskbell.foundation.postgres import database
from deskbell.foundation.postgres.limits import SharedLimits
from deskbell.surfaces.cli import main


class Unlimited(SharedLimits):
    async def take(self, key_id: str, bucket: Any, limit: int) -> Allowance:
        return Allowance(limit, limit, 0)


database.SharedLimits = Unlimited  # type: ignore[misc]
main()
