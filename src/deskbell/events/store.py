"""Every query on the event log. Each filter has an index whose order is that of the log, so that none looks at what it does not list."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from deskbell.core.events import events
from deskbell.events.model import KeyOwner, LogRow, Place
from deskbell.foundation.db import InList, query
from deskbell.foundation.positions import AboutRecord, SettledPosition
from deskbell.identity.store import api_keys

# Without statistics, SQLite's planner takes a range of the primary key for the narrowest search.
BY_LEAD, BY_OBJECT, BY_TYPE = (f"INDEXED BY events_by_{name}" for name in ("lead", "object", "type"))

_columns = [events.c[name] for name in LogRow.__struct_fields__]


def _between(chosen: Select[Any], after: Any, until: Any, most: Any, *, newest: bool) -> Select[Any]:
    """The first `most` rows behind one position and up to another, or with `newest` the last ones, latest first."""
    chosen = chosen.where(events.c.position > after, events.c.position <= until)
    return chosen.order_by(events.c.position.desc() if newest else events.c.position).limit(most)


@query(int)
def settled_position() -> Select[Any]:
    return select(SettledPosition())


@query(int)
def position_of(organization_id: str, id: str) -> Select[Any]:
    return select(events.c.position).where(events.c.organization_id == organization_id, events.c.id == id)


@query(Place)
def newest_place(organization_id: str, until: int) -> Select[Any]:
    """The last event up to a position."""
    found = select(events.c.position, events.c.id).where(events.c.organization_id == organization_id)
    return found.where(events.c.position <= until).order_by(events.c.position.desc()).limit(1)


@query(LogRow)
def log_rows(organization_id: str, after: int, until: int, most: int, *, newest: bool) -> Select[Any]:
    return _between(
        select(*_columns).where(events.c.organization_id == organization_id), after, until, most, newest=newest
    )


@query(LogRow)
def rows_about_lead(
    organization_id: str,
    lead_id: str,
    after: int,
    until: int,
    most: int,
    object_id: str | None = None,
    types: str | None = None,
    *,
    newest: bool,
) -> Select[Any]:
    """Events about a lead; with `object_id` those about one record of theirs, or about the lead itself. `types` is a JSON list."""
    chosen = select(*_columns).where(events.c.organization_id == organization_id, events.c.lead_id == lead_id)
    if object_id is not None:
        chosen = chosen.where(events.c.object_id == object_id)
    if types is not None:
        chosen = chosen.where(InList(events.c.type, types))
    return _between(chosen, after, until, most, newest=newest).with_hint(events, BY_LEAD, "sqlite")


@query(LogRow)
def rows_about_object(
    organization_id: str,
    object_id: str,
    after: int,
    until: int,
    most: int,
    lead_id: str | None = None,
    types: str | None = None,
    *,
    newest: bool,
) -> Select[Any]:
    """Events about a record that is no lead."""
    chosen = select(*_columns).where(events.c.organization_id == organization_id, AboutRecord(object_id))
    if lead_id is not None:  # an equation would be put into the index's condition, which SQLite then does not recognize
        chosen = chosen.where(events.c.lead_id.is_not_distinct_from(lead_id))
    if types is not None:
        chosen = chosen.where(InList(events.c.type, types))
    return _between(chosen, after, until, most, newest=newest).with_hint(events, BY_OBJECT, "sqlite")


@query(int)
def positions_of_type(
    organization_id: str, type: str, after: int, until: int, most: int, *, newest: bool
) -> Select[Any]:
    chosen = select(events.c.position).where(events.c.organization_id == organization_id, events.c.type == type)
    return _between(chosen, after, until, most, newest=newest).with_hint(events, BY_TYPE, "sqlite")


@query(LogRow)
def rows_at(organization_id: str, positions: str) -> Select[Any]:
    """The events at these positions, a JSON list, in no order."""
    return select(*_columns).where(events.c.organization_id == organization_id, InList(events.c.position, positions))


@query(LogRow)
def timeline_list(organization_id: str, lead_id: str) -> Select[Any]:
    chosen = select(*_columns).where(events.c.organization_id == organization_id, events.c.lead_id == lead_id)
    return chosen.order_by(events.c.position.desc())


@query(KeyOwner)
def owners_of_keys(organization_id: str, ids: str) -> Select[Any]:
    """The people that keys belong to; `ids` is a JSON list."""
    owned = select(api_keys.c.id, api_keys.c.person_id)
    return owned.where(api_keys.c.organization_id == organization_id, InList(api_keys.c.id, ids))
