"""Events: what happened, who did it, and how records looked before and after."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from deskbell.foundation.clock import Timestamp
from deskbell.foundation.ids import Id, Uuid
from deskbell.foundation.pagination import Paging

MaybeObject = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": ["object", "null"]})]


class EventPrincipal(msgspec.Struct):
    """Who did it. `person_id` is there for API keys: the person that the key belongs to, if any. Erasing a person empties `name`."""

    type: Annotated[
        str,
        Meta(
            description="`person`, `api_key`, `application`, `agent`, `customer`, `carrier`, `operator`, `job` or `import`",
            examples=["api_key"],
        ),
    ]
    id: Annotated[str | None, Meta(examples=["01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"])]
    name: Annotated[str, Meta(examples=["Website form"])]
    person_id: Uuid | UnsetType | None = UNSET


class EventObject(msgspec.Struct):
    """What it happened to."""

    type: Annotated[str, Meta(examples=["lead"])]
    id: Annotated[str, Meta(examples=["01964f3a-9d2c-7c41-8e0b-5f1d2a6b7c88"])]


class Event(msgspec.Struct):
    """Something that happened, recorded in the transaction of its effect. Its id is the cursor for what comes after it.

    `changes` has, for updates, each field that changed with its value before and after; `data` is the record as it was then. The
    `body` of a text is there only for keys with the scope `conversations:read`, the prompt of an agent only for keys with full access. `changes`
    and `data` are null once a person was erased.
    """

    id: Uuid
    type: Annotated[
        str, Meta(description="What happened, such as `lead.updated`; more types will come", examples=["lead.updated"])
    ]
    created_at: Timestamp
    principal: EventPrincipal
    channel: Annotated[
        str,
        Meta(
            description="By what way: `api`, `mcp`, `web`, `sms`, `widget`, `page`, `cli`, `calendar`, `import` or `system`",
            examples=["api"],
        ),
    ]
    request_id: str | None
    lead_id: Uuid | None
    object: EventObject
    changes: MaybeObject
    data: MaybeObject


class LogRow(msgspec.Struct):
    """An event as it is stored."""

    position: int
    id: str
    type: str
    created_at: Timestamp
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


class Place(msgspec.Struct):
    """Where an event stands in the log of its organization."""

    position: int
    id: str


class KeyOwner(msgspec.Struct):
    """Which person an API key belongs to."""

    id: str
    person_id: str | None


Cursor = Annotated[str, Meta(description="Events after the one with this id, oldest first; `0` is the beginning")]
Types = Annotated[
    str,
    Meta(
        max_length=1000,
        description="Only these types, separated by commas: exact ones, or all that begin alike: `lead.*`",
        examples=["lead.*"],
    ),
]


class EventSelection(msgspec.Struct, kw_only=True):
    """Which events somebody wants, and after which one."""

    after: Cursor | UnsetType = UNSET
    type: Types | UnsetType = UNSET
    lead_id: Annotated[Id, Meta(description="Events about this lead")] | UnsetType = UNSET
    object_id: Annotated[str, Meta(max_length=100, description="Events about the record with this id")] | UnsetType = (
        UNSET
    )


class EventFilter(EventSelection, kw_only=True):
    """Which events to list. Without `after` the latest come, newest first."""

    limit: Annotated[int, Meta(ge=1, le=100, description="At most so many events")] = 50


class TimelineFilter(Paging, kw_only=True):
    """Which page of a lead's timeline."""
