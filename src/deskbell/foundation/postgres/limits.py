"""Rate limits that hold across workers and nodes: one table, and one statement per worker at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, NamedTuple

from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.limits import WINDOW, Allowance, Bucket

# Nodes whose clocks differ meet near the end of a minute: the one behind counts in the window of the one ahead.
COUNT = """
INSERT INTO rate_windows AS kept (place, moment, used)
SELECT place, $1, amount FROM unnest($2::text[], $3::bigint[]) AS wanted (place, amount) ORDER BY place
ON CONFLICT (place) DO UPDATE SET
    used = excluded.used + CASE WHEN kept.moment - excluded.moment IN (0, 1) THEN kept.used ELSE 0 END,
    moment = excluded.moment + CASE WHEN kept.moment - excluded.moment = 1 THEN 1 ELSE 0 END
RETURNING place, used, moment
"""
LOOK = "SELECT used FROM rate_windows WHERE place = $1 AND moment = $2"
PURGE = """
DELETE FROM rate_windows WHERE place IN (SELECT place FROM rate_windows WHERE moment < $1 FOR UPDATE SKIP LOCKED)
"""
PURGE_EVERY = 600.0  # seconds
LOOK_TIME = 1.0  # seconds; the result only goes into headers of a response that is decided already


class Ask(NamedTuple):
    place: str
    limit: int
    answer: asyncio.Future[Allowance]


class SharedLimits:
    """Counts in the database, one statement at a time: what is asked for meanwhile is counted together by the next.

    Each request still gets its own place in the order of asking.
    """

    def __init__(self, database: Any) -> None:
        self.database = database
        self.waiting: list[Ask] = []
        self.counting: asyncio.Task[None] | None = None

    async def take(self, key_id: str, bucket: Bucket, limit: int) -> Allowance:
        loop = asyncio.get_running_loop()
        ask = Ask(f"{key_id}:{bucket}", limit, loop.create_future())
        self.waiting.append(ask)
        if self.counting is None:
            self.counting = loop.create_task(self.count_all())
        return await ask.answer

    async def count_all(self) -> None:
        """Counts until no request waits. If the database is away, all that wait fail at once instead of one after the other."""
        try:
            while self.waiting:
                asks, self.waiting = self.waiting, []
                try:
                    await self.count(asks)
                except Exception as error:
                    asks, self.waiting = asks + self.waiting, []
                    failure = error if isinstance(error, DatabaseFailure) else DatabaseFailure(str(error))
                    for ask in asks:
                        if not ask.answer.done():
                            ask.answer.set_exception(failure)
        finally:
            self.counting = None

    async def count(self, asks: list[Ask]) -> None:
        """Adds up what is wanted per key, counts it, and grants them in the order of asking."""
        window = int(time.time()) // WINDOW
        amounts: dict[str, int] = {}
        for ask in asks:
            amounts[ask.place] = amounts.get(ask.place, 0) + 1
        rows = await self.database.system_fetch(COUNT, window, list(amounts), list(amounts.values()))
        before = {place: used - amounts[place] for place, used, _ in rows}
        reset = {place: (moment + 1) * WINDOW for place, _, moment in rows}
        for ask in asks:
            before[ask.place] += 1
            used = before[ask.place]
            if not ask.answer.done():
                ask.answer.set_result(
                    Allowance(ask.limit, max(ask.limit - used, 0), reset[ask.place], used <= ask.limit)
                )

    async def look(self, key_id: str, bucket: Bucket, limit: int) -> Allowance:
        window = int(time.time()) // WINDOW
        used = 0
        if key_id:
            with contextlib.suppress(DatabaseFailure, TimeoutError):
                async with asyncio.timeout(LOOK_TIME):
                    rows = await self.database.system_fetch(LOOK, f"{key_id}:{bucket}", window)
                    used = rows[0][0] if rows else 0
        return Allowance(limit, max(limit - used, 0), (window + 1) * WINDOW)

    async def delete_old_windows(self) -> None:
        """Deletes windows that are over every `PURGE_EVERY`: those of keys that are no longer used would stay for ever."""
        while True:
            await asyncio.sleep(PURGE_EVERY)
            with contextlib.suppress(DatabaseFailure):
                await self.database.system_fetch(PURGE, int(time.time()) // WINDOW - 1)
