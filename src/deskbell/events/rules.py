"""Pure decisions about events: which ones a filter wants, and what a reader sees of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from deskbell.core.event_types import EVENT_TYPES
from deskbell.core.scopes import MANAGE, Scopes
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


TEXT_FIELDS = frozenset({"body"})
PROMPT_FIELDS = frozenset({"systemPrompt", "variables"})


def unknown_cursor(name: str) -> Problem:
    return invalid(name, "must be the id of an event of your organization, or 0 for the beginning")


class Visibility(NamedTuple):
    """What a reader may see beside the events: the words of texts, and the prompts of agents."""

    texts: bool
    prompts: bool

    @classmethod
    def of(cls, scopes: Scopes) -> Visibility:
        return cls("conversations:read" in scopes, MANAGE in scopes)

    def hidden(self, object_type: str) -> frozenset[str]:
        """The fields of such an object that stay out."""
        if object_type == "message" and not self.texts:
            return TEXT_FIELDS
        return PROMPT_FIELDS if object_type == "agent" and not self.prompts else frozenset()


def event_of(row: LogRow, owners: Mapping[str, str | None], visible: Visibility) -> Event:
    """What a reader sees. `owners` are the people that API keys belong to."""
    person: str | UnsetType | None = owners.get(row.principal_id or "") if row.principal_type == "api_key" else UNSET
    hidden = visible.hidden(row.object_type)
    data, changes = without(row.data, hidden), without(row.changes, hidden)
    return Event(
        row.id,
        row.type,
        row.created_at,
        EventPrincipal(row.principal_type, row.principal_id, row.principal_name, person),
        row.channel,
        row.request_id,
        row.lead_id,
        EventObject(row.object_type, row.object_id),
        NULL if changes is None else msgspec.Raw(changes),
        NULL if data is None else msgspec.Raw(data),
    )


def without(record: str | None, hidden: frozenset[str]) -> str | None:
    """A stored record without some of its fields."""
    if record is None or not hidden:
        return record
    fields: dict[str, Any] = _decode(record)
    return _encode({name: value for name, value in fields.items() if name not in hidden}).decode()
