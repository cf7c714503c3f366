"""Pure decisions about events: which ones a filter wants, and what a reader sees of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from deskbell.core.event_types import EVENT_TYPES
from deskbell.errors import Problem, invalid
from deskbell.events.model import Event, EventObject, EventPrincipal, EventSelection, LogRow
from deskbell.foundation.ids import NO_ID, canonical
from deskbell.foundation.pagination import given

BEGINNING = "0"  # the cursor before all events
NULL = msgspec.Raw(b"null")
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


class Wanted(NamedTuple):
    """A filter. `types` are the types of event that it lets through, None for all of them."""

    types: tuple[str, ...] | None = None
    lead_id: str | None = None
    object_id: str | None = None

    def takes(self, row: LogRow) -> bool:
        return (
            (self.types is None or row.type in self.types)
            and (self.lead_id is None or row.lead_id == self.lead_id)
            and (self.object_id is None or row.object_id == self.object_id)
        )


def wanted(selection: EventSelection) -> Wanted:
    types = None if selection.type is UNSET else matching_types(selection.type)
    object_id = given(selection.object_id)
    if object_id is not None and canonical(object_id) != NO_ID:
        object_id = canonical(object_id)
    return Wanted(types, given(selection.lead_id), object_id)


def matching_types(patterns: str) -> tuple[str, ...] | None:
    """The types that a comma list of exact ones and `prefix.*` names; None for all that there are."""
    found: set[str] = set()
    for pattern in map(str.strip, patterns.split(",")):
        if pattern == "*":
            return None
        if pattern.endswith(".*"):
            found.update(type for type in EVENT_TYPES if type.startswith(pattern[:-1]))
        elif pattern in EVENT_TYPES:
            found.add(pattern)
    return tuple(sorted(found))


def unknown_cursor(name: str) -> Problem:
    return invalid(name, "must be the id of an event of your organization, or 0 for the beginning")


def event_of(row: LogRow, owners: Mapping[str, str | None], *, reads_texts: bool) -> Event:
    """What a reader sees. `owners` are the people that API keys belong to; without `reads_texts` the words of texts stay out."""
    person: str | UnsetType | None = owners.get(row.principal_id or "") if row.principal_type == "api_key" else UNSET
    data = row.data
    if data is not None and not reads_texts and row.object_type == "message":
        data = without_body(data)
    return Event(
        row.id,
        row.type,
        row.created_at,
        EventPrincipal(row.principal_type, row.principal_id, row.principal_name, person),
        row.channel,
        row.request_id,
        row.lead_id,
        EventObject(row.object_type, row.object_id),
        NULL if row.changes is None else msgspec.Raw(row.changes),
        NULL if data is None else msgspec.Raw(data),
    )


def without_body(data: str) -> str:
    record: dict[str, Any] = _decode(data)
    record.pop("body", None)
    return _encode(record).decode()
