"""Positions in the event log: where a new event goes, and up to where the log is settled.

SQLite has one writer, so positions are in the order of commits and every one that can be read is settled. PostgreSQL gives a
position before its transaction commits, so a reader must stop before the first position that may still be taken.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class NextPosition(FunctionElement[int]):
    """The position of an event that is inserted by this statement. Its argument: the organization."""

    inherit_cache = True
    type = BigInteger()
    name = "next_position"


class SettledPosition(FunctionElement[int]):
    """Every event up to this position is visible or will never be. Asked in a statement of its own, before the events are read."""

    inherit_cache = True
    type = BigInteger()
    name = "settled_position"


class AboutRecord(FunctionElement[Any]):
    """Whether an event is about the record with this id, which is no lead: the condition that the index `events_by_object` serves."""

    inherit_cache = True
    type = Integer()  # a Boolean would be rendered `= 1` on SQLite, which no index can serve
    name = "about_record"


@compiles(NextPosition, "sqlite")
def next_in_file(element: NextPosition, compiler: SQLCompiler, **options: Any) -> str:
    organization = compiler.process(element.clauses, **options)
    return f"(SELECT coalesce(max(position), 0) + 1 FROM events WHERE organization_id = {organization})"


@compiles(NextPosition, "postgresql")
def next_on_server(element: NextPosition, compiler: SQLCompiler, **options: Any) -> str:
    return "deskbell_next_event()"


@compiles(SettledPosition, "sqlite")
def settled_in_file(element: SettledPosition, compiler: SQLCompiler, **options: Any) -> str:
    return "9223372036854775807"


@compiles(SettledPosition, "postgresql")
def settled_on_server(element: SettledPosition, compiler: SQLCompiler, **options: Any) -> str:
    return "deskbell_settled_event()"


@compiles(AboutRecord, "sqlite")
def about_record_in_file(element: AboutRecord, compiler: SQLCompiler, **options: Any) -> str:
    id = compiler.process(element.clauses, **options)
    return f"(events.object_id = {id} AND events.object_id IS NOT events.lead_id)"


@compiles(AboutRecord, "postgresql")
def about_record_on_server(element: AboutRecord, compiler: SQLCompiler, **options: Any) -> str:
    id = compiler.process(element.clauses, **options)
    return f"(events.object_id = {id} AND events.object_id IS DISTINCT FROM events.lead_id::text)"
