"""What the event log holds of one organization, as stored."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from sqlalchemy import Select, select

from deskbell.core.context import Context
from deskbell.core.events import events
from deskbell.foundation.db import query
from tests.desk import Api


class Event(msgspec.Struct):
    type: str
    principal_type: str
    principal_id: str | None
    principal_name: str
    channel: str
    request_id: str | None
    lead_id: str | None
    object_type: str
    object_id: str
    changes: str | None
    data: str | None

    @property
    def principal(self) -> tuple[str, str | None, str]:
        return self.principal_type, self.principal_id, self.principal_name


@query(Event)
def all_events(organization_id: str) -> Select[Any]:
    found = select(*(events.c[name] for name in Event.__struct_fields__))
    return found.where(events.c.organization_id == organization_id).order_by(events.c.position)


def log(api: Api) -> list[Event]:
    """All events of an organization, in the order of their commits."""

    async def read(ctx: Context) -> list[Event]:
        return await ctx.db.all(all_events(ctx.organization_id))

    found: list[Event] = api.do(read)
    return found


def of_request(api: Api, request_id: str) -> list[Event]:
    return [event for event in log(api) if event.request_id == request_id]


def recorded(api: Api, *types: str) -> list[dict[str, Any]]:
    """The events of these types, with `changes` and `data` as objects."""
    rows = [msgspec.structs.asdict(event) for event in log(api) if event.type in types]
    return [row | {name: json.loads(row[name] or "null") for name in ("changes", "data")} for row in rows]
