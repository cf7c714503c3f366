"""Moments and identifiers sort as text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
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


@pytest.mark.parametrize(
    "text", ["2026-01-01t10:00:00z", "2026-01-01 10:00", "20260101T100000Z", "2026-W01-4T10:00+00:00"]
)
def test_a_moment_is_read_in_the_forms_of_iso_8601(text: str) -> None:
    assert clock.Instant.parse(text) == "2026-01-01T10:00:00.000000Z"


@pytest.mark.parametrize("sign", ["x", "\N{ALARM CLOCK}", "\n", "_", "-", "0", "", "TT", "T ", "Tz"])
def test_between_date_and_time_is_a_t_or_a_space(sign: str) -> None:
    with pytest.raises(ValueError, match="must be a date and time"):
        clock.Instant.parse(f"2026-01-01{sign}00:00:00")


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
