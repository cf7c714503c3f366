"""Counts usage that has no transaction of its own, such as searches, in memory, and writes it once a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from deskbell.core.context import ExternalContext, job_context
from deskbell.core.slice import Service
from deskbell.credits import operations
from deskbell.credits.model import Activity
from deskbell.foundation.db import Database, DatabaseFailure, Session

log = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between writes


class Meter(Service):
    """The counts of one process. A killed process loses those since the last write: about a second of searches."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.counts: dict[tuple[str, Activity], int] = {}
        self.counted = asyncio.Event()  # set while there is something to write

    def count(self, organization_id: str, activity: Activity) -> None:
        key = (organization_id, activity)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.counted.set()

    async def run(self) -> None:
        """Writes once a second while there is something to write. A write that has begun is not cancelled: it would be counted twice."""
        while True:
            await self.counted.wait()
            await asyncio.sleep(INTERVAL)
            try:
                await asyncio.shield(self.write())
            except DatabaseFailure as failure:
                log.warning("usage not written: %s", failure)

    async def close(self) -> None:
        with contextlib.suppress(DatabaseFailure):
            await self.write()

    async def write(self) -> None:
        """Writes the counts. Those that cannot be written are kept for the next time."""
        counts, self.counts = self.counts, {}
        self.counted.clear()
        for key in list(counts):
            organization_id, activity = key
            unit = partial(record_count, organization_id=organization_id, activity=activity, count=counts[key])
            try:
                await self.database.write(unit, organization_id)
            except BaseException:
                for unwritten, number in counts.items():
                    self.counts[unwritten] = self.counts.get(unwritten, 0) + number
                self.counted.set()
                raise
            del counts[key]


async def record_count(session: Session, organization_id: str, activity: Activity, count: int) -> None:
    await operations.record(await job_context(session, organization_id, "usage"), activity=activity, count=count)


async def require_credit(external: ExternalContext) -> None:
    """Raises `payment_required` if the wallet is empty or the organization's budget is used up."""
    await external.read(operations.require_credit)


def count(external: ExternalContext, activity: Activity) -> None:
    """Counts one piece of work that succeeded."""
    external.service(Meter).count(external.organization_id, activity)
