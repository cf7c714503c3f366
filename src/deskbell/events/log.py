"""Reading the log: from a cursor on, or the latest, with every filter at the price of what it lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from deskbell.core.context import Context
from deskbell.events import rules, store
from deskbell.events.model import Event, LogRow, Place
from deskbell.events.rules import BEGINNING, Wanted
from deskbell.foundation.ids import NO_ID, canonical

ALL = 2**63 - 1  # a position behind every other

_encode = msgspec.json.Encoder().encode


class Section(NamedTuple):
    """A part of the log: what is behind one position and up to another; `most` rows of it from its start, or from its end."""

    after: int
    until: int
    most: int
    newest: bool = False


async def settled(ctx: Context) -> int:
    """Up to where the log is complete. To be asked before the events are read."""
    (position,) = await ctx.db.all(store.settled_position())
    return position


async def newest_place(ctx: Context, until: int = ALL) -> Place:
    """The last event up to a position."""
    return await ctx.db.one(store.newest_place(ctx.organization_id, until)) or Place(0, BEGINNING)


async def newest_settled(ctx: Context) -> Place:
    """The last event behind which nothing can be missed."""
    return await newest_place(ctx, await settled(ctx))


async def place_of(ctx: Context, cursor: str, name: str = "after") -> Place:
    """Where a cursor stands. Refuses what is no event of the organization; `name` is where the client has put it."""
    if cursor == BEGINNING:
        return Place(0, BEGINNING)
    id = canonical(cursor)
    position = await ctx.db.one(store.position_of(ctx.organization_id, id))
    if position is None:
        raise rules.unknown_cursor(name)
    return Place(position, id)


async def rows_in(ctx: Context, section: Section, wanted: Wanted) -> list[LogRow]:
    """The events of a section that are wanted, in its order."""
    if wanted.types == ():
        return []
    if wanted.object_id is not None:
        return await rows_about_object(ctx, section, wanted, wanted.object_id)
    if wanted.lead_id is not None:
        return await rows_about_lead(ctx, section, wanted, wanted.lead_id)
    if wanted.types is not None:
        return await rows_of_types(ctx, section, wanted.types)
    bounds = (section.after, section.until, section.most)
    return await ctx.db.all(store.log_rows(ctx.organization_id, *bounds, newest=section.newest))


async def rows_about_lead(ctx: Context, section: Section, wanted: Wanted, lead_id: str) -> list[LogRow]:
    bounds = (section.after, section.until, section.most)
    found = store.rows_about_lead(
        ctx.organization_id, lead_id, *bounds, wanted.object_id, listed(wanted.types), newest=section.newest
    )
    return await ctx.db.all(found)


async def rows_about_object(ctx: Context, section: Section, wanted: Wanted, object_id: str) -> list[LogRow]:
    """Events about a lead itself are found by the lead, all others by their object; an id is one or the other."""
    found: list[LogRow] = []
    if canonical(object_id) != NO_ID and wanted.lead_id in (None, object_id):
        found = await rows_about_lead(ctx, section, wanted, object_id)
    bounds = (section.after, section.until, section.most)
    others = store.rows_about_object(
        ctx.organization_id, object_id, *bounds, wanted.lead_id, listed(wanted.types), newest=section.newest
    )
    return merged(section, [*found, *await ctx.db.all(others)])


async def rows_of_types(ctx: Context, section: Section, types: Sequence[str]) -> list[LogRow]:
    """First where the events of each type stand, from an index alone; then the rows that are among the first of all types."""
    bounds = (section.after, section.until, section.most)
    positions: list[int] = []
    for type in types:
        found = store.positions_of_type(ctx.organization_id, type, *bounds, newest=section.newest)
        positions += await ctx.db.all(found)
    if not positions:
        return []
    first = sorted(positions, reverse=section.newest)[: section.most]
    return merged(section, await ctx.db.all(store.rows_at(ctx.organization_id, _encode(first).decode())))


def merged(section: Section, rows: list[LogRow]) -> list[LogRow]:
    return sorted(rows, key=lambda row: row.position, reverse=section.newest)[: section.most]


def listed(types: Sequence[str] | None) -> str | None:
    return None if types is None else _encode(types).decode()


async def events_of(ctx: Context, rows: Sequence[LogRow]) -> list[Event]:
    """The events as the present principal may see them."""
    owners = await owners_of_keys(ctx, rows)
    visible = rules.Visibility.of(ctx.principal.scopes)
    return [rules.event_of(row, owners, visible) for row in rows]


async def owners_of_keys(ctx: Context, rows: Sequence[LogRow]) -> dict[str, str | None]:
    """The people that the API keys among the principals belong to."""
    ids = {row.principal_id for row in rows if row.principal_type == "api_key"} - {None}
    if not ids:
        return {}
    found = store.owners_of_keys(ctx.organization_id, _encode(sorted(map(str, ids))).decode())
    return {owner.id: owner.person_id for owner in await ctx.db.all(found)}
