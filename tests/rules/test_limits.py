"""Fixed minute windows."""

from __future__ import annotations

import asyncio

import time_machine

from deskbell.foundation.limits import MemoryLimits


def remaining(limits: MemoryLimits, times: int, limit: int = 3) -> list[tuple[int, bool]]:
    async def take() -> list[tuple[int, bool]]:
        taken = [await limits.take("key", "read", limit) for _ in range(times)]
        return [(each.remaining, each.granted) for each in taken]

    return asyncio.run(take())


def test_a_window_is_a_minute_of_the_clock() -> None:
    limits = MemoryLimits()
    with time_machine.travel(120.0, tick=False) as clock:
        assert remaining(limits, 4) == [(2, True), (1, True), (0, True), (0, False)]
        clock.move_to(179.999)
        assert remaining(limits, 1) == [(0, False)]
        clock.move_to(180.0)
        assert remaining(limits, 1) == [(2, True)]


def test_a_limit_that_shrinks_within_a_window_holds_at_once() -> None:
    limits = MemoryLimits()
    with time_machine.travel(120.0, tick=False):
        remaining(limits, 2)
        assert remaining(limits, 1, limit=2) == [(0, False)]
        assert remaining(limits, 1, limit=5) == [(2, True)]


def test_old_windows_are_forgotten() -> None:
    limits = MemoryLimits()
    with time_machine.travel(120.0, tick=False) as clock:
        remaining(limits, 1)
        clock.move_to(240.0)
        remaining(limits, 1)
        assert len(limits.used) == 1
