"""A reader who follows the event log by its cursor sees every event exactly once, however many write and in whatever order they commit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import Select, func, select

from deskbell.core.context import operator_context
from deskbell.core.events import record
from deskbell.events import log
from deskbell.events.model import EventFilter
from deskbell.events.operations import list_events
from deskbell.foundation import databases
from deskbell.foundation.db import Session, query
from deskbell.foundation.postgres.database import PostgresDatabase
from deskbell.organizations.operations import create_organization
from tests.postgres import fresh_database

WRITERS, EACH = 12, 10
RISING = [number * 0.004 for number in range(WRITERS)]
DELAYS = {"as they began": RISING, "the other way round": RISING[::-1], "in any order": []}


class Note(msgspec.Struct):
    """What the events of this test say."""

    number: int


@query(str)
def pause(seconds: float) -> Select[Any]:
    return select(func.pg_sleep(seconds))


@pytest.fixture(scope="module")
def url(postgres_url: str) -> str:
    place = fresh_database(postgres_url)
    databases.prepare(place, migrate=True)
    return place


@pytest.mark.parametrize("delays", DELAYS.values(), ids=DELAYS)
def test_a_cursor_loses_and_repeats_nothing(url: str, delays: Sequence[float]) -> None:
    assert sorted(asyncio.run(followed(url, delays))) == list(range(WRITERS * EACH))


def test_control_without_the_settled_position_events_are_lost(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def everything(ctx: Any) -> int:
        return log.ALL

    monkeypatch.setattr(log, "settled", everything)
    assert len(asyncio.run(followed(url, RISING[::-1]))) < WRITERS * EACH


async def followed(url: str, delays: Sequence[float]) -> list[int]:
    """The events that a reader meets while writers write, each of whom draws a position and commits some time later."""
    database, other = PostgresDatabase(url, pool=WRITERS), PostgresDatabase(url)
    await asyncio.gather(database.start(), other.start())
    organization = (await database.write(lambda session: create_organization(session, "Acme"))).id

    async def write(number: int, delay: float) -> None:
        async def unit(session: Session) -> None:
            ctx = await operator_context(session, organization)
            await record(ctx, "settings.updated", organization, after=Note(number))
            await session.one(pause(delay))

        await database.write(unit, organization)

    async def writer(place: int) -> None:
        for turn in range(EACH):
            await write(place * EACH + turn, delays[place] if delays else random.random() * 0.03)

    async def read(cursor: str) -> tuple[list[int], str]:
        async def unit(session: Session) -> Any:
            return await list_events(await operator_context(session, organization), EventFilter(after=cursor, limit=7))

        page = await other.read(unit, organization)
        notes = [event for event in page.rows if event.type == "settings.updated"]
        return [msgspec.json.decode(event.data, type=Note).number for event in notes], page.meta.next

    seen: list[int] = []
    cursor, moved = "0", True
    writing = asyncio.gather(*(writer(place) for place in range(WRITERS)))
    while moved or not writing.done():
        done = writing.done()  # before the log is read: what comes after is read in the next round
        found, next = await read(cursor)
        seen += found
        moved, cursor = next != cursor or not done, next
    await writing
    await asyncio.gather(database.stop(), other.stop())
    return seen
