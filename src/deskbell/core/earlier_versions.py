"""Records as they were at an earlier moment, by the event log. Where it begins later than a record, later changes are undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Select, select

from deskbell.core.context import Context
from deskbell.core.events import events
from deskbell.errors import Problem
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import Bound, query
from deskbell.foundation.positions import AboutRecord

SCOPE = "events:read"


class Version(msgspec.Struct, kw_only=True):
    """Which version of a record is wanted."""

    as_of: (
        Annotated[
            Instant,
            Meta(
                description="The record as it was at this moment, for keys that have the scope `events:read` too. Without a fraction of a"
                " second, at the end of that second; a moment ahead is now",
            ),
        ]
        | UnsetType
    ) = UNSET


PRESENT = Version()


class Versioned(Protocol):
    """A record that the log has versions of."""

    __struct_encode_fields__: ClassVar[tuple[str, ...]]
    id: str
    created_at: str


R = TypeVar("R", bound=Versioned)


class Entry(msgspec.Struct):
    """What the log says of one change of a record. `created_at` is to the microsecond."""

    position: int
    type: str
    created_at: str
    changes: str | None
    data: str | None


_entry = [events.c[name] for name in Entry.__struct_fields__]


def _about(organization_id: Any, object_type: Any, object_id: Any, *, lead: bool) -> Select[Any]:
    """The entries about one record, in an order that an index has."""
    about = select(*_entry).where(events.c.organization_id == organization_id, events.c.object_type == object_type)
    if lead:
        return about.where(events.c.lead_id == object_id, events.c.object_id == object_id)
    return about.where(AboutRecord(object_id))


@query(Entry)
def last_entry(organization_id: str, object_type: str, object_id: str, until: str, *, lead: bool) -> Select[Any]:
    about = _about(organization_id, object_type, object_id, lead=lead).where(events.c.created_at <= until)
    return about.order_by(events.c.position.desc()).limit(1)


@query(Entry)
def next_entry(organization_id: str, object_type: str, object_id: str, after: str, *, lead: bool) -> Select[Any]:
    about = _about(organization_id, object_type, object_id, lead=lead).where(events.c.created_at > after)
    return about.order_by(events.c.position).limit(1)


@query(Entry)
def entries_about(organization_id: str, object_type: str, object_id: str) -> Select[Any]:
    """All entries about a record that is no lead, oldest first."""
    return _about(organization_id, object_type, object_id, lead=False).order_by(events.c.position)


Statement = Callable[..., Bound[Entry]]


def is_past(ctx: Context, as_of: Instant) -> bool:
    """Whether an earlier version is wanted, not the present one. Refuses a principal that may not read the log."""
    if SCOPE not in ctx.principal.scopes:
        raise Problem("insufficient_scope", f"This API key lacks the scope '{SCOPE}', which `as_of` needs")
    return until_end_of_second(as_of) < ctx.now


def until_end_of_second(moment: str) -> str:
    """A moment that was given without a fraction is the whole second, as records show it."""
    return moment[:19] + ".999999Z" if moment[20:26] == "000000" else moment


async def earlier_version(ctx: Context, object_type: str, present: R, as_of: str) -> R | None:
    """A record as it was; None before it existed, and of the time before its person was erased."""
    moment, kind = until_end_of_second(as_of), type(present)
    place = (ctx.organization_id, object_type, present.id, moment)
    if entries := await entries_at(ctx, last_entry, *place):
        data = max(entries, key=lambda entry: entry.position).data
        return None if data is None else decoded(kind, msgspec.json.decode(data, type=Fields))
    later = min(await entries_at(ctx, next_entry, *place), key=lambda entry: entry.position, default=None)
    found = present if later is None else before(kind, later)
    return found if found is not None and found.created_at[:19] <= moment[:19] else None  # it is cut to seconds


async def entries_at(ctx: Context, statement: Statement, *place: str) -> list[Entry]:
    """An entry that a lead's own timeline has, and one that stands elsewhere: of another record, or of a lead that was merged."""
    found = [await ctx.db.all(statement(*place, lead=lead)) for lead in (True, False)]
    return [entry for entries in found for entry in entries]


Fields = dict[str, msgspec.Raw]
Changes = dict[str, tuple[msgspec.Raw, msgspec.Raw]]
NULL = msgspec.Raw(b"null")


def before(kind: type[R], entry: Entry) -> R | None:
    """The record before its first entry in the log, if it existed then. Nobody knows when it was last changed before that."""
    if entry.type.endswith(".created") or entry.data is None:
        return None
    fields = msgspec.json.decode(entry.data, type=Fields)
    changes = msgspec.json.decode(entry.changes, type=Changes) if entry.changes else {}
    fields |= {name: old for name, (old, _) in changes.items()}
    return decoded(kind, fields | {"updated_at": fields["created_at"]})


def decoded(kind: type[R], fields: Fields) -> R:
    """A record of the log. Fields that its type has got since are null."""
    whole = dict.fromkeys(kind.__struct_encode_fields__, NULL) | fields
    return msgspec.json.decode(msgspec.json.encode(whole), type=kind)
