"""Earlier versions of records, from the event log. The version before a record's first entry is that entry's with its change undone."""

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


class RecordVersion(msgspec.Struct, kw_only=True):
    """Which version of a record to return."""

    as_of: (
        Annotated[
            Instant,
            Meta(
                description="The record as it was at this time. Needs the scope `events:read` too. Without a fraction of a"
                " second, at the end of that second; a time in the future means now",
            ),
        ]
        | UnsetType
    ) = UNSET


PRESENT = RecordVersion()


class Versioned(Protocol):
    """A record that the log has versions of."""

    __struct_encode_fields__: ClassVar[tuple[str, ...]]
    id: str
    created_at: str


R = TypeVar("R", bound=Versioned)


class LogEntry(msgspec.Struct):
    """One change of a record in the log. `created_at` has microseconds."""

    position: int
    type: str
    created_at: str
    changes: str | None
    data: str | None


_entry = [events.c[name] for name in LogEntry.__struct_fields__]


def _about(organization_id: Any, object_type: Any, object_id: Any, *, lead: bool) -> Select[Any]:
    """The entries about one record, so that an index can find and order them."""
    entries = select(*_entry).where(events.c.organization_id == organization_id, events.c.object_type == object_type)
    if lead:
        return entries.where(events.c.lead_id == object_id, events.c.object_id == object_id)
    return entries.where(AboutRecord(object_id))


@query(LogEntry)
def last_entry(organization_id: str, object_type: str, object_id: str, until: str, *, lead: bool) -> Select[Any]:
    entries = _about(organization_id, object_type, object_id, lead=lead).where(events.c.created_at <= until)
    return entries.order_by(events.c.position.desc()).limit(1)


@query(LogEntry)
def next_entry(organization_id: str, object_type: str, object_id: str, after: str, *, lead: bool) -> Select[Any]:
    entries = _about(organization_id, object_type, object_id, lead=lead).where(events.c.created_at > after)
    return entries.order_by(events.c.position).limit(1)


@query(LogEntry)
def entries_about(organization_id: str, object_type: str, object_id: str) -> Select[Any]:
    """All entries about a record that is not a lead, oldest first."""
    return _about(organization_id, object_type, object_id, lead=False).order_by(events.c.position)


Statement = Callable[..., Bound[LogEntry]]


def is_past(ctx: Context, as_of: Instant) -> bool:
    """Whether an earlier version is requested. Raises `insufficient_scope` if the principal may not read the log."""
    if SCOPE not in ctx.principal.scopes:
        raise Problem("insufficient_scope", f"This API key lacks the scope '{SCOPE}', which `as_of` needs")
    return until_end_of_second(as_of) < ctx.now


def until_end_of_second(moment: str) -> str:
    """A time without a fraction means the end of that second, because records show whole seconds."""
    return moment[:19] + ".999999Z" if moment[20:26] == "000000" else moment


async def earlier_version(ctx: Context, object_type: str, current: R, as_of: str) -> R | None:
    """A record as it was; None if it did not exist yet, or if its person has been erased since."""
    moment, kind = until_end_of_second(as_of), type(current)
    key = (ctx.organization_id, object_type, current.id, moment)
    if entries := await entries_at(ctx, last_entry, *key):
        data = max(entries, key=lambda entry: entry.position).data
        return None if data is None else decoded(kind, msgspec.json.decode(data, type=Fields))
    later = min(await entries_at(ctx, next_entry, *key), key=lambda entry: entry.position, default=None)
    record = current if later is None else before(kind, later)
    existed = record is not None and record.created_at[:19] <= moment[:19]  # records have whole seconds
    return record if existed else None


async def entries_at(ctx: Context, statement: Statement, *key: str) -> list[LogEntry]:
    """The entry in the record's own timeline if it is a lead, and the one among all others: those of other records and of merged leads."""
    by_index = [await ctx.db.all(statement(*key, lead=lead)) for lead in (True, False)]
    return [entry for entries in by_index for entry in entries]


Fields = dict[str, msgspec.Raw]
Changes = dict[str, tuple[msgspec.Raw, msgspec.Raw]]
NULL = msgspec.Raw(b"null")


def before(kind: type[R], entry: LogEntry) -> R | None:
    """The record before its first entry in the log, if it existed then. When it was last changed before that is not known."""
    if entry.type.endswith(".created") or entry.data is None:
        return None
    fields = msgspec.json.decode(entry.data, type=Fields)
    changes = msgspec.json.decode(entry.changes, type=Changes) if entry.changes else {}
    fields |= {name: old for name, (old, _) in changes.items()}
    return decoded(kind, fields | {"updated_at": fields["created_at"]})


def decoded(kind: type[R], fields: Fields) -> R:
    """Decodes a record from the log. Fields that were added to its type since are null."""
    complete = dict.fromkeys(kind.__struct_encode_fields__, NULL) | fields
    return msgspec.json.decode(msgspec.json.encode(complete), type=kind)
