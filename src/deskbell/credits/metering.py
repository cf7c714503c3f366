"""Usage of work that stores nothing by itself, such as searches: added up in memory and written once a second."""

from __future__ import annotations

import asyncio
from functools import partial

from deskbell.core.context import ExternalContext, job_context
from deskbell.credits import operations
from deskbell.credits.model import Activity
from deskbell.foundation.db import Database, Session


class Meter:
    """Counts for one process. A kill loses what it has counted since the last writing: a second's searches, no stored work."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.waiting: dict[tuple[str, Activity], int] = {}
        self.counted = asyncio.Event()  # set while there is something to write

    def count(self, organization_id: str, activity: Activity) -> None:
        place = (organization_id, activity)
        self.waiting[place] = self.waiting.get(place, 0) + 1
        self.counted.set()

    async def write(self) -> None:
        """Writes what was counted; what a database that is away cannot take waits for the next time."""
        counted, self.waiting = self.waiting, {}
        self.counted.clear()
        for place in list(counted):
            organization_id, activity = place
            unit = partial(noted, organization_id=organization_id, activity=activity, count=counted[place])
            try:
                await self.database.write(unit, organization_id)
            except BaseException:
                for left, count in counted.items():
                    self.waiting[left] = self.waiting.get(left, 0) + count
                self.counted.set()
                raise
            del counted[place]


async def noted(session: Session, organization_id: str, activity: Activity, count: int) -> None:
    await operations.record(await job_context(session, organization_id, "usage"), activity=activity, count=count)


async def allowed(outside: ExternalContext) -> None:
    """402 where the wallet is empty or the organization's budget used up."""
    await outside.read(operations.check)


def done(outside: ExternalContext, activity: Activity) -> None:
    """Counts one piece of work that went well."""
    outside.service(Meter).count(outside.organization_id, activity)
