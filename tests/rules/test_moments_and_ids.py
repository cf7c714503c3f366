"""Moments and identifiers sort as text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from deskbell.foundation import clock
from deskbell.foundation.ids import new_id

offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=offsets, min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(moments, moments)
def test_the_order_of_moments_is_the_order_of_their_text(one: datetime, other: datetime) -> None:
    assert (clock.of(one) < clock.of(other)) == (one < other)
    assert clock.moment(clock.of(one)) == one
    assert clock.Instant.parse(one.isoformat()) == clock.of(one)


def test_ids_grow_though_the_clock_stands_still_or_goes_back() -> None:
    made = [new_id()]
    for moment in (2_200_000_000, 2_200_000_000, 2_100_000_000):
        with time_machine.travel(moment, tick=False):
            made += [new_id() for _ in range(100)]
    assert made == sorted(set(made))


def test_ids_are_unique_across_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id(), range(8000)))
    assert len(set(made)) == 8000
    assert {each[14] for each in made} == {"7"}
